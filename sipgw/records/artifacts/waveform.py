"""The waveform of a recording: the loudness of each channel over time."""

import struct
from pathlib import Path
from typing import Any

from agent.ulaw import to_linear

HEAD = 256
"""Bytes that contain the header of our WAV files."""


def waveform(path: Path, points: int) -> dict[str, Any]:
    """Length in seconds and `points` peaks from 0 to 1 of the left and of the right channel of a mu-law WAV file.

    Raises OSError, and ValueError for another kind of file.
    """
    import numpy as np  # here, because an idle gateway does not need it

    size = path.stat().st_size
    with path.open("rb") as file:
        start = _data(file.read(HEAD))
    frames = (size - start) // 2
    if frames <= 0:
        return {"seconds": 0.0, "peaks": [[0.0], [0.0]]}
    sound = np.memmap(path, np.uint8, "r", start, (frames, 2))
    edges = np.linspace(0, frames, min(points, frames) + 1).astype(np.int64)[:-1]
    # The lower seven bits of mu-law fall as the sample rises (ITU-T G.711), so the lowest is the loudest.
    lowest = np.minimum.reduceat(np.bitwise_and(sound, 0x7F), edges, axis=0)
    loud = np.abs(np.frombuffer(to_linear((lowest | 0x80).tobytes()), "<i2").astype(int).reshape(-1, 2)) / 32768
    return {"seconds": frames / 8000, "peaks": [[round(float(peak), 3) for peak in loud[:, side]] for side in (0, 1)]}


def _data(head: bytes) -> int:
    """Where the samples begin."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    at = 12
    while at + 8 <= len(head):
        name, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and struct.unpack_from("<HHI", head, at + 8) != (7, 2, 8000):
            raise ValueError("not stereo G.711 mu-law")
        if name == b"data":
            return at + 8
        at += 8 + length + length % 2
    raise ValueError("no sound in it")
