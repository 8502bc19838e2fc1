"""What the home page tells of the records, out of PostgreSQL; tests/web/test_overview.py asks SQLite."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from tests.interop.postgresql import Server, server
from tests.web import sample_days

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]


@pytest.mark.parametrize("scenario", [sample_days.hold, sample_days.hold_worst, sample_days.hold_many])
def test_what_is_told_of_two_days(tmp_path: Path, server: Server, scenario: Callable[[Store], Awaitable[None]]) -> None:
    async def look() -> None:
        async with Store(StoreOptions(url=server.url, path=str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                await session.execute(text("TRUNCATE calls, turns, events, expenses"))
            await scenario(store)

    asyncio.run(look())
