"""WAV files with G.711 mu-law sound (RIFF format tag 7), which the standard library's `wave` does not know."""

import struct
from pathlib import Path

_ULAW = 7


class WavError(Exception):
    """The file is not a mono 8 kHz mu-law WAV."""


def read_ulaw(path: Path) -> bytes:
    """The mu-law samples of a mono 8 kHz mu-law WAV file. Raises `WavError`."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WavError(f"{path} is not a WAV file")
    at, form = 12, b""
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = body
        elif name == b"data":
            tag, channels, rate = struct.unpack_from("<HHI", form) if len(form) >= 8 else (0, 0, 0)
            if (tag, channels, rate) != (_ULAW, 1, 8000):
                raise WavError(f"{path} is not mono 8 kHz mu-law")
            return body
        at += 8 + size + size % 2
    raise WavError(f"{path} has no sound")


def write_mono(path: Path, ulaw: bytes) -> None:
    """Write one mu-law signal."""
    path.write_bytes(mono(ulaw))


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Write two mu-law signals as the channels of one file; the shorter one ends in silence."""
    path.write_bytes(stereo(left, right))


def mono(ulaw: bytes) -> bytes:
    """The file of one mu-law signal."""
    return _file(ulaw, 1)


def stereo(left: bytes, right: bytes) -> bytes:
    """The file of two mu-law signals; the shorter one ends in silence."""
    length = max(len(left), len(right))
    sound = bytearray(2 * length)
    sound[0::2] = left.ljust(length, b"\xff")
    sound[1::2] = right.ljust(length, b"\xff")
    return _file(bytes(sound), 2)


def _file(sound: bytes, channels: int) -> bytes:
    form = struct.pack("<HHIIHHH", _ULAW, channels, 8000, 8000 * channels, channels, 8, 0)
    fact = struct.pack("<I", len(sound) // channels)
    padded = (b"data", sound + bytes(len(sound) % 2))
    chunks = b"".join(
        name + len(body).to_bytes(4, "little") + body for name, body in ((b"fmt ", form), (b"fact", fact), padded)
    )
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks
