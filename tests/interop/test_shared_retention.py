"""Gateways that share PostgreSQL and have a disk each: whoever deletes rows deletes the files of these calls, too."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from sipgw.cli.forgetting import forget_everywhere
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.records import RetentionOptions, StoreOptions
from sipgw.records.artifacts import retention
from sipgw.records.artifacts.hosts import GONE
from sipgw.records.artifacts.retention import LOST, forget
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.spool import Spool
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, SpoolRecord
from sipgw.web.accounts import Accounts
from tests.cdr_events import add_call
from tests.interop.postgresql import Server, server
from tests.interop.test_shared_database import emptied
from tests.records.maintained import maintenance

__all__ = ["server"]
pytestmark = pytest.mark.programs("postgresql")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NUMBER = "+14155550123"
WEEK = RetentionOptions(calls=7)


@pytest.fixture(autouse=True)
def fresh(server: Server) -> None:
    asyncio.run(emptied(server))


@dataclass
class Machine:
    """A gateway's disk, and its view of the database."""

    folder: Path
    store: Store
    name: str

    async def had(self, call: str, age: timedelta, *, ended: bool = True) -> None:
        """A call of that age, recorded."""
        file = self.folder / f"{call}.wav"
        file.write_bytes(b"RIFF")
        record = CallRecord(
            id=call, trunk="pbx", agent="agent", caller=NUMBER, called="100", began=NOW - age, recording=str(file),
            ended=NOW - age + timedelta(minutes=1) if ended else None, gateway=self.name,
        )  # fmt: skip
        await add_call(self.store, record, [{"caller": f"said in {call}"}])

    async def maintenance(self, options: RetentionOptions) -> None:
        gate = GateOptions(audit=str(self.folder / "audit"))
        await maintenance(self.store, GatewayConfig(store=self.store.options, retention=options, gate=gate)).once(NOW)

    @property
    def files(self) -> list[str]:
        return sorted(file.stem for file in self.folder.glob("*.wav"))


async def machine(server: Server, folder: Path, seen: timedelta = timedelta()) -> Machine:
    folder.mkdir()
    store = Store(StoreOptions(str(folder / "x.db"), server.url))
    async with store:
        (spool,) = Spool.claim(store.options.spool_folder)
        spool.close()
        async with store.write() as session:
            session.add(SpoolRecord(gateway=spool.gateway, segment=1, position=0, seen=NOW - seen))
    return Machine(folder, store, spool.gateway)


def test_each_gateway_deletes_its_own_calls_and_those_of_gateways_that_are_gone(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = await machine(server, tmp_path / "one"), await machine(server, tmp_path / "two")
        gone = await machine(server, tmp_path / "gone", GONE + DAY)
        for at, each in enumerate((one, two, gone)):
            await each.had(f"old {at}", 8 * DAY)
            await each.had(f"new {at}", DAY)
            await each.had(f"cut off {at}", 8 * DAY, ended=False)
        await one.maintenance(RetentionOptions())
        (lost, *_) = await one.store.calls(CallFilter(words="cut off 1"))
        assert (lost["ending"], lost["cause"], lost["ended"]) == ("interrupted", LOST, NOW - 8 * DAY)
        await one.maintenance(WEEK)
        assert (one.files, two.files) == (["new 0"], ["cut off 1", "new 1", "old 1"])
        left = {call["id"] for call in await one.store.calls()}
        assert left == {"new 0", "cut off 1", "new 1", "old 1", "new 2"}
        await two.maintenance(WEEK)
        assert two.files == ["new 1"]
        assert {call["id"] for call in await two.store.calls()} == {"new 0", "new 1", "new 2"}

    asyncio.run(scenario())


def test_who_is_forgotten_at_one_gateway_is_forgotten_by_all(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = await machine(server, tmp_path / "one"), await machine(server, tmp_path / "two")
        gone = await machine(server, tmp_path / "gone", GONE + DAY)
        for at, each in enumerate((one, two, gone)):
            await each.had(f"call {at}", DAY)
        (two.folder / "audit").mkdir()
        decided = two.folder / "audit" / "gate-2026-11.jsonl"
        decided.write_text(json.dumps({"number": NUMBER}) + "\n")
        for _ in range(2):  # and once more
            config = GatewayConfig(store=one.store.options)
            told = await forget_everywhere(one.store, config, NUMBER, NOW, Accounts(one.store).forget)
            assert told.elsewhere == 1
        assert (one.files, two.files) == ([], ["call 1"])
        assert await one.store.calls() == [], "nothing but the file is kept until the other gateway has time"
        await one.maintenance(RetentionOptions())
        assert two.files == ["call 1"]
        await two.maintenance(RetentionOptions())
        assert two.files == [] and NUMBER not in decided.read_text()
        assert await two.store.calls() == []
        await two.had("call 3", DAY)
        await two.maintenance(RetentionOptions())
        assert two.files == ["call 3"], "who calls again later is not forgotten in advance"

    asyncio.run(scenario())


@pytest.mark.slow
def test_who_called_more_often_than_a_query_has_parameters_is_forgotten(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes 32,767 of them."""
    monkeypatch.setattr(retention, "SOME", 8000)  # fewer transactions

    async def scenario() -> None:
        here = await machine(server, tmp_path / "a")
        async with here.store.write() as session:
            call = {"trunk": "pbx", "caller": NUMBER, "called": "100", "media": {}, "began": NOW, "ended": NOW}
            await session.execute(insert(CallRecord), [call | {"id": str(number)} for number in range(1 << 15)])
        gone = await forget(here.store, NUMBER, NOW)
        assert (gone.calls, (await here.store.page(CallFilter())).calls) == (1 << 15, [])

    asyncio.run(scenario())
