"""A day begins at midnight by the clock of the machine, also on a day when the clocks change."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from sipgw.config.records import StoreOptions
from sipgw.midnight import midnight
from sipgw.policy.cost.cost import spent_since_midnight
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from sipgw.web.overview import overview

AUTUMN, SPRING = datetime(2026, 10, 25, 11, tzinfo=UTC), datetime(2026, 3, 29, 10, tzinfo=UTC)
"""Noon in Berlin."""


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("noon", "begun"),
    [(AUTUMN, datetime(2026, 10, 24, 22, tzinfo=UTC)), (SPRING, datetime(2026, 3, 28, 23, tzinfo=UTC))],
)
def test_the_calls_of_a_day_when_the_clocks_change_begin_at_its_midnight(
    tmp_path: Path, noon: datetime, begun: datetime
) -> None:
    now = noon.astimezone()
    assert midnight(now) == begun

    async def look() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                names = {"trunk": "t", "caller": "a", "called": "b", "ending": "x", "cause": "x"}
                for number, minutes in enumerate((-10, 10)):
                    began = begun + timedelta(minutes=minutes)
                    session.add(CallRecord(id=f"{number}", began=began, ended=began, cost=number + 1.0, **names))
            assert (await spent_since_midnight(store, now))[""].money == 2.0
            async with store.read() as session:
                found = await overview(session, now, "day")
            assert (found.cost, found.today.calls, found.today.began) == (2.0, 1, begun)

    asyncio.run(look())


@pytest.mark.usefixtures("berlin")
def test_a_time_of_another_zone_keeps_its_offset() -> None:
    there = timezone(timedelta(hours=-5))
    assert midnight(datetime(2026, 10, 25, 12, tzinfo=there)) == datetime(2026, 10, 25, tzinfo=there)
