"""Writes recordings to disk in a process of its own: ``python -m media.recording.recorder FD``.

It is a child of the media process. A thread instead would share the interpreter with the code that sends packets;
measured with a busy disk, that made packets late more often (docs/decisions.md). After each block of sound the header
of the file is written again, so that the file is a valid WAV file at every moment, also after a kill. An error of the
file system ends that recording and nothing else.
"""

import contextlib
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from enum import IntEnum
from importlib.util import find_spec
from typing import NamedTuple, Protocol

from media.recording.wav import HEADER, LARGEST, header

BACKLOG = 16 << 20
"""Bytes that may wait for the disk. Above this a recording that gets more sound is given up."""
PIECE = 1 << 15
"""Bytes of sound in one order; a packet between processes must fit into the socket's buffer."""
LARGEST_ORDER = 1 << 16
PRIVATE = 0o600
_ORDER = struct.Struct("!IB")
_WRITTEN = struct.Struct("!IQ")


class RecorderOrder(IntEnum):
    """Orders: make a file, append sound to it, finish it (with the reason if it is given up)."""

    BEGIN = 1
    SOUND = 2
    END = 3


class Written(NamedTuple):
    """A recording has ended; `problem` is empty if it is complete."""

    number: int
    length: int
    """Bytes of sound in the file."""
    problem: str


class Recorder:
    """The media process's side of the recorder. Only `shut` waits."""

    def __init__(self) -> None:
        self.waiting = 0
        """Bytes that the recorder has not read yet."""
        self._number = 0
        self._running: set[int] = set()
        self._orders: deque[bytes] = deque()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lost: list[Written] = []

    def open(self, path: str) -> int:
        """Begin a new file (an existing file is not changed); returns the number of the recording."""
        self._number += 1
        if self._socket is None:
            try:
                self._start()
            except OSError as error:
                self._lost.append(Written(self._number, 0, f"no recorder: {error.strerror}"))
                return self._number
        self._running.add(self._number)
        self._order(self._number, RecorderOrder.BEGIN, os.fsencode(path))
        return self._number

    def write(self, number: int, sound: bytes) -> None:
        """Append sound; the recording is given up if the disk is too slow."""
        if number not in self._running:
            return
        if self.waiting > BACKLOG:
            self._running.discard(number)
            self._order(number, RecorderOrder.END, b"the disk is too slow")
        else:
            for at in range(0, len(sound), PIECE):
                self._order(number, RecorderOrder.SOUND, sound[at : at + PIECE])

    def close(self, number: int) -> None:
        """Finish the file."""
        if number in self._running:
            self._order(number, RecorderOrder.END)
            self._running.discard(number)

    def ended(self) -> list[Written]:
        """The recordings that ended since the last call. It also sends the orders that wait, so call it often."""
        if self._socket is None and not self._lost:
            return []
        self._send()
        ended, self._lost = self._lost, []
        while self._socket is not None:
            try:
                answer = self._socket.recv(LARGEST_ORDER)
            except BlockingIOError:
                break
            except OSError:
                answer = b""
            if not answer:
                self._die()
                break
            number, length = _WRITTEN.unpack_from(answer)
            self._running.discard(number)
            ended.append(Written(number, length, answer[_WRITTEN.size :].decode()))
        return ended

    def shut(self, seconds: float) -> None:
        """Send the orders that wait, and wait at most `seconds` until they are carried out."""
        if self._socket is None or self._process is None:
            return
        self._socket.settimeout(seconds)
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            while self._orders:
                self._socket.send(self._orders.popleft())
            self._socket.shutdown(socket.SHUT_WR)
            self._process.wait(seconds)

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            command = [sys.executable, "-P", "-m", "media.recording.recorder", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)  # noqa: S603  ourselves
        self._socket = ours

    def _order(self, number: int, order: RecorderOrder, body: bytes = b"") -> None:
        self._orders.append(_ORDER.pack(number, order) + body)
        self.waiting += len(body)
        self._send()

    def _send(self) -> None:
        try:
            while self._orders and self._socket:
                self._socket.send(self._orders[0])
                self.waiting -= len(self._orders.popleft()) - _ORDER.size
        except BlockingIOError:
            pass
        except OSError:
            self._die()

    def _die(self) -> None:
        """End all recordings, because the recorder process has ended; the next recording starts another process."""
        self._lost += [Written(number, 0, "the recorder died") for number in sorted(self._running)]
        self._running.clear()
        self._orders.clear()
        self.waiting = 0
        if self._socket:
            self._socket.close()
        self._socket = None
        if self._process:
            self._process.kill()
            self._process.wait()


class File(Protocol):
    """A file that grows."""

    length: int
    """Bytes of mu-law sound in it."""

    def append(self, sound: bytes) -> None:
        """Add stereo mu-law sound. Raises OSError."""

    def close(self) -> None:
        """Complete and release the file; never raises."""


def make(path: bytes) -> File:
    """A new file: Opus if its name ends in ``.opus``, else WAV. Raises OSError."""
    opus = path.endswith(b".opus")
    if opus and find_spec("av") is None:
        raise OSError(errno.ENOSYS, "Opus needs PyAV: pip install 'sipgw[opus]'")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        if opus:
            from media.recording.opus import OpusFile

            return OpusFile(file)
        return WavFile(file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(file)
        raise


class WavFile:
    """A WAV file that grows. Every method but `close` may raise OSError."""

    def __init__(self, file: int) -> None:
        self.length = 0
        self._file = file
        self._write(header(0), 0)

    def append(self, sound: bytes) -> None:
        """Add sound, then write the new length into the header."""
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


def serve(orders: socket.socket) -> None:
    """Carry out orders until the media process ends."""
    files: dict[int, File] = {}
    while data := orders.recv(LARGEST_ORDER):
        number, order = _ORDER.unpack_from(data)
        problem = _carry_out(files, number, RecorderOrder(order), data[_ORDER.size :])
        if problem is not None:
            file = files.pop(number, None)
            if file:
                file.close()
            orders.send(_WRITTEN.pack(number, file.length if file else 0) + problem.encode())
    for left in files.values():
        left.close()


def _carry_out(files: dict[int, File], number: int, order: RecorderOrder, body: bytes) -> str | None:
    """Carry out an order; returns the problem with which the recording ended, empty for none; None if it goes on."""
    try:
        if order == RecorderOrder.BEGIN:
            files[number] = make(body)
        elif number not in files:
            return None
        elif order == RecorderOrder.END:
            return body.decode()
        else:
            files[number].append(body)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def main() -> None:
    """Run with normal priority, and ignore signals: the recorder ends with the media process."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ):
        signal.signal(one, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
