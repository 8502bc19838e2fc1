"""G.711 (ITU-T G.711): mu-law and A-law, converted by table. Outside of RTP packets, sound is always mu-law."""

import warnings

with warnings.catch_warnings():
    # Importing audioop warns that Python 3.13 removes it; from 3.13 on the package audioop-lts provides it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

RATE = 8000
"""Samples, and bytes, per second."""
FRAME = 160
"""Samples in the 20 ms that one RTP packet carries."""
FRAME_SECONDS = 0.020
"""Seconds of a frame."""
QUIET_LEVEL = 300
"""Root mean square below which a frame is quiet (about -40 dB of full scale): see `level`."""
ULAW_SILENCE = 0xFF
"""The mu-law code of zero."""

_ALL = bytes(range(256))
ALAW_TO_ULAW: bytes = audioop.lin2ulaw(audioop.alaw2lin(_ALL, 2), 2)
"""Table for `bytes.translate`: an A-law byte becomes the nearest mu-law byte."""
ULAW_TO_ALAW: bytes = audioop.lin2alaw(audioop.ulaw2lin(_ALL, 2), 2)
"""Table for `bytes.translate`: a mu-law byte becomes the nearest A-law byte."""

SILENCE = bytes([ULAW_SILENCE]) * FRAME
"""20 ms of mu-law silence."""

_STEP = 5


def to_linear(ulaw: bytes) -> bytes:
    """Mu-law samples as 16-bit little-endian linear ones."""
    return bytes(audioop.ulaw2lin(ulaw, 2))


def from_linear(linear: bytes) -> bytes:
    """16-bit little-endian linear samples as mu-law ones."""
    return bytes(audioop.lin2ulaw(linear, 2))


def level(ulaw: bytes) -> int:
    """The root mean square of mu-law sound on the 16-bit linear scale (full-scale sine: about 22700)."""
    return int(audioop.rms(audioop.ulaw2lin(ulaw, 2), 2)) if ulaw else 0


def mixed(one: bytes, other: bytes) -> bytes:
    """The sum of two mu-law sounds of the same length; too loud samples are clipped."""
    return bytes(audioop.lin2ulaw(audioop.add(audioop.ulaw2lin(one, 2), audioop.ulaw2lin(other, 2), 2), 2))


def amplified(ulaw: bytes, factor: float) -> bytes:
    """Mu-law sound made louder or quieter by `factor`; too loud samples are clipped."""
    return bytes(audioop.lin2ulaw(audioop.mul(audioop.ulaw2lin(ulaw, 2), 2, factor), 2))


def ramp(ulaw: bytes, *, rising: bool) -> bytes:
    """Mu-law sound faded in or out over its whole length, so that a cut does not click."""
    linear = audioop.ulaw2lin(ulaw, 2)
    width = 2 * _STEP
    steps = max(1, -(-len(linear) // width))
    pieces = []
    for at in range(steps):
        gain = (at + 0.5) / steps
        piece = linear[at * width : (at + 1) * width]
        pieces.append(audioop.mul(piece, 2, gain if rising else 1 - gain))
    return bytes(audioop.lin2ulaw(b"".join(pieces), 2))
