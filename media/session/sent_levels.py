"""Sound sent under the agent's sound, and levels of the agent while sound was received: evidence of echo.

Sans-IO.
"""

import math

from media.fast import base
from media.fast.fallback import SILENT
from media.g711 import SILENCE, level
from media.session.ambience import Backdrop

RMS_0_DBM0 = 15_813.0
"""Root mean square of 0 dBm0 on the 16-bit scale: the sine of 32124 has 3.14 dBm0 (ITU-T G.711, table 5)."""


def _levels() -> bytes:
    table = bytes([SILENT])
    for dbm0 in range(126, 0, -1):
        above = math.ceil(RMS_0_DBM0 * 10 ** (-(dbm0 - 0.5) / 20))
        table += bytes([dbm0]) * (above - len(table))
    return table + bytes((1 << 15) - len(table))


LEVELS = _levels()
"""The level of a frame by its root mean square."""


class SentLevels(base.SentLevels):
    """The levels of one call, one byte for each 20 ms slot: -dBm0 from 0 to 126, or `SILENT`."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.backdrop = Backdrop()
        """Sounds under the agent's sound. Their level does not count: the agent would seem to speak all the time."""

    def add(self, frame: bytes) -> None:
        """Take the mu-law frame of the slot that is sent now."""
        self.push(SILENT if frame is SILENCE else LEVELS[level(frame)])
