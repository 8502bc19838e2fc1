"""The spool: events of calls are appended to a file at once; the writer of the database reads them from there.

One folder for each gateway that runs at the same time, locked as long as it does. In it are segments, ``000001.jsonl``
and so on, of one JSON object a line. The read position is in the database (`SpoolRecord`), written in the same
transaction as the entries. So each line gets there exactly once, even after a kill. A kill of the process loses
nothing that was appended; a power cut loses at most what came since the last `sync`, a second ago.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sipgw.bounds import FULL

PRIVATE = 0o600
SEGMENT = 4 << 20
"""Bytes after which a new segment is begun."""
WAITING = 10_000
"""Lines kept in memory while they cannot be appended; beyond that the newest are dropped and counted."""
LARGEST = 2 << 30
"""Bytes of all segments; beyond that new lines are dropped and counted."""
BATCH = 1 << 18
"""Bytes that are read at once."""
GATEWAYS = 64
"""Gateways that may share a folder."""

Entry = dict[str, Any]


class SpoolPosition(NamedTuple):
    """The read position of a spool."""

    segment: int
    position: int


class Spool:
    """The spool folder of one gateway. Its methods wait for the disk. Call all but `resume` and `sync` in the same
    thread."""

    def __init__(self, folder: Path, lock: int) -> None:
        """`lock` is the locked descriptor of the folder's file ``id``; it is closed with the spool."""
        self.dropped = 0
        """Lines that were lost because neither disk nor memory had room."""
        self.problem = ""
        """Why nothing can be appended at the moment."""
        self.place = SpoolPosition(0, 0)
        """The read position: the database has all entries before it."""
        self._folder = folder
        self._lock = lock
        self._file: int | None = None
        self._segment = max([0, *_segments(folder)])
        self._size = 0
        self._torn = False
        self._waiting: deque[bytes] = deque()
        self.gateway = os.pread(lock, 64, 0).decode("ascii", "replace").strip()
        """The identity of the gateway, the same at each start."""

    @classmethod
    def claim(cls, folder: Path) -> list["Spool"]:
        """All spools in `folder` that no running gateway uses; there is at least one. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: list[Spool] = []
        for number in range(GATEWAYS):
            one = folder / str(number)
            if not one.exists() and found:
                break
            with contextlib.suppress(BlockingIOError):
                found.append(cls(one, _locked(one)))
        if not found:
            raise OSError(f"{GATEWAYS} gateways use {folder} already")
        return found

    @property
    def behind(self) -> bool:
        """Whether there may be unread entries."""
        return bool(self._waiting) or self.place.segment < self._segment or self.place.position < self._size

    @property
    def waits(self) -> int:
        """Unread bytes in the present segment."""
        return self._size - (self.place.position if self.place.segment == self._segment else 0)

    def append(self, entry: Entry) -> None:
        """Append an entry; never raises."""
        if len(self._waiting) >= WAITING:
            self.dropped += 1
            FULL["records"] += 1
            return
        self._waiting.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self.flush()

    def flush(self) -> None:
        """Append the lines that have waited for room on the disk."""
        while self._waiting:
            try:
                self._write(self._waiting[0])
            except OSError as error:
                self.problem = error.strerror or str(error)
                return
            self._waiting.popleft()
        self.problem = ""

    def read(self, most: int = BATCH) -> tuple[list[Entry], SpoolPosition]:
        """The next entries, about `most` bytes, and the position after them; waiting lines are appended first. Raises
        OSError."""
        self.flush()
        place = self.place
        while True:
            data = self._data(place, most)
            end = data.rfind(b"\n") + 1
            if end:
                return list(_entries(data[:end])), SpoolPosition(place.segment, place.position + end)
            if len(data) >= most:  # a line is larger than `most`
                most *= 2
            elif place.segment >= self._segment:
                return [], place
            else:  # an ended segment; a torn last line was never complete
                later = [number for number in _segments(self._folder) if number > place.segment]
                place = SpoolPosition(min([*later, self._segment]), 0)

    def done(self) -> None:
        """Delete segments that are not needed any more, because the database has all their entries."""
        for number in _segments(self._folder):
            if number < self.place.segment:
                (self._folder / _name(number)).unlink(missing_ok=True)

    def resume(self, place: SpoolPosition) -> None:
        """Go on reading at `place`, and writing after it even if the folder was emptied."""
        self.place = place
        self._segment = max(self._segment, place.segment)

    def tidy(self) -> bool:
        """Delete the read entries if no others exist, so that no private data stays here; returns whether that was so.
        Raises OSError."""
        if self.behind:
            return False
        self._end_segment()
        self.done()
        (self._folder / _name(self.place.segment)).unlink(missing_ok=True)
        return True

    def sync(self) -> None:
        """Force all appended lines of the present segment onto the disk (fsync). Raises OSError.

        This may take long: it opens the file by itself, so that another thread may append meanwhile.
        """
        try:
            file = os.open(self._folder / _name(self._segment), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # nothing was appended, or all of it is in the database
            return
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def close(self) -> None:
        """Release the folder for another gateway."""
        with contextlib.suppress(OSError):
            self.tidy()
        self._end_segment()
        os.close(self._lock)

    def _write(self, line: bytes) -> None:
        if self._file is None or self._size >= SEGMENT:
            self._begin_segment()
        assert self._file is not None  # noqa: S101  just begun
        if self._torn:
            line = b"\n" + line
        written = os.write(self._file, line)
        self._size += written
        self._torn = written < len(line)
        if self._torn:  # the disk is full; the whole line follows when there is room
            raise OSError(28, "No space left on device")

    def _begin_segment(self) -> None:
        sizes = (path.stat().st_size for path in self._folder.glob("*.jsonl"))
        if sum(sizes) > LARGEST:
            raise OSError(27, "the spool has reached its size limit")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / _name(self._segment + 1)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, PRIVATE)
        self._end_segment()
        self._file, self._size, self._torn = file, 0, False
        self._segment += 1

    def _end_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _data(self, place: SpoolPosition, most: int) -> bytes:
        if place.segment == self._segment and self._file is not None:
            return os.pread(self._file, most, place.position)
        try:
            with (self._folder / _name(place.segment)).open("rb") as file:
                file.seek(place.position)
                return file.read(most)
        except FileNotFoundError:
            return b""


def identities(folder: Path) -> set[str]:
    """The gateways with spools in `folder`, running or not."""
    found = set()
    for one in folder.glob("*/id"):
        with contextlib.suppress(OSError):
            found.add(one.read_text("ascii", "replace").strip())
    return found - {""}


def _entries(data: bytes) -> Iterator[Entry]:
    for line in data.splitlines():
        with contextlib.suppress(ValueError, RecursionError):  # torn by a full disk
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def _name(segment: int) -> str:
    return f"{segment:06}.jsonl"


def _segments(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.jsonl") if path.stem.isdigit())


def _locked(folder: Path) -> int:
    """The descriptor of a folder's ``id``, locked. Raises BlockingIOError if another gateway has it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / "id", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.pread(file, 64, 0):
            os.pwrite(file, secrets.token_hex(16).encode(), 0)
    except OSError:
        os.close(file)
        raise
    return file
