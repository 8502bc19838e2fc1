"""Opening the database: SQLite by a path, PostgreSQL by a URL, brought to the newest schema."""

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, event, select
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from agent.pool import Pool
from sipgw.config.errors import OperatorError
from sipgw.config.records import POSTGRESQL, StoreOptions
from sipgw.records.store.schema import NewerSchemaError, upgrade
from sipgw.records.store.tables import NameRecord

OPENING = Pool("opening the database", workers=2, waiting=64)
WAIT = 5.0
"""Seconds that the database may take to let us in."""


class StoreError(OperatorError):
    """The database cannot be opened; the message is one line that says what to do."""


class Database:
    """A database that can be read and written. Use it as an async context manager."""

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self.name = ""
        """Tells databases apart, wherever they are: a random name that was made with this one."""
        self._engine = _engine(options)
        self._file: tuple[int, int] | None = None
        self.read = async_sessionmaker(self._engine, expire_on_commit=False)
        """A session to read in: ``async with store.read() as session``."""
        self._write = async_sessionmaker(self._engine.execution_options(sipgw_write=True), expire_on_commit=False)

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session to write in, as one transaction; what it reads does not change until it ends."""
        async with self._write.begin() as session:
            yield session

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def revive(self) -> None:
        """Make the database again if its file was taken away or exchanged; SQLite would go on with the old one.

        Raises `StoreError` if that cannot be done now.
        """
        if not await self._is_the_same():
            await self._engine.dispose()
            await self._open()

    async def _is_the_same(self) -> bool:
        """Whether the file is the one that was opened: a new one may have its inode, but not its name."""
        if self.options.url:
            return True
        if self._file != self._identity():
            return False
        try:
            async with self.read() as session:
                return await session.scalar(select(NameRecord.name)) == self.name
        except SQLAlchemyError:
            return False

    async def scrub(self) -> None:
        """Take what was deleted out of SQLite's log, too, as far as nobody reads it at the moment."""
        if not self.options.url:
            async with self._engine.connect() as connection:
                there = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await there.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _open(self) -> None:
        try:
            if not self.options.url:
                await OPENING.run(_prepare, self.options.path)
            async with self._engine.execution_options(sipgw_write=True).begin() as connection:
                await connection.run_sync(upgrade)
                self.name = await connection.scalar(select(NameRecord.name)) or ""
            self._file = self._identity()
        except NewerSchemaError as error:
            await self._engine.dispose()
            raise StoreError(
                f"the database is of a newer release (schema {error}); run that, or name another database in [store]"
            ) from None
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            await self._engine.dispose()
            raise StoreError(self._refusal(error)) from None
        except BaseException:
            await self._engine.dispose()
            raise

    def _identity(self) -> tuple[int, int] | None:
        if self.options.url:
            return None
        try:
            there = Path(self.options.path).stat()
        except OSError:
            return (0, 0)
        return there.st_dev, there.st_ino

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    def _refusal(self, error: Exception) -> str:
        cause = (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]
        if self.options.url:
            url = self._engine.url
            place = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
            return f"cannot open the database {place}: {cause}; look at [store] url and whether the server runs"
        place = str(Path(self.options.path).resolve())
        return (
            f"cannot open the database {place}: {cause}; make its folder writable or set [store] path to another file"
        )


def refused(error: SQLAlchemyError) -> bool:
    """Whether it is the values that the database does not take, not the moment."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, StatementError)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return isinstance(error, DataError | IntegrityError) or state[:2] in ("22", "23")


def _engine(options: StoreOptions) -> AsyncEngine:
    if options.url:
        url = POSTGRESQL.sub("postgresql+asyncpg://", options.url, count=1)
        limits = {"timeout": WAIT, "command_timeout": 30.0, "async_creator_fn": _connected}
        return create_async_engine(url, pool_pre_ping=True, pool_timeout=WAIT, connect_args=limits)
    engine = create_async_engine(f"sqlite+aiosqlite:///{options.path}", connect_args={"timeout": WAIT})
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


async def _connected(*given: Any, **more: Any) -> Any:
    """A connection to PostgreSQL. A server that is away is an error of the database, as whoever asks it expects."""
    import asyncpg

    try:
        return await asyncpg.connect(*given, **more)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise OperationalError("connect", None, error) from error


def _prepare(path: str) -> None:
    """Make the file if there is none. A reader never waits for the writer: that is kept in it.

    Of those who ask for it at the same moment SQLite refuses some at once, whatever they are willing to wait.
    """
    until = time.monotonic() + WAIT
    with contextlib.closing(sqlite3.connect(path, timeout=WAIT)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own idea of transactions leaves schema changes out of them
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # Who is going to write waits its turn at the beginning; later SQLite would refuse it instead of letting it wait.
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    writes = options.get("sipgw_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
