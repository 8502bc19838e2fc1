"""A gateway on the database of the first release: it takes calls, keeps old promises, and loses nothing. Real SIP."""

import asyncio
import contextlib
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sipgw.config.config import GatewayConfig
from sipgw.outbound.job_dialer import OutboundDialer
from sipgw.outbound.jobs import Jobs
from sipgw.records.store.calls import CallFilter
from tests.callee import callee, rejecting
from tests.outbound.test_call_out import calling_out
from tests.outbound.test_callbacks import until
from tests.records.store.test_calls_without_database import call_in
from tests.records.store.test_migrations import FIRST
from tests.waiting import HANG


def test_a_call_comes_in_and_a_promise_of_the_first_release_rings(tmp_path: Path) -> None:
    database = Path(shutil.copy(FIRST, tmp_path / "cloud.db"))
    with contextlib.closing(sqlite3.connect(database)) as old:
        old.execute("UPDATE callbacks SET due = ?", (datetime.now(UTC).isoformat(),))
        old.commit()

    def at_home(config: GatewayConfig) -> GatewayConfig:
        """Numbers without a country are those of the trunk's."""
        return replace(config, trunks=tuple(replace(trunk, country="US") for trunk in config.trunks))

    async def scenario() -> None:
        async with callee(rejecting(603)) as person, calling_out(tmp_path, person, change=at_home) as (world, _):
            await call_in(world)
            async with OutboundDialer(world.gateway):
                promise = await until(Jobs(world.gateway.store, ""), state="failed")
            assert promise.variables == {"topic": "order 7346"}
            assert person.legs[0].request.uri.user.endswith("4155550123")
            async with asyncio.timeout(HANG):
                while len(calls := await world.gateway.store.calls(CallFilter(ended=True))) < 4:
                    await asyncio.sleep(0.05)
        endings = [(call["direction"], call["ending"], len(call["turns"])) for call in calls]
        old_ones, new_ones = endings[:2], endings[2:]
        assert old_ones == [("in", "caller_hung_up", 2), ("in", "refused", 0)]
        assert new_ones == [("in", "caller_hung_up", 1), ("out", "declined", 0)]

    asyncio.run(scenario())
