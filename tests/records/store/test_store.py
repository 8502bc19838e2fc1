"""Orders and records in a real SQLite file."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosqlite
import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from agent.tools import Toolbox
from sipgw.agents.orders import order_tools
from sipgw.config.agent import AgentOptions
from sipgw.config.records import StoreOptions
from sipgw.records.store import calls
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from tests.cdr_events import START, add_call


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


def test_records_survive(tmp_path: Path) -> None:
    now = datetime.now(UTC)

    async def keep(store: Store):
        fields = {"id": "c", "trunk": "t", "caller": "a", "called": "b", "ending": "failed", "cause": "x", "media": {}}
        await add_call(store, CallRecord(began=now, ended=now, **fields), [{"caller": "ü", "tools": []}])

    async def read(store: Store):
        return await store.calls()

    with_store(tmp_path / "x.db", keep)
    (row,) = with_store(tmp_path / "x.db", read)
    assert (row["ending"], row["turns"][0]["caller"]) == ("failed", "ü")


@pytest.mark.parametrize("place", ["h:54x/db", "h:/db", "h:99999/db", "[::1/db"])
def test_a_url_that_cannot_be_read_is_told_without_its_password(place: str) -> None:
    with pytest.raises(ValueError, match="url: must be like postgresql://user:password@host:port/name") as told:
        StoreOptions(url=f"postgresql://sipgw:s3cret@{place}")
    assert "s3cret" not in str(told.value)


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
        return await Toolbox(order_tools(AgentOptions(), store)).run("get_order_status", arguments)

    run = with_store(tmp_path / "x.db", ask)
    assert run.error.startswith(error) if error else run.result["item"] == "a blue raincoat"


async def ten_calls(store: Store) -> None:
    """Calls 0 to 9, a minute apart; the last two at the same moment."""
    for number in range(10):
        record = CallRecord(
            id=f"call-{number}",
            trunk="telnyx" if number % 2 else "pbx",
            agent="sales" if number < 3 else "agent",
            direction="out" if number == 4 else "in",
            caller=f"+1415555{number:04}",
            called="+4930100",
            began=START + timedelta(minutes=min(number, 8)),
            ended=START + timedelta(minutes=9),
            ending="failed" if number == 7 else "caller_hung_up",
        )
        await add_call(store, record, [{"caller": f"number {number}, 50% off_", "said": "Hello.", "tools": []}])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with ten calls, which nobody changes."""
    path = tmp_path_factory.mktemp("ten calls") / "x.db"
    with_store(path, ten_calls)
    return path


@pytest.mark.parametrize(("near", "few"), [(3000, 300), (2, 300), (2, 0)])
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(), "9876543210"),
        (CallFilter(trunk="telnyx"), "97531"),
        (CallFilter(agent="sales"), "210"),
        (CallFilter(direction="out"), "4"),
        (CallFilter(ending="failed", trunk="telnyx"), "7"),
        (CallFilter(number="+14155550003"), "3"),
        (CallFilter(number="+1415555000*", agent="sales"), "210"),
        (CallFilter(number="+4930100", since=START + timedelta(minutes=7)), "987"),
        (CallFilter(until=START + timedelta(minutes=2)), "10"),
        (CallFilter(words="NUMBER 6, 50% off_"), "6"),
        (CallFilter(words="off number 5*", trunk="pbx"), "86420"),
        (CallFilter(words="off number 7*"), "7"),
        (CallFilter(words="number 6 hello"), "6"),
        (CallFilter(words="numb"), ""),
        (CallFilter(words="off"), "9876543210"),
        (CallFilter(words="?!"), ""),
        (CallFilter(ended=False), ""),
    ],
)
def test_calls_are_found_newest_first_and_page_by_page(
    database: Path, monkeypatch: pytest.MonkeyPatch, wanted: CallFilter, found: str, near: int, few: int
) -> None:
    """However many the latest calls are, and the few: only the time that it takes differs."""
    monkeypatch.setattr(calls, "NEAR", near)
    monkeypatch.setattr(calls, "FEW", few)

    async def look(store: Store):
        pages = [await store.page(wanted, 3)]
        while pages[-1].next:
            pages.append(await store.page(wanted, 3, pages[-1].next))
        return pages

    pages = with_store(database, look)
    assert "".join(call["id"][-1] for page in pages for call in page.calls) == found
    assert all(len(page.calls) == 3 for page in pages[:-1])


def test_calls_of_one_moment_are_all_found_by_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "NEAR", 1)
    monkeypatch.setattr(calls, "FEW", 0)
    names = "cfaibhdegj"

    async def look(store: Store):
        for name in names:
            await add_call(store, call_record(name), [{"caller": "hello", "said": "", "tools": []}])
        pages = [await store.page(CallFilter(words="hello"), 3)]
        while pages[-1].next:
            pages.append(await store.page(CallFilter(words="hello"), 3, pages[-1].next))
        return "".join(call["id"] for page in pages for call in page.calls)

    def call_record(name: str) -> CallRecord:
        return CallRecord(id=name, trunk="t", caller="a", called="b", began=START, ended=START)

    assert with_store(tmp_path / "x.db", look) == "".join(sorted(names, reverse=True))


LAST = base64.urlsafe_b64encode(f'["{datetime.max.replace(tzinfo=UTC).isoformat()}", "a"]'.encode()).decode()
"""After it there is no moment."""


@pytest.mark.parametrize("after", ["x", "", "é", "WzEsMl0=", "WyJ4IiwgImEiXQ==", "W1tbW1tb" * 5000, LAST])
def test_a_page_that_is_none_is_told(tmp_path: Path, after: str) -> None:
    async def look(store: Store):
        return await store.page(CallFilter(), 3, after)

    if after:
        with pytest.raises(ValueError, match="there is no page after"):
            with_store(tmp_path / "x.db", look)
    else:
        assert with_store(tmp_path / "x.db", look).calls == []


@pytest.mark.parametrize(
    "wanted",
    [
        CallFilter(since=START),
        CallFilter(number="+14155550003"),
        CallFilter(number="+1415555*"),
        CallFilter(trunk="pbx"),
        CallFilter(agent="sales"),
        CallFilter(ending="failed"),
        CallFilter(cost_from=2.0),
        CallFilter(slower_than=4000),
    ],
)
def test_lists_are_read_from_an_index(tmp_path: Path, wanted: CallFilter) -> None:
    async def explain(store: Store):
        query = select(CallRecord.id).where(*wanted.clauses()).order_by(CallRecord.began.desc()).limit(50)
        async with store.read() as session:
            compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
            plan = await session.execute(text(f"EXPLAIN QUERY PLAN {compiled}".replace(":", r"\:")))
            return [row[3] for row in plan]

    plan = with_store(tmp_path / "x.db", explain)
    assert any("USING" in step and "INDEX calls_by_" in step for step in plan), plan
    assert not any(step.startswith("SCAN") and "INDEX" not in step for step in plan), plan


def test_a_statement_wakes_the_thread_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    woken = list[str]()
    execute = aiosqlite.Connection._execute

    def counted(connection: aiosqlite.Connection, what, *args, **more):
        woken.append(what.__name__)
        return execute(connection, what, *args, **more)

    async def write(store: Store):
        async with store.write() as session:
            monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
            await session.execute(text("CREATE TABLE one (number INTEGER)"))
            await session.execute(text("INSERT INTO one VALUES (:number)"), [{"number": 7}, {"number": 8}])
            found = (await session.execute(text("SELECT number FROM one"))).all()
            monkeypatch.setattr(aiosqlite.Connection, "_execute", execute)
        return found

    assert with_store(tmp_path / "x.db", write) == [(7,), (8,)]
    assert woken == ["_all", "_all", "executemany", "_all"]  # the first begins
