# mypy: disable-error-code="arg-type"
"""Calls over real SIP while the database is locked, full or gone: they are held, and their records come later."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from sipgw.calls.request import OriginateRequest
from sipgw.config.records import StoreOptions
from sipgw.records.cdr import writer
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from tests.callee import callee, rejecting
from tests.cdr_events import START, add_call
from tests.cloud import Cloud
from tests.outbound.test_call_out import NUMBER, calling_out, ended
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.slow

SILENCE = b"\xff" * 160


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.asynccontextmanager
async def full(store: Store) -> AsyncIterator[None]:
    """The disk has no room for another page of the database."""
    big = CallRecord(id="old", trunk="", caller="", called="", began=START, ended=START, identity={"x": "x" * 3500})
    await add_call(store, big)  # the last page of the table has no room for another row
    most = [1]  # or as many as there are

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most[0]}")

    event.listen(store._engine.sync_engine, "begin", begin)
    yield
    most[0] = 1 << 30


@contextlib.contextmanager
def taken_away(database: Path) -> Iterator[None]:
    """The disk of the database is gone."""
    for path in database.parent.glob(f"{database.name}*"):
        if path.is_file():
            path.unlink()
    database.mkdir()  # nothing can be opened there
    yield
    shutil.rmtree(database)


async def call_in(world: Cloud) -> None:
    """Somebody calls, hears the agent's first words and hangs up."""
    async with calling(world.target, lambda _: SILENCE) as phone, asyncio.timeout(HANG):
        while len(phone.received) < 10:
            await asyncio.sleep(0.02)


async def calls_both_ways(world: Cloud, legs: list[object], out: str) -> None:
    """Who calls is answered; calls out are made as long as the do-not-call list can be read: the gate fails closed."""
    await call_in(world)
    ending = await ended(world, OriginateRequest(NUMBER, "agent"))
    assert ending.kind == out
    assert ("do-not-call list cannot be read" in ending.cause) == (out == "not_permitted")
    assert len(legs) == (out == "busy")
    async with asyncio.timeout(HANG):
        while world.gateway.calls:
            await asyncio.sleep(0.02)


async def written(world: Cloud) -> list[tuple[str, str]]:
    """The records of the two calls, when they have come."""
    calls: list[dict[str, Any]] = []
    async with asyncio.timeout(HANG):  # it is tried every ten seconds
        while len(calls) < 2:
            await asyncio.sleep(0.05)
            with contextlib.suppress(OperationalError):  # it is being made again
                calls = [one for one in await world.gateway.store.calls() if one["id"] != "old"]
    return sorted((one["direction"], one["ending"]) for one in calls)


def test_while_the_database_is_locked_calls_go_on_and_their_records_are_written_later(tmp_path: Path) -> None:
    async def scenario() -> list[tuple[str, str]]:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person) as (world, _):
            with locked(Path(world.gateway.config.store.path)):
                await calls_both_ways(world, person.legs, "busy")
            return await written(world)

    assert asyncio.run(scenario()) == [("in", "caller_hung_up"), ("out", "busy")]


def test_while_the_database_is_full_calls_go_on_and_their_records_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY", (0.1,))

    async def scenario() -> list[tuple[str, str]]:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person) as (world, _):
            async with full(world.gateway.store):
                await calls_both_ways(world, person.legs, "busy")
                assert [one["id"] for one in await world.gateway.store.calls()] == ["old"]
            return await written(world)

    assert asyncio.run(scenario()) == [("in", "caller_hung_up"), ("out", "busy")]


def test_while_the_database_is_gone_callers_are_answered_and_nobody_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the deleted file took is gone with it; what happened since is in the new one."""
    monkeypatch.setattr(writer, "RETRY", (0.1,))

    async def scenario() -> list[tuple[str, str]]:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person) as (world, _):
            with taken_away(Path(world.gateway.config.store.path)):
                await calls_both_ways(world, person.legs, "not_permitted")
            return await written(world)

    assert asyncio.run(scenario()) == [("in", "caller_hung_up"), ("out", "not_permitted")]


def test_an_empty_file_in_place_of_the_database_is_noticed_though_it_has_the_same_inode(tmp_path: Path) -> None:
    async def scenario() -> int:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await store._engine.dispose()
            os.truncate(tmp_path / "x.db", 0)
            with pytest.raises(OperationalError, match="no such table"):
                await store.calls()
            await store.revive()
            return len(await store.calls())

    assert asyncio.run(scenario()) == 0
