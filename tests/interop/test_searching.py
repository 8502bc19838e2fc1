"""Searches in PostgreSQL, in a database whose language ignores punctuation; tests/records/store/test_searching.py asks
SQLite."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from sipgw.config.records import StoreOptions
from sipgw.records.store import searching
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.searching import Searches, SearchRefused
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from tests.cdr_events import START
from tests.interop.postgresql import Server, server
from tests.records.store.test_searching import Endless

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]
LANGUAGE = "CREATE DATABASE other TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-ka-shifted-kv-symbol'"
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
