"""The waveform of a recording: the loudness of each channel over time.

It is measured once and kept in the recording's row: a page downloads no recording that is in object storage, and the
waveform is deleted with the row.
"""

import contextlib
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from agent.ulaw import to_linear
from sipgw.records.artifacts.call_files import on_disk
from sipgw.records.artifacts.files import DiskPool
from sipgw.records.store.artifact_states import DONE, ArtifactKind, ArtifactPlace
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord

MEASURING = DiskPool("waveforms", workers=4, waiting=64)
POINTS = 1600
"""Peaks of each channel."""
TOGETHER = 50
"""Peaks that are measured in one step, so that few bytes of a long recording are in memory."""
HEAD = 256
"""Bytes that contain the header of our WAV files."""


async def waveform(store: Store, path: Path) -> dict[str, Any]:
    """Length in seconds of the recording at `path`, and peaks from 0 to 1 of its left and its right channel.

    Raises OSError, `PoolFullError`, and ValueError for another kind of file.
    """
    row = ArtifactRecord
    done = row.path == str(path), row.kind == ArtifactKind.RECORDING, row.state.in_(DONE)
    # An upload begins after the last byte of a file; until then the recorder may still write.
    whole = or_(row.place != ArtifactPlace.DISK, row.next_try.is_(None), row.next_try <= datetime.now(UTC))
    async with store.read() as session:
        kept = (await session.execute(select(row.peaks, whole.label("whole")).where(*done).limit(1))).first()
    if kept is not None and kept.peaks is not None:
        return await MEASURING.run(shape, kept.peaks)
    async with on_disk(store, path) as file:
        measured = await MEASURING.run(measure, file)
    if kept is not None and kept.whole:
        with contextlib.suppress(SQLAlchemyError):  # tenants cannot write; the next view measures again
            async with store.write() as session:
                await session.execute(update(row).where(*done).values(peaks=measured))
    return await MEASURING.run(shape, measured)


def measure(path: Path) -> bytes:
    """The waveform as bytes for the database: the number of samples of a channel, and for each peak the loudest byte of
    both channels, without its sign. Empty for a file that is not stereo mu-law WAV. Raises OSError.
    """
    import numpy as np  # here, because an idle gateway does not need it

    size = path.stat().st_size
    with path.open("rb") as file:
        start = _data(file.read(HEAD))
    if not start:
        return b""
    frames = max(0, (size - start) // 2)
    if not frames:
        return struct.pack("<I", 0)
    edges = np.linspace(0, frames, min(POINTS, frames) + 1).astype(np.int64)
    peaks = bytearray()
    with path.open("rb") as file:  # not by mmap: a file that is cut meanwhile would end the process
        file.seek(start)
        for at in range(0, len(edges) - 1, TOGETHER):
            some = edges[at : at + TOGETHER + 1]
            piece = file.read(2 * int(some[-1] - some[0]))
            if len(piece) < 2 * (some[-1] - some[0]):
                raise OSError(f"{path} has become shorter")
            # The lower seven bits of mu-law fall as the sample rises (ITU-T G.711), so the lowest is the loudest.
            lowest = np.bitwise_and(np.frombuffer(piece, np.uint8).reshape(-1, 2), 0x7F)
            peaks += np.minimum.reduceat(lowest, some[:-1] - some[0], axis=0).tobytes()
    return struct.pack("<I", frames) + bytes(peaks)


def shape(measured: bytes) -> dict[str, Any]:
    """A kept waveform as pages draw it. Raises ValueError if there is none."""
    import numpy as np

    if not measured:
        raise ValueError("it is not a WAV file with stereo G.711 mu-law")
    (frames,) = struct.unpack_from("<I", measured)
    sound = to_linear(bytes(one | 0x80 for one in measured[4:])) or b"\0\0\0\0"
    loud = np.abs(np.frombuffer(sound, "<i2").astype(int)).reshape(-1, 2) / 32768
    return {"seconds": frames / 8000, "peaks": [[round(float(peak), 3) for peak in loud[:, side]] for side in (0, 1)]}


def _data(head: bytes) -> int:
    """Offset of the samples in bytes; 0 for a file that is not stereo mu-law WAV."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    at = 12
    while at + 8 <= len(head):
        name, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and head[at + 8 : at + 16] != struct.pack("<HHI", 7, 2, 8000):
            return 0
        if name == b"data":
            return at + 8
        at += 8 + length + length % 2
    return 0
