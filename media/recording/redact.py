"""Overwrites parts of a recording with a tone: ``python -m media.recording.redact FILE L:1.5-3.25 R:4-6``.

Times are seconds from the beginning of the recording; L is the caller's side, R the agent's. The file may still be
growing while it is changed.
"""

import math
import os
import re
import struct
import sys
from typing import NamedTuple

from media.g711 import RATE, from_linear
from media.recording.wav import HEADER, header

_SPAN = re.compile(r"([LR]):(\d{1,6}(?:\.\d{1,6})?)-(\d{1,6}(?:\.\d{1,6})?)")
PIECE = RATE
"""Samples read and written at a time."""
TONE = from_linear(struct.pack("<8h", *(round(3000 * math.sin(math.pi * at / 4)) for at in range(8))))
"""A millisecond of 1 kHz, at -21 dBm0."""


class Span(NamedTuple):
    """A part of one side, in seconds from the beginning of the recording."""

    side: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.side}:{max(0.0, self.start):.3f}-{max(0.0, self.end):.3f}"

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read ``L:1.5-3.25``. Raises ValueError."""
        match = _SPAN.fullmatch(text)
        if match is None:
            raise ValueError(f"no span: {text!r}")
        return cls(match[1], float(match[2]), float(match[3]))


def redact(path: str, spans: list[Span]) -> None:
    """Overwrite `spans` in a recording as WAV. Raises OSError, and ValueError if it is another file."""
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.pread(file, 40, 0)[8:40] != header(0)[8:40]:
            raise ValueError(f"{path} is no recording as WAV")
        for span in spans:
            _cover(file, "LR".index(span.side), round(span.start * RATE), round(span.end * RATE))
        os.fsync(file)
    finally:
        os.close(file)


def _cover(file: int, side: int, start: int, end: int) -> None:
    for at in range(start, end, PIECE):
        sound = bytearray(os.pread(file, 2 * min(PIECE, end - at), HEADER + 2 * at))
        sound = sound[: len(sound) // 2 * 2]
        if not sound:
            return
        samples = len(sound) // 2
        sound[side::2] = (TONE * (samples // 8 + 2))[at % 8 : at % 8 + samples]
        os.pwrite(file, sound, HEADER + 2 * at)


def main() -> None:
    """Redact the file as the command line says."""
    redact(sys.argv[1], [Span.parse(text) for text in sys.argv[2:]])


if __name__ == "__main__":
    main()
