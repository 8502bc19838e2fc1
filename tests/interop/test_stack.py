"""The full stack from its own files: calls in, calls out, a registration that moves, and one gateway killed."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from sipgw.jobs import Job, Jobs
from tests.callee import Callee
from tests.interop import redis as memory
from tests.interop.kamailio_edge import LIMIT
from tests.interop.postgresql import programs
from tests.interop.sipp_load import load
from tests.interop.stack import Carrier, Stack, carrier, stack
from tests.interop.test_cluster import answered_by, more_sound, quiet
from tests.phone import calling

pytestmark = pytest.mark.skipif(programs() is None or not memory.there(), reason="PostgreSQL or Redis is not installed")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    pytest.importorskip("redis")
    with stack(tmp_path_factory.mktemp("stack")) as one:
        yield one


async def until(true) -> None:
    async with asyncio.timeout(LIMIT):
        while not true():
            await asyncio.sleep(0.02)


def test_calls_are_spread_over_both_and_any_gateway_lists_them_all(running: Stack, tmp_path: Path) -> None:
    async def listed() -> set[str]:
        found = [await asyncio.to_thread(running.ask, at, "/api/v1/cluster") for at in range(2)]
        names = [sorted((one["name"], len(one["calls"])) for one in each["gateways"]) for each in found]
        return {str(one) for one in names}

    with load(tmp_path / "sipp", running.edge.port, 12, 20, 6) as callers:

        async def all_there() -> None:
            async with asyncio.timeout(LIMIT):
                while True:
                    seen = await listed()
                    counts = [len(one["calls"]) for one in running.ask(0, "/api/v1/cluster")["gateways"]]
                    if sum(counts) == 12 and len(seen) == 1:
                        assert all(counts), "calls are not spread"
                        return
                    await asyncio.sleep(0.1)

        asyncio.run(all_there())
        counts = callers.counts()
    assert (counts.good, counts.bad) == (12, 0), counts.log
    records = asyncio.run(running.records(12))
    assert {one["ending"] for one in records} == {"caller_hung_up"}
    assert len({one["id"] for one in records}) == len(records)
