"""Callbacks that ring: promised, dialled when due, tried again, kept over a crash. Real SIP to a phone of ours."""

import asyncio
import contextlib
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy.exc import OperationalError

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.inbound import LimitOptions
from sipgw.config.outbound import RetryOptions
from sipgw.outbound.job_dialer import JobDialer, OutboundDialer, Pace
from sipgw.outbound.jobs import LEASE, Jobs
from sipgw.outbound.retries import SOON
from sipgw.outbound.tables import Job
from sipgw.policy.gate.rules import GateRefusal, GateRequest, Permit
from sipgw.sip.leg import Leg
from sipgw.trunks.route_selector import NoRoom
from tests.callee import Callee, callee, carrier_lines, rejecting
from tests.cloud import Cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.gate_world import ALWAYS
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.slow

THEIRS = (("P-Asserted-Identity", f"<sip:{NUMBER}@carrier.example>"),)
QUICK = RetryOptions(attempts=2, busy=10, no_answer=10, failed=10)


def job(key: str = "a", number: str = NUMBER, due: float | None = None, campaign: str = "") -> Job:
    at = datetime.now(UTC).timestamp() if due is None else due
    return Job(campaign=campaign, key=key, number=number, agent="agent", due=at, variables={"topic": "your lamp"})


def spent(config: GatewayConfig) -> GatewayConfig:
    """The minutes of the day are used up by the first call."""
    return replace(config, limits=LimitOptions(minutes_per_day=0.0001))


async def until(jobs: Jobs, campaign: str = "", **wanted: object) -> Job:
    async with asyncio.timeout(HANG):
        while True:
            for one in await jobs.all(campaign):
                if all(getattr(one, name) == value for name, value in wanted.items()):
                    return one
            await asyncio.sleep(0.05)


def test_a_promise_rings(tmp_path: Path) -> None:
    """A caller asks to be called back now; a second later their phone rings, and the agent knows what it is about."""

    async def scenario() -> None:
        call = '{"phone_number": "+14155550100", "when": "now", "topic": "your lamp"}'
        replies = [Reply(calls=[("c1", "schedule_callback", call)]), Reply(text=["Done."])]
        said = [Said("Call me back now please", 3000, 3500)]
        async with callee() as person, calling_out(tmp_path, person, said=said, replies=replies) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            async with calling(world.target, lambda frame: b"\xff" * 160, THEIRS):
                await until(jobs, state="planned")
            async with OutboundDialer(world.gateway):
                done = await until(jobs, state="done")
                assert done.call in world.gateway.calls
                async with asyncio.timeout(HANG):
                    while "You asked us to call you back about your lamp" not in str(world.tts.texts):
                        await asyncio.sleep(0.05)
                person.legs[0].hangup()
                done = await until(jobs, state="done", reason="callee hung up: callee: BYE")
            assert (done.number, done.attempts) == (NUMBER, 1)

    asyncio.run(scenario())


def test_where_nobody_may_be_called_nobody_is_promised_a_call(tmp_path: Path) -> None:
    """The recipes leave `country` to whoever uses them: without it no number may be dialled."""

    async def scenario() -> None:
        call = '{"phone_number": "+14155550100", "when": "now"}'
        replies = [Reply(calls=[("c1", "schedule_callback", call)]), Reply(text=["I am sorry."])]
        said = [Said("Call me back now please", 3000, 3500)]
        closed = partial(replace, gate=GateOptions())
        async with (
            callee() as person,
            calling_out(tmp_path, person, said=said, replies=replies, change=closed) as (world, _),
        ):
            async with calling(world.target, lambda frame: b"\xff" * 160, THEIRS), asyncio.timeout(HANG):
                while len(world.llm.requests) < 2:
                    await asyncio.sleep(0.05)
            assert "promise nothing" in str(world.llm.requests[1]["messages"][-1]["content"])
            assert not await Jobs(world.gateway.store, "").all("")

    asyncio.run(scenario())


def test_a_list_that_is_away_for_a_moment_costs_nobody_the_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        listed = GateOptions(countries=("US",), windows=ALWAYS, dnc_files=(str(tmp_path / "registry.csv"),))
        async with (
            callee() as person,
            calling_out(tmp_path, person, change=partial(replace, gate=listed)) as (world, _),
            asyncio.TaskGroup() as group,
        ):
            clock = [datetime.now(UTC)]
            jobs = Jobs(world.gateway.store, "")
            await jobs.add(job(due=clock[0].timestamp()))
            running = group.create_task(job_dialer(world, clock).run())
            waits = await until(jobs, state="planned", attempts=0, holder="test")
            assert "registry.csv cannot be used" in waits.reason
            assert waits.due > clock[0].timestamp() + SOON
            (tmp_path / "registry.csv").write_text("+12125550100\n")
            clock[0] += timedelta(minutes=2)
            await until(jobs, state="done")
            running.cancel()

    asyncio.run(scenario())


def job_dialer(world: Cloud, clock: list[datetime], **pace: object) -> JobDialer:
    values: dict[str, object] = {"retry": QUICK, "per_second": 50.0} | pace
    jobs = Jobs(world.gateway.store, "test")
    return JobDialer(jobs, world.gateway, Pace(**values), lambda: clock[0])  # type: ignore[arg-type]


def test_on_a_day_that_has_cost_what_it_may_a_promise_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = [datetime.now(UTC)]
        async with (
            callee() as person,
            calling_out(tmp_path, person, change=spent) as (world, _),
            asyncio.TaskGroup() as group,
        ):
            async with calling(world.target, lambda frame: b"\xff" * 160, THEIRS) as phone, asyncio.timeout(HANG):
                while len(phone.received) < 5:
                    await asyncio.sleep(0.02)
            async with asyncio.timeout(HANG):
                while world.gateway.calls:
                    await asyncio.sleep(0.02)
            with pytest.raises(NoRoom, match="minutes_per_day"):
                world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            jobs = Jobs(world.gateway.store, "")
            await jobs.add(job(due=clock[0].timestamp()))
            running = group.create_task(job_dialer(world, clock).run())
            waits = await until(jobs, state="planned", attempts=0, due=clock[0].timestamp() + SOON)
            assert "minutes_per_day" in waits.reason
            assert person.legs == []
            running.cancel()

    asyncio.run(scenario())


def test_who_is_busy_is_called_again_and_then_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = [datetime.now(UTC)]
        async with (
            callee(rejecting(486)) as person,
            calling_out(tmp_path, person) as (world, _),
            asyncio.TaskGroup() as group,
        ):
            jobs = Jobs(world.gateway.store, "")
            await jobs.add(job(due=clock[0].timestamp()))
            running = group.create_task(job_dialer(world, clock).run())
            first = await until(jobs, state="planned", attempts=1)
            assert first.reason.startswith("busy: callee: 486")
            assert first.due == clock[0].timestamp() + QUICK.busy
            assert len(person.legs) == 1, "not before its time"
            clock[0] += timedelta(seconds=11)
            await until(jobs, state="failed", attempts=2)
            assert len(person.legs) == 2
            running.cancel()

    asyncio.run(scenario())


def test_the_gate_names_the_next_window_and_late_promises_are_given_up(tmp_path: Path) -> None:
    clock = [datetime.now(UTC)]
    opens = clock[0] + timedelta(hours=9)

    class Night:
        async def permit(self, dial: GateRequest) -> Permit | GateRefusal:
            assert (dial.purpose, dial.agent) == ("callback", "agent")
            return GateRefusal("window", "it is night there", opens) if clock[0] < opens else Permit(dial.number)

    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person) as (world, _), asyncio.TaskGroup() as group:
            jobs = Jobs(world.gateway.store, "")
            await jobs.add(job(due=clock[0].timestamp()))
            await jobs.add(job("old", due=clock[0].timestamp() - 90000))
            world.gateway.originator.gate = Night()  # type: ignore[assignment]
            running = group.create_task(job_dialer(world, clock, latest=86400).run())
            waiting = await until(jobs, state="planned", due=opens.timestamp())
            assert (waiting.reason, waiting.attempts) == ("not permitted: it is night there", 0)
            late = await until(jobs, state="failed")
            assert late.reason == "too late: it was due 25 hours ago"
            assert not person.legs
            clock[0] = opens
            await until(jobs, state="done")
            assert len(person.legs) == 1
            running.cancel()

    asyncio.run(scenario())


def test_what_cannot_be_placed_is_told_and_stopping_loses_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = [datetime.now(UTC)]
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            nobody = job("x", due=clock[0].timestamp())
            nobody.agent = "nobody"
            await jobs.add(nobody)
            await jobs.add(job(due=clock[0].timestamp()))
            async with asyncio.TaskGroup() as group:
                running = group.create_task(job_dialer(world, clock).run())
                failed = await until(jobs, agent="nobody", state="planned", attempts=1)
                assert "there is no agent 'nobody'" in failed.reason
                async with asyncio.timeout(HANG):
                    while not person.legs:
                        await asyncio.sleep(0.01)
                running.cancel()
            back = await until(jobs, agent="agent", state="planned")
            assert (back.attempts, back.reason) == (0, "gateway stopped: the gateway was stopped")
            async with asyncio.timeout(HANG):
                while not person.ended:
                    await asyncio.sleep(0.01)
            assert person.ended[0].how == "CANCEL"

    asyncio.run(scenario())


def test_a_gateway_that_stood_still_gives_way_to_the_one_that_has_taken_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipgw.outbound.job_dialer.RENEW", 0.05)

    async def scenario() -> None:
        clock = [datetime.now(UTC)]
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "another")
            await jobs.add(job(due=clock[0].timestamp()))
            async with asyncio.TaskGroup() as group:
                running = group.create_task(job_dialer(world, clock).run())
                async with asyncio.timeout(HANG):
                    while not person.legs:
                        await asyncio.sleep(0.01)
                    assert await jobs.claim("", clock[0] + timedelta(seconds=LEASE + 1))
                    while not person.ended:
                        await asyncio.sleep(0.01)
                running.cancel()
            assert person.ended[0].how == "CANCEL"
            kept = await until(jobs, state="dialling", attempts=2)
            assert kept.holder == "another"

    asyncio.run(scenario())


def test_when_the_database_is_back_who_lives_renews_before_others_take_what_was_left(tmp_path: Path) -> None:
    class Away(Jobs):
        asked: ClassVar[list[bool]] = []

        async def claim(self, campaign: str, now: datetime, *, left: bool = True, **_: object) -> Job | None:
            self.asked.append(left)
            if len(self.asked) == 1:
                raise OperationalError("claim", None, OSError("it is away"))
            return None

    async def scenario() -> None:
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            clock = [datetime.now(UTC)]
            calling = JobDialer(Away(world.gateway.store, "test"), world.gateway, Pace(), lambda: clock[0])
            for passed in (0, 1, LEASE / 2 - 2, 2):
                clock[0] += timedelta(seconds=passed)
                await calling._claim("", Pace())

    asyncio.run(scenario())
    assert Away.asked == [True, False, False, True]


def test_a_promise_survives_kill_9(tmp_path: Path) -> None:
    from tests.interop.rolling import PARROT
    from tests.interop.served import GATE, served

    def rows() -> list[tuple[str, int]]:
        with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
            return database.execute("SELECT state, attempts FROM jobs").fetchall()

    async def plan(port: int) -> None:
        from sipgw.config.records import StoreOptions
        from sipgw.records.store.store import Store

        async with Store(StoreOptions(str(tmp_path / "gateway.db"))) as store:
            await Jobs(store, "").add(job())

    async def scenario() -> None:
        async with callee(Callee.ring) as person:
            more = carrier_lines(person.port) + GATE
            await plan(person.port)

            def killed() -> None:
                with contextlib.suppress(AssertionError), served(tmp_path, more, module=PARROT) as gateway:
                    until = time.monotonic() + HANG
                    while not person.legs and time.monotonic() < until:
                        time.sleep(0.05)
                    gateway.process.kill()

            await asyncio.to_thread(killed)  # noqa: TID251
            assert rows() == [("dialling", 1)]
            with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
                database.execute("UPDATE jobs SET lease = lease - 3600")  # an hour goes by
                database.commit()

            def shortly(person: Callee, leg: Leg) -> None:
                person.pick_up(leg)
                person.after(1.0, Leg.hangup, leg)

            person.takes = shortly

            def again() -> None:
                with served(tmp_path, more, module=PARROT):
                    until = time.monotonic() + HANG
                    while rows()[0][0] != "done" and time.monotonic() < until:
                        time.sleep(0.05)

            await asyncio.to_thread(again)  # noqa: TID251
            assert rows() == [("done", 2)]

    asyncio.run(scenario())
