"""Opening the database: SQLite by a path, PostgreSQL by a URL, brought to the newest schema."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, event
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from agent.pool import Pool
from sipgw.config.errors import OperatorError
from sipgw.config.records import POSTGRESQL, StoreOptions
from sipgw.records.store import postgresql, search, sqlite_thread, storable, tenancy
from sipgw.records.store.schema import NewerSchemaError, require_newest, upgrade

OPENING = Pool("opening the database", workers=2, waiting=64)
WAIT = 5.0
"""Time limit in seconds for connecting to the database."""
_UPGRADING = threading.Lock()
"""Alembic keeps the migration that runs in globals of its modules, so a process brings one database up to date at a
time, whatever loops its gateways run on."""


class StoreError(OperatorError):
    """The database cannot be opened; the message is one line that says what to do."""


class Database:
    """A database that can be read and written. Use it as an async context manager."""

    def __init__(self, options: StoreOptions, tenant: str = "") -> None:
        """With a `tenant`: only its records, see `sipgw.records.store.tenancy`."""
        self.options = options
        self.tenant = tenant
        self._engine = _engine(options, tenant)
        self._tenants: dict[str, Database] = {}
        self._file: tuple[int, int] | None = None
        self._read = async_sessionmaker(self._engine, expire_on_commit=False)
        self._write = async_sessionmaker(self._engine.execution_options(sipgw_write=True), expire_on_commit=False)

    def read(self) -> contextlib.AbstractAsyncContextManager[AsyncSession]:
        """A session to read in: ``async with store.read() as session``."""
        return _cancellable(self._read())

    def write(self) -> contextlib.AbstractAsyncContextManager[AsyncSession]:
        """A session to write in, as one transaction; what it reads does not change until it ends."""
        return _cancellable(self._write.begin())

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[Self]:
        """Open the database for reading as it is: it is neither created nor brought to the newest schema.

        Raises `sipgw.records.store.schema.OldSchemaError`, `NewerSchemaError`, and errors of SQLAlchemy.
        """
        try:
            async with self._engine.connect() as connection:
                await connection.run_sync(require_newest)
            yield self
        finally:
            await self._engine.dispose()

    async def revive(self) -> None:
        """Create the database again if its file was deleted or replaced; SQLite would go on with the old file.

        Raises `StoreError` if that cannot be done now.
        """
        if not await self._is_the_same():
            await self._dispose()
            await self._open()

    @property
    def replaced(self) -> bool:
        """Whether the file was deleted, or another one is in its place. A file that was emptied is not noticed."""
        return not self.options.url and self._file != self._identity()

    async def _is_the_same(self) -> bool:
        """Whether the file is still the opened one. A new file may have the same inode, but it has no schema."""
        if self.options.url:
            return True
        if self.replaced:
            return False
        try:
            async with self._engine.connect() as connection:
                await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        except SQLAlchemyError:
            return False
        return True

    async def scrub(self) -> None:
        """Remove deleted data from SQLite's index of words and write-ahead log, too, as far as no reader uses it."""
        if not self.options.url:
            async with self._engine.connect() as connection:
                there = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await search.scrub(there)
                await there.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _open(self) -> None:
        try:
            if not self.options.url:
                await OPENING.run(_prepare, self.options.path)
            await self._upgrade()
            self._file = self._identity()
        except NewerSchemaError as error:
            await self._engine.dispose()
            raise StoreError(
                f"the database is of a newer release (schema {error}); run that, or name another database in [store]"
            ) from None
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            await self._engine.dispose()
            if (task := asyncio.current_task()) and task.cancelling():  # the reason of the error, as in `_cancellable`
                raise asyncio.CancelledError from None
            raise StoreError(self._refusal(error)) from None
        except BaseException:
            await self._engine.dispose()
            raise

    async def _upgrade(self) -> None:
        while not _UPGRADING.acquire(blocking=False):  # noqa: ASYNC110  the holder may run on this loop or another
            await asyncio.sleep(0.01)
        try:
            async with self._engine.execution_options(sipgw_write=True).begin() as connection:
                await connection.run_sync(upgrade)
        finally:
            _UPGRADING.release()

    def _identity(self) -> tuple[int, int] | None:
        if self.options.url:
            return None
        try:
            there = Path(self.options.path).stat()
        except OSError:
            return (0, 0)
        return there.st_dev, there.st_ino

    async def __aexit__(self, *_: object) -> None:
        await self._dispose()

    async def _dispose(self) -> None:
        await self._engine.dispose()
        for tenant in self._tenants.values():
            await tenant._dispose()  # noqa: SLF001  one of ours

    def _refusal(self, error: Exception) -> str:
        cause = (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]
        if self.options.url:
            url = self._engine.url
            place = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
            return f"cannot open the database {place}: {cause}; look at [store] url and whether the server runs"
        place = str(Path(self.options.path).resolve())
        mend = "see that its folder is writable and has room, or set [store] path to another file"
        return f"cannot open the database {place}: {cause}; {mend}"


@contextlib.asynccontextmanager
async def _cancellable(opening: contextlib.AbstractAsyncContextManager[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session whose end does not replace a cancellation: its rollback or commit may wait for the server, and fail.
    SQLAlchemy lets a commit run to its end, and tells only its error if somebody cancelled meanwhile."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        async with opening as session:
            yield session
    except SQLAlchemyError:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError from None
        raise


def refused(error: SQLAlchemyError) -> bool:
    """Whether the database refuses the values themselves, so that another try is useless."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, StatementError)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return isinstance(error, DataError | IntegrityError) or state[:2] in ("22", "23")


def _engine(options: StoreOptions, tenant: str) -> AsyncEngine:
    if options.url:
        url = POSTGRESQL.sub("postgresql+asyncpg://", options.url, count=1)
        engine = postgresql.open_engine(url, 1 if tenant else 5)  # there may be many tenants; a server has a hundred
    else:
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{options.path}",
            async_creator=lambda: sqlite_thread.connect(options.path, WAIT),
            json_serializer=storable.in_json,
        )
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
    event.listen(engine.sync_engine, "before_cursor_execute", storable.parameters, retval=True)
    if tenant:
        event.listen(
            engine.sync_engine,
            "connect",
            lambda connection, _: tenancy.bind(connection, tenant, postgresql=bool(options.url)),
        )
    return engine


def _prepare(path: str) -> None:
    """Create the file if there is none, in WAL mode, so that a reader never waits for the writer. SQLite refuses some
    simultaneous requests for this mode at once, whatever their timeout.
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
    connection.isolation_level = None  # the driver's own transactions exclude schema changes
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete=ON")  # deleted data is overwritten
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # A writer waits for the lock at the beginning; later SQLite would refuse it instead of waiting.
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    writes = options.get("sipgw_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
