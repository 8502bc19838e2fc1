"""Connections to SQLite. Each has a thread (`aiosqlite`), and to wake it costs more than most statements."""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import aiosqlite


def connect(path: str, wait: float) -> aiosqlite.Connection:
    """The connection to the database at `path`, once it is awaited. A statement waits up to `wait` seconds for a
    lock."""
    connection = _Connection(partial(sqlite3.connect, path, timeout=wait, check_same_thread=False), 64)
    connection._thread.daemon = True  # noqa: SLF001  as SQLAlchemy has it for its own
    return connection


class _Connection(aiosqlite.Connection):
    """A connection that makes cursors without waking its thread, because making a cursor touches no file."""

    def cursor(self) -> Any:
        return _Cursor(self._execute, self._conn.cursor())


class _Cursor:
    """The part of a cursor that SQLAlchemy uses, unless it is asked to stream rows.

    It wakes the thread once for a statement, which brings all rows. So no statement is left open if its task is
    cancelled: SQLite would keep the locks of an open one, even when its connection is closed.
    """

    def __init__(self, thread: Callable[..., Awaitable[Any]], cursor: sqlite3.Cursor) -> None:
        self._thread, self._cursor, self._rows = thread, cursor, list[Any]()

    def __getattr__(self, name: str) -> Any:
        """The attributes ``description``, ``rowcount`` and ``lastrowid`` of the statement."""
        return getattr(self._cursor, name)

    async def __aenter__(self) -> "_Cursor":
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._rows = await self._thread(self._all, statement, parameters)

    def _all(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._thread(self._cursor.executemany, statement, parameters)

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Does nothing, because no statement is open."""
