"""Levels of sound in dBm0, the unit of telephone lines: 0 is a loud tone, speech is about -20, a quiet room -60."""

import math
import warnings
from array import array

with warnings.catch_warnings():
    # Python before 3.13 warns at each import that 3.13 removes it; from 3.13 on the package audioop-lts provides it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop as audioop  # noqa: PLC0414  re-exported

RATE = 8000
"""Samples per second of every line."""
SLOT = 160
"""Samples that are judged at a time."""
SECONDS = SLOT / RATE
WIDTH = 2
"""Bytes of a linear sample."""
SIZE = SLOT * WIDTH
"""Bytes of a slot of linear sound."""
SILENT = -127
"""The level of digital silence."""
RMS_0_DBM0 = 15_813.0
"""Root mean square of 0 dBm0 on the 16-bit scale: the sine of 32124 has 3.14 dBm0 (ITU-T G.711, table 5)."""

_LEVELS = array("d", (20 * math.log10((rms or 1e-9) / RMS_0_DBM0) for rms in range((1 << 15) + 1)))
_LEVELS[0] = SILENT


def to_linear(ulaw: bytes) -> bytes:
    """Mu-law samples as 16-bit little-endian linear ones."""
    return bytes(audioop.ulaw2lin(ulaw, WIDTH))


def level(linear: bytes) -> float:
    """The level of linear sound in dBm0."""
    return _LEVELS[audioop.rms(linear, WIDTH)]


def peak(linear: bytes) -> float:
    """The level of a square wave with the greatest amplitude in this sound: no part of it is louder."""
    return _LEVELS[audioop.max(linear, WIDTH)]
