"""A task that is cancelled in a session ends, though the end of the session fails: its rollback may wait, too."""

import asyncio
import contextlib
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from sipgw.config.records import StoreOptions
from sipgw.records.store import engine
from sipgw.records.store.store import Store
from tests.waiting import within

CLOSE = AsyncSession.close
OPENINGS: list[Callable[[Store], Any]] = [lambda store: store.read(), lambda store: store.write()]


async def fails(self: AsyncSession) -> None:
    await CLOSE(self)
    raise OperationalError("ROLLBACK", None, TimeoutError("the server did not answer in time"))


@pytest.mark.parametrize("opening", OPENINGS)
def test_the_error_of_a_rollback_does_not_replace_a_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: Callable[[Store], Any]
) -> None:
    async def scenario() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, asyncio.TaskGroup() as group:
            begun, errors = asyncio.Event(), list[SQLAlchemyError]()

            async def work() -> None:
                try:
                    async with opening(store) as session:
                        await session.execute(text("SELECT 1"))
                        begun.set()
                        await asyncio.Event().wait()
                except SQLAlchemyError as error:  # as loops do that try again
                    errors.append(error)

            task = group.create_task(work())
            await within(begun.wait())
            with monkeypatch.context() as patch:
                patch.setattr(AsyncSession, "close", fails)
                task.cancel()
                await asyncio.wait((task,))
            return task.cancelled() and not errors

    assert asyncio.run(scenario())


def test_the_error_of_a_commit_does_not_replace_a_cancellation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> bool:
        commits, fail = asyncio.Event(), asyncio.Event()

        async def commit(self: AsyncSessionTransaction, *_: Any) -> None:
            await self.rollback()
            commits.set()
            await fail.wait()
            raise OperationalError("COMMIT", None, TimeoutError("the server did not answer in time"))

        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, asyncio.TaskGroup() as group:

            async def work() -> None:
                with contextlib.suppress(SQLAlchemyError):  # as loops do that try again
                    async with store.write() as session:
                        await session.execute(text("SELECT 1"))

            with monkeypatch.context() as patch:
                patch.setattr(AsyncSessionTransaction, "__aexit__", commit)
                task = group.create_task(work())
                await within(commits.wait())
                task.cancel()
                await asyncio.sleep(0)
                fail.set()
                await within(asyncio.wait((task,)))
        return task.cancelled()

    assert asyncio.run(scenario())


@pytest.mark.parametrize("opening", OPENINGS)
def test_without_a_cancellation_the_error_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: Callable[[Store], Any]
) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            with monkeypatch.context() as patch:
                patch.setattr(AsyncSession, "close", fails)
                with pytest.raises(OperationalError):
                    async with opening(store) as session:
                        await session.execute(text("SELECT 1"))

    asyncio.run(scenario())


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_query_that_is_cancelled_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: Callable[[Store], Any]
) -> None:
    """SQLite keeps the locks of a query with rows left, even when its connection is closed. Its error is garbage with
    cycles, which is collected late in a call."""
    monkeypatch.setattr(engine, "WAIT", 0.1)

    async def scenario() -> tuple[bool, Any]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, asyncio.TaskGroup() as group:
            begun = asyncio.Event()

            async def work() -> None:
                async with opening(store) as session:
                    await session.execute(text("SELECT 1"))
                    begun.set()
                    await session.execute(text("SELECT name FROM sqlite_master"))

            task = group.create_task(work())
            await within(begun.wait())
            task.cancel()
            await asyncio.wait((task,))
            async with store.write() as session:
                await session.execute(text("CREATE TABLE one (number INTEGER)"))
            async with store.read() as session:
                there = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
                busy = (await there.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]
            return task.cancelled(), busy

    gc.disable()
    try:
        assert asyncio.run(scenario()) == (True, 0)
    finally:
        gc.enable()


def test_an_error_while_the_database_opens_does_not_replace_a_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during a start is no error of the database."""
    begun = asyncio.Event()

    async def fails_when_cancelled(self: Store) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OperationalError("BEGIN", None, TimeoutError("invalid transaction")) from None

    async def scenario() -> bool:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(Store(StoreOptions(str(tmp_path / "x.db"))).__aenter__())
            await within(begun.wait())
            task.cancel()
            await asyncio.wait((task,))
            return task.cancelled()

    monkeypatch.setattr(Store, "_upgrade", fails_when_cancelled)
    assert asyncio.run(scenario())
