"""The audit of calls out: one line of JSON for every decision. Each month has a file, which only grows.

The caps count these lines: before a decision, the lines of other processes and of earlier runs are read. One thread
waits for the disk, so that no call does.
"""

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog

from agent.pool import NotBegun, Pool
from sipgw.config.errors import OperatorError
from sipgw.config.numbers import spellings

log = structlog.get_logger()

LOCK_LIMIT = 2.0
"""Seconds to wait for another process that decides."""
_RETRY = 0.005
DISK_LIMIT = 5.0
"""Seconds that the disk has for one step of a decision; after that nobody is called."""
DISK = Pool("the audit of calls out", workers=1, waiting=256)
P = ParamSpec("P")
T = TypeVar("T")

Line = dict[str, Any]


class AuditError(OperatorError):
    """The audit cannot be read or written."""


class Audit:
    """The files of one folder. `take` gets every line, also lines of other processes."""

    def __init__(self, folder: Path, take: Callable[[Line], None]) -> None:
        self.folder = folder
        self._take = take
        self._file = -1
        self._name = ""
        self._read: dict[str, int] = {}
        """How many bytes of each file were read."""
        self._turns = asyncio.Lock()

    def open(self, now: datetime) -> None:
        """Create the folder if needed, and read this month and the one before. Raises `AuditError`."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            before = _before(now)
            for month in (before, now):
                if month is now or (self.folder / _name(month)).exists():
                    self._turn_to(month)
                    self._take_all(*self._catch_up())
        except OSError as error:
            raise AuditError(f"the audit {self.folder} cannot be used: {error.strerror or error}") from None

    def close(self) -> None:
        """Close the file, as soon as the disk answers."""
        with contextlib.suppress(NotBegun):
            DISK.submit(self._close)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file, self._name = -1, ""

    @contextlib.asynccontextmanager
    async def turn(self, now: datetime) -> AsyncIterator[Callable[[Line], None]]:
        """Hold the lock for one decision, after all lines were read. Yields the function that takes the line of the
        decision; the line is written at the end of the block.

        Raises `AuditError`.
        """
        async with self._turns:
            try:
                lines = list[Line]()
                try:
                    before = _before(now)  # others have written there since our last decision
                    if self._name < _name(now) and await _on_disk((self.folder / _name(before)).exists):
                        await self._read_on(before)
                    await self._read_on(now)
                    yield lines.append
                    for line in lines:
                        self._read[self._name] += await _on_disk(self._write, line)  # else it is read as one of others
                        self._take(line)
                finally:
                    with contextlib.suppress(NotBegun):
                        DISK.submit(self._unlock)
            except OSError as error:
                raise AuditError(f"the audit {self.folder} cannot be written: {error.strerror or error}") from None
            except NotBegun as full:
                raise AuditError(f"the audit {self.folder} cannot be written: {full}") from None

    async def _read_on(self, month: datetime) -> None:
        """Lock the file of `month`, and take the lines that others have written."""
        await self._lock(month)
        self._take_all(*await _on_disk(self._catch_up))

    async def _lock(self, now: datetime) -> None:
        deadline = asyncio.get_running_loop().time() + LOCK_LIMIT
        while not await _on_disk(self._locked, now):
            if asyncio.get_running_loop().time() > deadline:
                raise AuditError(f"another process holds the audit {self.folder}")
            await asyncio.sleep(_RETRY)

    def _locked(self, now: datetime) -> bool:
        self._turn_to(now)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(self) -> None:
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _turn_to(self, month: datetime) -> None:
        name = _name(month)
        if name != self._name:
            file = os.open(self.folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._close()
            self._file, self._name = file, name

    def _catch_up(self) -> tuple[list[bytes], int]:
        """The lines that others have written, and the position after them. The position is not kept here: if nobody
        waits for the result any more, the next decision reads the same lines.
        """
        found = list[bytes]()
        read = self._read.get(self._name, 0)
        while data := os.pread(self._file, 1 << 20, read):
            end = data.rfind(b"\n") + 1
            if not end:
                if len(data) < 1 << 20:  # an unfinished line of a killed process
                    os.write(self._file, b"\n")
                    continue
                end = len(data)
            read += end
            found += data[:end].splitlines()
        return found, read

    def _take_all(self, lines: list[bytes], read: int) -> None:
        """Take these lines, which end at `read`."""
        for line in lines:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                log.warning("a line of the audit is not understood", file=self._name)
        self._read[self._name] = read

    def _write(self, line: Line) -> int:
        """Write `line`; returns its length in bytes. Raises `AuditError` if the disk is full."""
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        if os.write(self._file, data) != len(data):
            raise AuditError(f"the audit {self.folder} cannot be written: the disk is full")
        return len(data)


async def _on_disk(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        async with asyncio.timeout(DISK_LIMIT):
            return await DISK.run(function, *args, **kwargs)
    except TimeoutError:
        raise OSError(f"the disk did not answer within {DISK_LIMIT:g} s") from None


def _before(now: datetime) -> datetime:
    """The month before."""
    return datetime(now.year - (now.month == 1), (now.month - 2) % 12 + 1, 1, tzinfo=UTC)


def _name(month: datetime) -> str:
    return f"gate-{month:%Y-%m}.jsonl"


def mask(folder: Path, numbers: Collection[str]) -> int:
    """Mask `numbers` in every line about them, and keep the decision; returns the number of such lines. Lines keep
    their length, so that the offsets of readers stay valid. Raises `AuditError`.
    """
    masked = 0
    try:
        for file in sorted(folder.glob("gate-*.jsonl")):
            with file.open("r+b") as lines:
                fcntl.flock(lines, fcntl.LOCK_EX)  # held by others for the time of one line
                at = 0
                for line in lines:
                    if hidden := _masked(line, numbers):
                        os.pwrite(lines.fileno(), hidden, at)
                        masked += 1
                    at += len(line)
    except OSError as error:
        raise AuditError(f"the audit {folder} cannot be changed: {error.strerror or error}") from None
    return masked


def masker(folder: Path) -> Callable[[str], int]:
    """A function that masks all spellings of a number, see `mask`; it waits for a decision that is being written."""
    return lambda number: mask(folder, spellings(number))


def _masked(line: bytes, numbers: Collection[str]) -> bytes:
    with contextlib.suppress(ValueError, AttributeError):
        number = json.loads(line).get("number")
        if number in numbers:
            return line.replace(number.encode(), "".join("x" if char.isalnum() else char for char in number).encode())
    return b""


SHOWN = {"at", "number", "permitted", "reason", "agent"}
TAIL = 256 * 1024
"""Bytes at the end of a file that are searched for the latest lines."""


def latest(folder: Path, most: int) -> list[Line]:
    """The latest decisions, newest first, at most `most`; empty if nothing can be read."""
    found: list[Line] = []
    with contextlib.suppress(OSError):
        file = max(folder.glob("gate-*.jsonl"), default=None)
        if file is None:
            return found
        with file.open("rb") as lines:
            lines.seek(max(0, file.stat().st_size - TAIL))
            for line in reversed(lines.read(TAIL).splitlines()[-most:]):
                with contextlib.suppress(ValueError):
                    read = json.loads(line)
                    if isinstance(read, dict) and read.keys() >= SHOWN:
                        found.append(read)
    return found
