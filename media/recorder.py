"""Writes recordings to disk from a thread of its own, so that a slow disk delays no packet.

Each block is followed by a new head of the file, so that it is a valid WAV file at every moment, also after a kill.
What cannot be written ends that recording and nothing else.
"""

import contextlib
import errno
import os
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from media.recording import HEADER, LARGEST, header

BACKLOG = 16 << 20
"""Bytes that may wait for the disk; a recording that comes on top is given up."""
PRIVATE = 0o600


class Begin(NamedTuple):
    """An order: make this file."""

    path: str


class End(NamedTuple):
    """An order: the file is complete, or given up because of a problem."""

    problem: str = ""


class Written(NamedTuple):
    """A recording has ended; `problem` is empty if it ended in good order."""

    number: int
    length: int
    """Bytes of sound in the file."""
    problem: str


Order = Begin | bytes | End


class Recorder:
    """The writer of all recordings of a media process. No method but `shut` waits."""

    def __init__(self) -> None:
        self._orders: SimpleQueue[tuple[int, Order]] = SimpleQueue()
        self._ended: SimpleQueue[Written] = SimpleQueue()
        self._number = 0
        self._given = 0
        self._taken = 0
        self._thread: Thread | None = None

    def open(self, path: str) -> int:
        """Begin a new file (one that exists is not touched); returns the number of the recording."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()
        self._number += 1
        self._orders.put((self._number, Begin(path)))
        return self._number

    @property
    def waiting(self) -> int:
        """Bytes that the disk has not taken yet."""
        return self._given - self._taken

    def write(self, number: int, sound: bytes) -> None:
        """Append sound; gives the recording up when the disk is too far behind."""
        if self.waiting > BACKLOG:
            self._orders.put((number, End("the disk is too slow")))
            return
        self._given += len(sound)
        self._orders.put((number, sound))

    def close(self, number: int) -> None:
        """Finish the file."""
        self._orders.put((number, End()))

    def ended(self) -> list[Written]:
        """The recordings that have ended since the last call."""
        return [self._ended.get_nowait() for _ in range(self._ended.qsize())]

    def shut(self, seconds: float) -> None:
        """Wait that long at most until all is written."""
        if self._thread:
            self._orders.put((0, End()))
            self._thread.join(seconds)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # this thread only: packets go first
        files: dict[int, File] = {}
        while True:
            number, order = self._orders.get()
            if isinstance(order, bytes):
                self._taken += len(order)
            if not number:
                return
            problem = self._obey(files, number, order)
            if problem is not None:
                file = files.pop(number, None)
                self._ended.put(Written(number, file.length if file else 0, problem))
                if file:
                    file.close()

    def _obey(self, files: "dict[int, File]", number: int, order: Order) -> str | None:
        """Carry out an order; returns how the recording ended if it did: "" is well."""
        try:
            match order:
                case Begin(path):
                    files[number] = File(path)
                case End(problem) if number in files:
                    return problem
                case bytes() if number in files:
                    files[number].append(order)
        except OSError as error:
            return error.strerror or str(error)
        return None


class File:
    """A WAV file that grows. Every method may raise OSError."""

    def __init__(self, path: str) -> None:
        self.length = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, PRIVATE)
        self._write(header(0), 0)

    def append(self, sound: bytes) -> None:
        """Add sound, then make the head tell of it."""
        if self.length + len(sound) > LARGEST:
            raise OSError(errno.EFBIG, "the file would be too large for WAV")
        self._write(sound, HEADER + self.length)
        self.length += len(sound)
        self._write(header(self.length), 0)

    def close(self) -> None:
        """Release the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _write(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written
