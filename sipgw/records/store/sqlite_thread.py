"""Connections to SQLite. Each has a thread (`aiosqlite`), and to wake it costs more than most statements."""

import sqlite3
from functools import partial

import aiosqlite
from aiosqlite.context import contextmanager


def connect(path: str, wait: float) -> aiosqlite.Connection:
    """The connection to the database at `path`, once it is awaited. A statement waits up to `wait` seconds for a
    lock."""
    connection = _Connection(partial(sqlite3.connect, path, timeout=wait, check_same_thread=False), 64)
    connection._thread.daemon = True  # noqa: SLF001  as SQLAlchemy has it for its own
    return connection


class _Connection(aiosqlite.Connection):
    """Makes cursors without its thread: they touch no file."""

    @contextmanager
    async def cursor(self) -> aiosqlite.Cursor:
        return _Cursor(self, self._conn.cursor())


class _Cursor(aiosqlite.Cursor):
    """Needs the thread once for a statement without rows, instead of three times."""

    async def close(self) -> None:
        if self.description is not None:  # rows may be left
            await super().close()
