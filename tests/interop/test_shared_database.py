"""Several gateways share a PostgreSQL database: no job is dialled twice, caps hold for all, webhooks come once."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sipgw.config.gate import GateOptions
from sipgw.config.records import StoreOptions
from sipgw.config.tenants import TenantOptions
from sipgw.events import Watchers
from sipgw.outbound import jobs
from sipgw.outbound.job_dialer import JobDialer
from sipgw.outbound.jobs import Jobs, TooManyCampaignsError
from sipgw.outbound.tables import Campaign, Job
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.gate import Gate, GateRefusal
from sipgw.policy.gate.rules import GateRequest, Permit
from sipgw.policy.gate.shared_counts import SharedCounts
from sipgw.records.cdr import writer
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.store import Store
from sipgw.records.webhooks import deliveries
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.sip.leg import Leg
from tests.callee import Callee, callee
from tests.cdr_events import a_call
from tests.gate_world import ALWAYS, CALIFORNIA, NOON, TRUNKS
from tests.interop.postgresql import Server, server
from tests.outbound.test_call_out import calling_out
from tests.outbound.test_jobs import tenants_take_turns
from tests.records.webhooks.test_webhooks import TARGET, TURNS, WHOLE, World
from tests.waiting import HANG

__all__ = ["server"]
pytestmark = pytest.mark.programs("postgresql")


async def emptied(server: Server) -> None:
    async with Store(StoreOptions(url=server.url)) as store, store.write() as session:
        await session.execute(
            text("TRUNCATE jobs, dials, deliveries, do_not_call, calls, turns, tool_calls, events, spools, artifacts")
        )


@pytest.fixture(autouse=True)
def fresh(server: Server) -> None:
    asyncio.run(emptied(server))


def test_a_crowd_claims_each_job_once(server: Server) -> None:
    async def scenario() -> None:
        now = datetime.now(UTC)
        taken: Counter[int] = Counter()

        async def take(store: Store, name: str) -> None:
            jobs = Jobs(store, name, tenants=(TenantOptions("acme", ("sales",)),))
            while job := await jobs.claim("", now):
                taken[job.id] += 1

        async with Store(StoreOptions(url=server.url)) as one, Store(StoreOptions(url=server.url)) as two:
            planned = [
                Job(campaign="", key=str(key), number="+14155550100", agent=("agent", "sales")[key % 2], due=0.0)
                for key in range(60)
            ]
            for job in planned:
                await Jobs(one, "").add(job)
            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                for name in range(8):
                    group.create_task(take((one, two)[name % 2], str(name)))
        assert len(taken) == 60, "who comes second takes the next, and nobody stops early"
        assert set(taken.values()) == {1}

    asyncio.run(scenario())


def test_tenants_take_turns(server: Server) -> None:
    asyncio.run(tenants_take_turns(StoreOptions(url=server.url)))


def test_two_gateways_run_one_campaign_and_call_everybody_once(server: Server, tmp_path: Path) -> None:
    """With folders of their own, as on two machines; what they share is the database."""
    count = 14

    def declines(person: Callee, leg: Leg) -> None:
        leg.ringing()
        person.after(0.1, lambda one: one.reject(603), leg)

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            person = await stack.enter_async_context(callee(declines))
            worlds = []
            for name in ("one", "two"):
                (tmp_path / name).mkdir()
                kept = StoreOptions(str(tmp_path / name / "x.db"), server.url)
                out = calling_out(tmp_path / name, person, change=lambda config, kept=kept: replace(config, store=kept))  # type: ignore[misc]
                worlds.append((await stack.enter_async_context(out))[0])
            jobs = [
                Job(campaign="c", key=number, number=number, agent="agent", due=0.0, consent=True)
                for number in (f"+1415555{at:04}" for at in range(count))
            ]
            table = Jobs(worlds[0].gateway.store, "")
            await table.start(Campaign(name="c", state="running", concurrent=4, per_second=4.0), jobs)
            began = time.monotonic()
            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                dialers = [
                    JobDialer(Jobs(one.gateway.store, str(name)), one.gateway) for name, one in enumerate(worlds)
                ]
                for each in dialers:
                    group.create_task(each.run())
                while (await table.open("c"))[0]:
                    await asyncio.sleep(0.1)
                for each in dialers:
                    each.finish()
            assert time.monotonic() - began > (count - 1) / 4, "the pace is that of both together"
            called = Counter(leg.request.uri.user for leg in person.legs)
            assert called == {f"+1415555{number:04}": 1 for number in range(count)}
            assert await Jobs(worlds[1].gateway.store, "").states() == {"c": {"failed": count}}
        audits = [next((tmp_path / name / "x.db.gate").glob("gate-*.jsonl")) for name in ("one", "two")]
        decisions = [len(audit.read_bytes().splitlines()) for audit in audits]
        assert sum(decisions) == count
        assert min(decisions) > 0, "both had their share"

    asyncio.run(scenario())


@contextlib.asynccontextmanager
async def two_gates(server: Server, folder: Path, options: GateOptions) -> AsyncIterator[list[Gate]]:
    """What stands in front of the calls out of two gateways."""
    async with contextlib.AsyncExitStack() as stack:
        gates = []
        for name in ("one", "two"):
            store = await stack.enter_async_context(Store(StoreOptions(url=server.url)))
            gate = Gate(lambda: {"": options}, TRUNKS.get, OwnList(store), folder / name, lambda: NOON, shared=store)
            gates.append(await stack.enter_async_context(gate))
        yield gates


def test_who_tells_one_gateway_not_to_call_is_called_by_none_from_that_moment_on(
    server: Server, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with two_gates(server, tmp_path, GateOptions(consent="never", windows=ALWAYS)) as (one, two):
            dial = GateRequest(CALIFORNIA, "us")
            assert isinstance(await two.judge(dial), Permit)
            await one.own.add(CALIFORNIA, "caller")
            refused = await two.judge(dial)
            assert isinstance(refused, GateRefusal)
            assert refused.rule == "do_not_call"
            await one.own.remove(CALIFORNIA)
            assert isinstance(await two.judge(dial), Permit)

    asyncio.run(scenario())


def test_caps_hold_for_all_gateways_together(server: Server, tmp_path: Path) -> None:
    options = GateOptions(consent="never", windows=ALWAYS, per_number_per_day=2, per_day=4)

    async def scenario() -> None:
        async with two_gates(server, tmp_path, options) as gates:
            one, two = gates
            dial = GateRequest(CALIFORNIA, "us")
            assert isinstance(await one.permit(dial), Permit)
            assert isinstance(await two.permit(dial), Permit)
            for gate in gates:
                refused = await gate.permit(dial)
                assert isinstance(refused, GateRefusal)
                assert refused.rule == "cap_number"
                assert isinstance(await gate.judge(dial), GateRefusal)
            crowd = [GateRequest(f"+141555501{number:02}", "us") for number in range(20)]
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(gates[number % 2].permit(one)) for number, one in enumerate(crowd)]
            assert sum(isinstance(each.result(), Permit) for each in asked) == 2, "of four a day two are left"
            await asyncio.to_thread(server.stop)  # noqa: TID251
            away = await one.permit(GateRequest("+14155550199", "us"))
            assert isinstance(away, GateRefusal)
            assert away.rule == "failed", "who cannot count does not call"
            await asyncio.to_thread(server.start)  # noqa: TID251

    asyncio.run(scenario())


def test_a_tenant_has_one_share_of_the_day_at_all_gateways_together(server: Server, tmp_path: Path) -> None:
    options = GateOptions(consent="never", windows=ALWAYS, per_day=4)

    async def scenario() -> None:
        async with two_gates(server, tmp_path, options) as (one, two):
            crowd = [GateRequest(f"+141555501{number:02}", "us", tenant="acme") for number in range(3)]
            told = [await gate.permit(dial) for gate, dial in zip((one, two, one), crowd, strict=True)]
            assert [isinstance(verdict, Permit) for verdict in told] == [True, True, False]
            assert isinstance(told[-1], GateRefusal) and told[-1].rule == "cap_day"
            assert isinstance(await two.permit(GateRequest(CALIFORNIA, "us", tenant="globex")), Permit)

    asyncio.run(scenario())


def test_two_gateways_tell_a_webhook_everything_once_and_in_order(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GATHER", 0.005)
    monkeypatch.setattr(deliveries, "GOODBYE", 0.5)

    async def scenario(world: World) -> None:
        async with contextlib.AsyncExitStack() as stack:
            watchers = []  # type: ignore[var-annotated]
            for name in ("one", "two"):
                store = await stack.enter_async_context(Store(StoreOptions(url=server.url, spool=str(tmp_path / name))))
                queue = await stack.enter_async_context(Deliveries(store, (TARGET,), send=world.send, now=world.now))
                watchers.append(Watchers())
                await stack.enter_async_context(CdrWriter(store, watchers[-1], deliveries=queue))
            for number in range(20):
                for event in a_call(f"call-{number}", TURNS):
                    watchers[number % 2].tell(event)
            async with asyncio.timeout(HANG):
                while len(world.took) < 20 * len(WHOLE):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)

    asyncio.run(scenario(world := World()))
    assert all(world.of(f"call-{number}") == WHOLE for number in range(20))


def test_starts_of_one_tenant_at_two_gateways_keep_its_bound(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_ROWS", 5)

    async def start(store: Store, tenant: str, name: str) -> bool:
        rows = [
            Job(campaign=f"{tenant}/{name}", key=str(key), number="x", agent="a", due=0.0, attempts=0)
            for key in range(3)
        ]
        try:
            return await Jobs(store, "").of(tenant).start(Campaign(name=f"{tenant}/{name}"), rows) == 3
        except TooManyCampaignsError:
            return False

    async def scenario() -> None:
        options = StoreOptions(url=server.url)
        async with Store(options) as one, Store(options) as two:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(start(store, "acme", name)) for store, name in ((one, "x"), (two, "y"))]
            assert sorted(each.result() for each in asked) == [False, True], "who counts second sees the first"
            assert await start(one, "globex", "x"), "each tenant has its own"
            acme = Jobs(one, "").of("acme")
            (left,) = await acme.campaigns()
            assert not await acme.remove(left.name, datetime.now(UTC)) and await acme.set_state(left.name, "stopped")
            assert await acme.remove(left.name, datetime.now(UTC)) and await start(two, "acme", "z")

    asyncio.run(scenario())


def test_a_dry_run_takes_the_lock_of_the_counts_once(server: Server, tmp_path: Path) -> None:
    options = GateOptions(consent="never", windows=ALWAYS, per_number_per_day=1)

    async def scenario() -> None:
        async with two_gates(server, tmp_path, options) as (one, two):
            dials = [GateRequest(f"+1415555{number:04}", "us") for number in range(100)]
            assert isinstance(await one.permit(dials[0]), Permit)
            await one.own.add(dials[1].number, "caller")
            turns, turn = list[datetime](), SharedCounts.turn

            def counted(self: SharedCounts, now: datetime) -> Any:
                turns.append(now)
                return turn(self, now)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(SharedCounts, "turn", counted)
                told = await two.judge_all(dials)
            rules = [one.rule if isinstance(one, GateRefusal) else "" for one in told]
            assert rules == ["cap_number", "do_not_call", *[""] * 98], "what the other gateway counted is known"
            assert len(turns) == 1

    asyncio.run(scenario())
