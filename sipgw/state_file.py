"""Small files beside the database. They keep state over a restart, e.g. registered phones."""

import asyncio
import contextlib
import os
from pathlib import Path

import structlog

from agent.pool import NotBegun, Pool, PoolFullError

log = structlog.get_logger()

LARGEST = 16 << 20
"""Bytes that a file may have to be read, unless the caller of `read` allows more."""
LIMIT = 5.0
"""Seconds to wait for the disk when the process stops."""
DISK = Pool("files of state", workers=1, waiting=256)
"""One thread writes to the disk, in order, so that no call waits for the disk."""


class StateFile:
    """A file that is replaced as a whole, and that only the user of the gateway can read."""

    def __init__(self, path: Path, failed: str) -> None:
        """`failed` is the message of the log if the file cannot be written."""
        self.path = path
        self._failed = failed
        self._content = ""
        self._waiting = False
        """Whether the thread will write the content."""

    def read(self, most: float = LARGEST) -> bytes | None:
        """Content of the file; None if there is no file. The method waits for the disk, so call it only at the start.
        Raises OSError, and ValueError for a file of more than `most` bytes.
        """
        return DISK.submit(self._read, most).result()

    def put(self, content: str) -> None:
        """Replace the content soon; an empty content deletes the file. Never raises, and never waits for the disk."""
        self._content = content
        if self._waiting:  # the thread writes the newest
            return
        self._waiting = True
        try:
            DISK.submit(self._write)
        except PoolFullError as full:
            self._waiting = False
            log.warning(self._failed, file=str(self.path), cause=str(full))

    async def settled(self) -> None:
        """Wait until everything that was put is in the file, for `LIMIT` seconds at most."""
        with contextlib.suppress(TimeoutError, NotBegun):
            async with asyncio.timeout(LIMIT):
                await DISK.run(int)

    def _read(self, most: float) -> bytes | None:
        try:
            if self.path.stat().st_size > most:
                raise ValueError(f"more than {most / (1 << 20):g} MiB")
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def _write(self) -> None:
        self._waiting = False  # before the content is taken: a later `put` must start another write
        content = self._content
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            if not content:
                self.path.unlink(missing_ok=True)
                return
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
                out.write(content)
            fresh.replace(self.path)
        except OSError as error:
            log.warning(self._failed, file=str(self.path), cause=error.strerror or str(error))
