"""Overwrites parts of a recording with a tone: ``python -m media.recording.redact FILE L:1.5-3.25 R:4-6``.

Times are seconds from the beginning of the recording; L is the caller's side, R the agent's. The file may still be
growing while it is changed; with ``--growing`` a span that is not all in it yet is an error.
"""

import math
import os
import re
import struct
import sys
from datetime import UTC, datetime
from typing import NamedTuple

from media.g711 import RATE, from_linear
from media.recording.wav import HEADER, header

_SPAN = re.compile(r"([LR]):(\d{1,6}(?:\.\d{1,6})?)-(\d{1,6}(?:\.\d{1,6})?)")
PIECE = RATE
"""Samples read and written at a time."""
TONE = from_linear(struct.pack("<8h", *(round(3000 * math.sin(math.pi * at / 4)) for at in range(8))))
"""A millisecond of 1 kHz, at -21 dBm0."""
QUIET = 2.0
"""Seconds without a write after which a file is finished; a recorder that is late writes more often."""


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


def redact(path: str, spans: list[Span], *, growing: bool = False) -> None:
    """Overwrite `spans` in a recording as WAV; `growing` if its call goes on.

    Raises OSError. Raises ValueError if the file is no such recording. Raises it also if a span ends after the file's
    end while the recorder may be late: the sound would be written later, uncovered.
    """
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.pread(file, 40, 0)[8:40] != header(0)[8:40]:
            raise ValueError(f"{path} is not a recording as WAV")
        now = os.fstat(file)
        if growing or 0 <= datetime.now(UTC).timestamp() - now.st_mtime < QUIET:
            length = (now.st_size - HEADER) // 2
            if any(round(span.end * RATE) > length for span in spans):
                raise ValueError(f"{path} ends before what is to be covered: it is still written")
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
    words = [word for word in sys.argv[1:] if word != "--growing"]
    redact(words[0], [Span.parse(text) for text in words[1:]], growing=len(words) < len(sys.argv) - 1)


if __name__ == "__main__":
    main()
