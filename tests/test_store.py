"""Orders, promises and records in a real SQLite file."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.tools import Toolbox
from sipgw.orders import order_tools
from sipgw.store import CallRecord, Store, StoreError, StoreOptions


def with_store(path: Path, work):
    async def run():
        async with Store(StoreOptions(str(path))) as store:
            return await work(store)

    return asyncio.run(run())


def test_sample_orders_are_there_once(tmp_path: Path) -> None:
    async def look(store: Store):
        return await store.order("7346"), await store.order("nope")

    path = tmp_path / "x.db"
    found, nothing = with_store(path, look)
    assert found == {
        "number": "7346",
        "item": "a blue raincoat",
        "status": "out for delivery",
        "expected": "today before six p.m.",
    }
    assert nothing is None
    assert with_store(path, look)[0] == found


def test_the_same_promise_counts_once_in_a_call(tmp_path: Path) -> None:
    async def promise(store: Store):
        numbers = [await store.add_callback("4155550123", "tomorrow", "order", "call-1") for _ in range(2)]
        numbers.append(await store.add_callback("4155550123", "tomorrow", "order", "call-2"))
        return numbers, await store.callbacks()

    numbers, kept = with_store(tmp_path / "x.db", promise)
    assert numbers == [1, 1, 2]
    assert [row["call"] for row in kept] == ["call-1", "call-2"]


def test_records_survive(tmp_path: Path) -> None:
    now = datetime.now(UTC)

    async def keep(store: Store):
        fields = {"id": "c", "trunk": "t", "caller": "a", "called": "b", "ending": "failed", "cause": "x", "media": {}}
        await store.add_call(CallRecord(began=now, ended=now, turns=[{"caller": "ü"}], **fields))

    async def read(store: Store):
        return await store.calls()

    with_store(tmp_path / "x.db", keep)
    (row,) = with_store(tmp_path / "x.db", read)
    assert (row["ending"], row["turns"]) == ("failed", [{"caller": "ü"}])


@pytest.mark.parametrize("where", ["no/such/folder/x.db", "."])
def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path, where: str) -> None:
    with pytest.raises(StoreError, match=r"cannot open the database .* set \[store\] path"):
        with_store(tmp_path / where, None)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ('{"order_number": "7 3 4-6"}', ""),
        ('{"order_number": "99"}', "there is no order 99"),
        ('{"order_number": 7346}', "wrong arguments"),
        ('{"order_number": "1' + "0" * 50 + '"}', "wrong arguments"),
    ],
)
def test_orders_are_found_however_the_number_is_written(tmp_path: Path, arguments: str, error: str) -> None:
    async def ask(store: Store):
        return await Toolbox(order_tools(store, "c")).run("get_order_status", arguments)

    run = with_store(tmp_path / "x.db", ask)
    assert run.error.startswith(error) if error else run.result["item"] == "a blue raincoat"


def test_a_promise_needs_a_telephone_number(tmp_path: Path) -> None:
    async def ask(store: Store):
        tools = Toolbox(order_tools(store, "c"))
        bad = await tools.run("schedule_callback", '{"phone_number": "12", "when": "now"}')
        good = await tools.run("schedule_callback", '{"phone_number": "(415) 555-0123", "when": "now"}')
        return bad, good

    bad, good = with_store(tmp_path / "x.db", ask)
    assert "5 to 15 digits" in bad.error
    assert good.result["phone_number"] == "4155550123"


def test_a_database_of_an_earlier_version_gets_the_columns_that_have_come_since(tmp_path: Path) -> None:
    path, now = tmp_path / "x.db", datetime.now(UTC)
    fields = {"trunk": "t", "caller": "a", "called": "b", "ending": "failed", "cause": "x", "media": {}, "turns": []}

    async def keep(store: Store):
        await store.add_call(CallRecord(id="old", began=now, ended=now, **fields))

    with_store(path, keep)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE calls DROP COLUMN identity")

    async def keep_another(store: Store):
        await store.add_call(CallRecord(id="new", began=now, ended=now, identity={"number": "+1"}, **fields))
        return await store.calls()

    assert [(row["id"], row["identity"]) for row in with_store(path, keep_another)] == [
        ("old", None),
        ("new", {"number": "+1"}),
    ]
