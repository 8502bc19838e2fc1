"""Reports on calls where gateways share a PostgreSQL database: each fills in those of its own calls, once."""

import asyncio
from pathlib import Path

import pytest

from sipgw.config.records import StoreOptions
from sipgw.records.artifacts.retention import forget
from tests.agents.report_world import NOW, ended, world
from tests.interop.postgresql import Server, server

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]


def test_a_report_is_filled_in_once_and_by_the_gateway_of_its_call(tmp_path: Path, server: Server) -> None:
    def store(name: str) -> StoreOptions:
        return StoreOptions(url=server.url, path=str(tmp_path / name))

    async def scenario() -> None:
        async with (
            world(tmp_path, store=store("one.db")) as one,
            world(tmp_path, store=store("two.db")) as two,
        ):
            await one.call(ended())
            assert not await two.filler.work(NOW), "its agent of that name may be another"
            async with asyncio.TaskGroup() as both:
                for _ in range(2):
                    both.create_task(one.filler.work(NOW))
            assert (len(one.llm.asked), len(two.llm.asked)) == (1, 0)
            assert (await two.report())["state"] == "filled"
            record = await one.store.call("c")
            assert record and record["cost"] == pytest.approx(0.5026), "the report, and its check"
            await forget(two.store, "+14155550123", NOW)
            assert await one.store.report("c") is None

    asyncio.run(scenario())
