"""Searches in PostgreSQL, in a database whose language ignores punctuation; tests/records/store/test_searching.py asks
SQLite."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import delete, text, update

from sipgw.config.records import StoreOptions
from sipgw.records.store import calls, searching
from sipgw.records.store.calls import CallFilter, RecordPage
from sipgw.records.store.searching import Searches, SearchRefused
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, TurnRecord
from tests.cdr_events import START
from tests.interop.postgresql import Server, server
from tests.records.store.test_searching import Endless

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]
LANGUAGE = "CREATE DATABASE other TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-ka-shifted-kv-symbol'"
SAID = (
    ("Hello, order 6,50 please", "It's on its way."),
    ("hello@example.com is my address", "3.14"),
    ("Guten Tag, „Ärger“ mit Nr. A-4711/b", "HELLO!"),
    ("x" * 3000, "zu lang " * 30_000),
    ("नमस्ते, मेरा ऑर्डर कहाँ है?", "İZMİR ΜΕΓΑΣ می\u200cخواهم"),
)
FOUND = {
    "hello": "210",
    "HELLO order": "0",
    "6 50": "0",
    "its": "0",
    "example": "1",
    "3 14": "1",
    "3.14": "1",
    "a 4711 b": "2",
    "47*": "2",
    "471": "",
    "ord* hel*": "0",
    "lang": "3",
    "it's": "0",
    "rger": "",
    "' | hello": "210",
    "&!()": "",
    "ऑर्डर": "4",
    "नमस्ते कहा*": "4",
    "İZMİR": "4",
    "ΜΕΓΑΣ": "4",
    "می\u200cخواهم": "4",
    "می\u200cخوا*": "4",
    "": "43210",
}
PLANS = """SELECT sum(generic_plans), max(custom_plans) FROM pg_prepared_statements
    WHERE statement LIKE '%to' || '_tsquery%'"""
CALLERS = ("+4930123", "4930124", "+44930", "+493", "+50")


def test_numbers_that_begin_alike_and_the_time_limit(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        connection = await asyncpg.connect(server.url)
        await connection.execute(LANGUAGE)
        await connection.close()
        url = server.url.rpartition("/")[0] + "/other"
        async with Store(StoreOptions(url=url, path=str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                for number, caller in enumerate(CALLERS):
                    names = {"trunk": "t", "called": "b", "ending": "silence", "cause": "x", "slowest_ms": number}
                    session.add(CallRecord(id=str(number), began=START, ended=START, caller=caller, **names))
            searches = Searches()
            found = await searches.page(store, CallFilter(number="+49*"), 50, "")
            assert {call["caller"] for call in found.calls} == {"+4930123", "+493"}
            assert len((await searches.page(store, CallFilter(slower_than=3), 50, "")).calls) == 2
            monkeypatch.setattr(searching, "LIMIT", 0.1)
            with pytest.raises(SearchRefused, match="took too long"):
                await searches.page(store, Endless(), 50, "")
            assert (await searches.page(store, CallFilter(number="+50"), 50, "")).calls

    asyncio.run(look())


def test_each_search_has_a_plan_for_its_own_words(tmp_path: Path, server: Server) -> None:
    async def look() -> None:
        async with Store(StoreOptions(url=server.url, path=str(tmp_path / "x.db"))) as store:
            searches = Searches()
            for _ in range(12):  # from the sixth time on PostgreSQL may take one plan for all words
                await searches.page(store, CallFilter(words="hello"), 50, "")
            async with store.read() as session:
                plans = await session.execute(text(PLANS))
                assert tuple(plans.one()) == (0, 12)

    asyncio.run(look())


@pytest.mark.parametrize(("near", "few"), [(3000, 300), (2, 300), (2, 0)])
def test_words_are_found_as_in_sqlite(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, near: int, few: int
) -> None:
    monkeypatch.setattr(calls, "NEAR", near)
    monkeypatch.setattr(calls, "FEW", few)

    async def look(store: Store) -> None:
        async with store.write() as session:
            for number, (caller, said) in enumerate(SAID):
                began = START + timedelta(minutes=number)
                party = {"trunk": "t", "caller": "a", "called": "b"}
                session.add(CallRecord(id=f"{number}", began=began, ended=began, **party))
                session.add(TurnRecord(call=f"{number}", number=0, caller=caller, said=said))
        for words, found in FOUND.items():
            first = await store.page(CallFilter(words=words), 2)
            rest = await store.page(CallFilter(words=words), 9, first.next) if first.next else RecordPage((), "")
            assert "".join(call["id"] for call in (*first.calls, *rest.calls)) == found, words
        async with store.write() as session:
            await session.execute(update(TurnRecord).values(caller="[removed]", said=""))
        assert not (await store.page(CallFilter(words="hello"))).calls
        async with store.write() as session:
            await session.execute(delete(CallRecord))
            await session.execute(delete(TurnRecord))

    async def both() -> None:
        connection = await asyncpg.connect(server.url)
        await connection.execute(f"CREATE DATABASE c{near}{few} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        await connection.close()
        for options in (
            StoreOptions(url=server.url, path=str(tmp_path / "y.db")),
            StoreOptions(url=f"{server.url.rpartition('/')[0]}/c{near}{few}", path=str(tmp_path / "x.db")),
            StoreOptions(str(tmp_path / "z.db")),
        ):
            async with Store(options) as store:
                await look(store)

    asyncio.run(both())
