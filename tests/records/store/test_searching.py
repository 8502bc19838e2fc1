"""Searches that people start: by cost and latency, with a time limit, and few for words at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, literal_column

from sipgw.config.records import StoreOptions
from sipgw.records.store import calls, searching
from sipgw.records.store.calls import CallFilter, page_of
from sipgw.records.store.searching import Searches, SearchRefused
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, TurnRecord
from sipgw.web.calls import ListFilter
from tests.bench import million
from tests.cdr_events import START

STEPS = 100_000
"""Instructions of SQLite for a page of a list of any length; each row that it looks at takes ten or more."""
FREQUENT = ("few", "word of all calls")
"""The search whose work grows with the words of other tenants: they stand between its own in SQLite's index."""
CALLS = {"cheap": (0.01, 900), "dear": (2.5, 1200), "slow": (0.02, 4000), "silent": (None, None)}
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Endless(CallFilter):
    """A filter that the database never finishes."""

    def others(self) -> list[ColumnElement[bool]]:
        count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        return [literal_column(f"({count})") > 0]


def with_calls(folder: Path, look: Callable[[Store, Searches], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Store(StoreOptions(str(folder / "x.db"))) as store:
            async with store.write() as session:
                for number, (call, (cost, slowest)) in enumerate(CALLS.items()):
                    began = START + timedelta(minutes=number)
                    names = {"trunk": "t", "caller": "a", "called": "b", "ending": "silence", "cause": "x"}
                    row = CallRecord(id=call, began=began, ended=began, cost=cost, slowest_ms=slowest, **names)
                    session.add(row)
            await look(store, Searches())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(cost_from=2.5), ["dear"]),
        (CallFilter(cost_from=0.02), ["slow", "dear"]),
        (CallFilter(slower_than=1000), ["slow", "dear"]),
        (CallFilter(slower_than=1000, cost_from=1), ["dear"]),
        (CallFilter(cost_from=0, slower_than=0), ["slow", "dear", "cheap"]),
        (CallFilter(words="word", since=EARLIEST, until=LATEST), []),
        (CallFilter(since=EARLIEST, until=LATEST), ["silent", "slow", "dear", "cheap"]),
    ],
)
@pytest.mark.parametrize("near", [1, 3000])
def test_calls_are_found_by_cost_and_slowest_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: CallFilter, found: list[str], near: int
) -> None:
    monkeypatch.setattr(calls, "NEAR", near)

    async def look(store: Store, searches: Searches) -> None:
        page = await searches.page(store, wanted, 50, "")
        assert [call["id"] for call in page.calls] == found

    with_calls(tmp_path, look)


def test_a_search_that_takes_too_long_is_ended_and_the_next_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LIMIT", 0.05)

    async def look(store: Store, searches: Searches) -> None:
        for _ in range(3):
            with pytest.raises(SearchRefused, match="took too long"):
                await searches.page(store, Endless(words="x"), 50, "")
        monkeypatch.setattr(searching, "LIMIT", 60.0)
        assert len((await searches.page(store, CallFilter(), 50, "")).calls) == len(CALLS)

    with_calls(tmp_path, look)


def test_few_search_for_words_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LIMIT", 0.2)
    refused = list[str]()
    others = list[str]()

    async def look(store: Store, searches: Searches) -> None:
        async def search(wanted: CallFilter, refused: list[str]) -> None:
            try:
                await searches.page(store, wanted, 50, "")
            except SearchRefused as reason:
                refused.append(str(reason))

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(search(Endless(words="x"), refused))
            group.create_task(search(CallFilter(number="a"), others))

    with_calls(tmp_path, look)
    assert searching.TOO_MANY not in others, "it may be too slow on a busy machine"
    assert sorted(refused) == [searching.TOO_MANY] * 3 + [searching.TOO_SLOW] * 2


def test_no_page_of_a_long_list_looks_at_a_large_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the operator and as tenants see it. SQLite counts its own instructions, so no time decides."""
    monkeypatch.setattr(million, "CALLS", 20_000)
    monkeypatch.setattr(calls, "NEAR", 100)
    monkeypatch.setattr(calls, "FEW", 30)

    async def steps(store: Store, wanted: CallFilter, after: str) -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        async with store.read() as session:
            driver = (await (await session.connection()).get_raw_connection()).driver_connection
            assert driver is not None
            await driver.set_progress_handler(step, 100)
            try:
                await page_of(session, wanted, 50, after)
            finally:
                await driver.set_progress_handler(None, 100)
        return count * 100

    async def look() -> dict[tuple[str, str], int]:
        found = dict[tuple[str, str], int]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                await million.fill(session, 0, million.CALLS)
            for tenant in million.TENANTS:
                own = store.of(tenant) if tenant else store
                middle = (await own.page(CallFilter(until=million.FIRST + timedelta(seconds=70_000)), 1)).next
                for name, wanted in million.FILTERS.items():
                    of_page = ListFilter(**vars(wanted))
                    found[tenant, name] = max([await steps(own, of_page, after) for after in ("", middle)])
            monkeypatch.setattr(calls, "NEAR", 3000)  # words alone do not need so many
            for word in ("hello", "zebra"):
                assert await steps(store, ListFilter(words=word), "") < 30_000
        return found

    took = asyncio.run(look())
    assert took.pop(FREQUENT) < 10 * STEPS
    assert {which: count for which, count in took.items() if count > STEPS} == {}


def test_no_call_is_lost_between_pages_where_many_began_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of the same microsecond stand at the next free places in SQLite's index: after calls that began later."""
    monkeypatch.setattr(calls, "NEAR", 1)
    monkeypatch.setattr(calls, "FEW", 0)
    wanted = CallFilter(words="hello")

    async def look() -> list[str]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                for call, later in {"silent": 9, "late": 1, "a": 0, "b": 0, "c": 0}.items():
                    names = {"trunk": "t", "caller": "a", "called": "b", "media": {}}
                    session.add(CallRecord(id=call, began=START + timedelta(microseconds=later), **names))
                    await session.flush()
                    session.add(TurnRecord(call=call, number=0, caller="hello" if call != "silent" else ""))
                    await session.flush()
            page = await store.page(wanted, 1)
            found = [*page.calls]
            while page.next:
                page = await store.page(wanted, 1, page.next)
                found += page.calls
        return [call["id"] for call in found]

    assert asyncio.run(look()) == ["late", "c", "b", "a"]
