"""The header of a stereo 8 kHz mu-law WAV file (RIFF, format tag 7). Sans-IO."""

import struct

_FORMAT = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
_RATE = 8000
HEADER = _FORMAT.size
LARGEST = (1 << 32) - 1 - HEADER
"""The most bytes of sound in a WAV file (74 hours)."""


def header(length: int) -> bytes:
    """The header of a file with `length` bytes of sound."""
    form = (b"fmt ", 18, 7, 2, _RATE, 2 * _RATE, 2, 8, 0)
    return _FORMAT.pack(b"RIFF", HEADER - 8 + length, b"WAVE", *form, b"fact", 4, length // 2, b"data", length)
