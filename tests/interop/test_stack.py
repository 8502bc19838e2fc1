"""The full stack from its own files: calls in, calls out, a registration that moves; each part killed, and cut off.

What is cut off stands still: nothing of it is refused and nothing is answered, as when a network fails.

Every test leaves the stack as it found it. What callers noticed is told by SIPp, by our own phones, and by the records.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError

import pytest
from sqlalchemy import update

from sipgw.outbound.jobs import Job, Jobs
from sipgw.sip.leg import Leg
from sipgw.store import CallFilter
from tests.callee import Callee
from tests.interop import redis as memory
from tests.interop.frozen import family
from tests.interop.kamailio_edge import LIMIT
from tests.interop.postgresql import programs
from tests.interop.sipp_load import load
from tests.interop.stack import Stack, stack
from tests.interop.test_cluster import more_sound
from tests.phone import Phone, calling

pytestmark = pytest.mark.skipif(programs() is None or not memory.there(), reason="PostgreSQL or Redis is not installed")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    pytest.importorskip("redis")
    with stack(tmp_path_factory.mktemp("stack")) as one:
        yield one


def speaking(frame: int) -> bytes:
    """One second of every three, so that nobody is hung up on for being silent."""
    return (b"\x10" if frame % 150 < 50 else b"\xff") * 160


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT):
        while not true():
            await asyncio.sleep(0.02)


async def jobs_of(running: Stack) -> dict[str, Job]:
    async with running.store() as store:
        return {job.key: job for job in await Jobs(store, "test").all("")}


async def job_is(running: Stack, key: str, state: str) -> Job:
    """Wait until a promise has come so far."""
    async with asyncio.timeout(2 * LIMIT):
        while (job := (await jobs_of(running)).get(key)) is None or job.state != state:
            await asyncio.sleep(0.1)
        return job


async def due_now(running: Stack, true: Callable[[], object]) -> None:
    """Wait, as if the half minutes between two tries of a promise passed at once."""
    async with running.store() as store, asyncio.timeout(2 * LIMIT):
        while not true():
            async with store.write() as session:
                due = datetime.now(UTC).timestamp()
                await session.execute(update(Job).where(Job.state == "planned").values(due=due))
            await asyncio.sleep(0.5)


async def leases_run_out(running: Stack) -> None:
    """As if a minute had passed since the gateways renewed the jobs that they hold."""
    async with running.store() as store, store.write() as session:
        await session.execute(update(Job).where(Job.state == "dialling").values(lease=1.0))


async def served_by(running: Stack) -> int:
    """Call, be heard and hang up; returns which gateway had the call."""
    async with calling(running.edge.agent, speaking) as phone:
        await more_sound(phone, 5)
        return await running.at(phone)


async def talking_to_both(running: Stack, talking: contextlib.AsyncExitStack) -> list[tuple[Phone, int]]:
    """Calls, each with the gateway that has it, until both have one."""
    phones: list[tuple[Phone, int]] = []
    while {at for _, at in phones} != {0, 1}:
        phone = await talking.enter_async_context(calling(running.edge.agent, speaking))
        phones.append((phone, await running.at(phone)))
    return phones


async def ids_since(running: Stack, began: datetime, count: int) -> set[str]:
    return {call["id"] for call in await running.records(count, CallFilter(since=began, ended=True))}


def test_calls_are_spread_over_both_and_any_gateway_lists_them_all(running: Stack) -> None:
    async def everywhere(at: int) -> dict[str, int]:
        told = None
        while told is None:
            with contextlib.suppress(HTTPError):  # 503: on a busy machine Redis may be late once
                told = await asyncio.to_thread(running.ask, at, "/api/v1/cluster")
        return {one["name"]: len(one["calls"]) for one in told["gateways"]}

    async def scenario() -> list[str]:
        async with contextlib.AsyncExitStack() as talking, asyncio.timeout(2 * LIMIT):
            phones = [at for _, at in await talking_to_both(running, talking)]
            there = {"gateway1": phones.count(0), "gateway2": phones.count(1)}
            for at in range(2):
                while await everywhere(at) != there:
                    await asyncio.sleep(0.1)
        ended = await running.records(len(phones))
        assert len(ended) == len(phones), "of both gateways, in one database"
        return [one["ending"] for one in ended]

    assert set(asyncio.run(scenario())) == {"caller_hung_up"}


def test_no_secret_stands_in_a_process_list(running: Stack) -> None:
    for at in range(2):
        lines = [Path(f"/proc/{pid}/cmdline").read_text() for pid in family(running.gateways[at].process.pid)]
        assert len(lines) > 1, "the gateway and its media process"
        assert not [line for line in lines if running.postgresql.url in line or running.redis.url in line]


def test_a_gateway_is_killed(running: Stack) -> None:
    """Its calls are lost and no others; the other registers in its place; no promise is called twice or forgotten."""

    def takes(one: Callee, leg: Leg) -> None:
        if "100" in str(leg.request.uri):
            one.pick_up(leg)
        else:
            one.ring(leg)

    async def scenario() -> float:
        began = datetime.now(UTC)
        world, legs = running.carrier, running.carrier.callee.legs
        world.callee.takes = takes
        async with contextlib.AsyncExitStack() as talking:
            await until(lambda: len(world.here) == 1)
            (holder,) = world.here
            dead = running.ports.index(holder)
            phones = await talking_to_both(running, talking)
            running.pause(1 - dead)  # so that the one that is to die takes the jobs
            for key, number in (("answered", "+14155550100"), ("ringing", "+14155550101")):
                await running.plan(key, number)
            await due_now(running, lambda: len(legs) == 2)
            await job_is(running, "answered", "done")
            await job_is(running, "ringing", "dialling")
            running.pause(1 - dead, go_on=True)
            killed = asyncio.get_running_loop().time()
            running.kill(dead)
            await until(lambda: world.here - {holder})
            taken = next(at for at, port, _ in world.registered if port != holder and at > killed) - killed
            for phone, at in phones:
                if at != dead:
                    await more_sound(phone)
            async with calling(running.edge.agent, speaking) as phone:
                await more_sound(phone, 5)
            await leases_run_out(running)
            await due_now(running, lambda: len(legs) == 3)
            await asyncio.sleep(2)  # two looks for jobs: nobody else is called
            called = [str(leg.request.uri.user) for leg in legs]
            assert sorted(called) == ["+14155550100", "+14155550101", "+14155550101"], (
                "the answered one is not called again"
            )
            world.soon(lambda: legs[2].reject(603))
            assert (await job_is(running, "ringing", "failed")).attempts == 2
            world.registered[:] = [one for one in world.registered if one[1] != holder]  # as if its time had run out
            running.again(dead)
            while await served_by(running) != dead:  # the edge has found out that it is back
                pass
            await talking.aclose()
        records = await running.records(len(phones) + 4, CallFilter(since=began, ended=True))
        endings = [one["ending"] for one in records]
        lost = sum(at == dead for _, at in phones)
        assert endings.count("interrupted") == lost + 2, "the calls of the dead one, by its spool, once it is back"
        return taken

    taken = asyncio.run(scenario())
    print(f"\nanother gateway registered {taken:.1f} s after the death of the first")


@pytest.mark.parametrize(("blow", "cause"), [(signal.SIGKILL, "ended"), (signal.SIGSTOP, "did not answer for 4 s")])
def test_the_media_process_is_killed_or_stands_still(running: Stack, blow: signal.Signals, cause: str) -> None:
    """Its calls hear the goodbye of SIP, and the next call is served."""

    async def scenario() -> str:
        began = datetime.now(UTC)
        async with calling(running.edge.agent, speaking) as phone:
            await more_sound(phone, 5)
            at = await running.at(phone)
            os.kill(running.media(at), blow)
            assert phone.leg
            assert await phone.leg.over(LIMIT), "a BYE came"
            lost = phone.leg.id
        while await served_by(running) != at:
            pass
        async with asyncio.timeout(LIMIT):
            while True:
                records = await running.records(2, CallFilter(since=began, ended=True))
                if found := [one["cause"] for one in records if one["id"] == lost]:
                    return found[0]

    assert f"media process {cause}" in asyncio.run(scenario())


@pytest.mark.parametrize("what", ["gateway", "media process"])
def test_it_is_killed_under_load(running: Stack, tmp_path: Path, what: str) -> None:
    """At most the calls that it had are lost; all others, and all that come, are served."""

    def calls(event: str) -> set[str]:
        lines = (json.loads(line) for line in gateway.log[before:] if line.startswith("{"))
        return {line["call"] for line in lines if line["event"] == event}

    gateway = running.gateways[0]
    before = len(gateway.log)
    with load(tmp_path / "sipp", running.edge.port, 24, 4, 3, patience=12) as callers:
        asyncio.run(until(lambda: len(calls("call answered") - calls("call ended")) > 3))
        running.kill(0) if what == "gateway" else os.kill(running.media(0), signal.SIGKILL)
        counts = callers.counts()
    if what == "gateway":
        had = len(calls("call began") - calls("call ended"))
        running.again(0)
    else:
        had = sum("media process ended" in line for line in gateway.log[before:] if '"call ended"' in line)
    print(f"\nthe {what} was killed: {counts.bad} of {had} calls were lost, {counts.good} others were well")
    assert 0 < counts.bad <= had, counts.log
    assert counts.good + counts.bad == 24
    while asyncio.run(served_by(running)) != 0:
        pass


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_redis_is_gone_under_load(running: Stack, tmp_path: Path, how: str) -> None:
    """Nobody notices: not those who call, not those who are called, not the carrier."""

    async def scenario() -> None:
        world, legs = running.carrier, running.carrier.callee.legs
        legs.clear()
        world.callee.takes = Callee.pick_up
        await until(lambda: len(world.here) == 1)
        before = set(world.here)
        (running.redis.kill if how == "killed" else running.redis.freeze)()
        await running.plan(f"redis {how}", "+14155550102")
        await asyncio.to_thread(callers.counts)
        await job_is(running, f"redis {how}", "done")
        assert before <= world.here, "no registration is given up"
        (running.redis.start if how == "killed" else running.redis.thaw)()
        await job_is(running, f"redis {how}", "done")
        assert len(legs) == 1

    began = datetime.now(UTC)
    with load(tmp_path / "sipp", running.edge.port, 16, 4, 3) as callers:
        asyncio.run(scenario())
        counts = callers.counts()
    assert (counts.good, counts.bad) == (16, 0), counts.log
    assert len(asyncio.run(ids_since(running, began, 16))) >= 16


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_postgresql_is_gone_under_load(running: Stack, tmp_path: Path, how: str) -> None:
    """No caller notices, and every call has its record when it is back; a promise waits for it, and rings once."""

    async def promised() -> None:
        await running.plan(f"postgresql {how}", "+14155550103", seconds=3)

    async def kept() -> None:
        await due_now(running, lambda: legs)
        await job_is(running, f"postgresql {how}", "done")
        running.carrier.soon(legs[0].hangup)

    server, legs = running.postgresql, running.carrier.callee.legs
    legs.clear()
    running.carrier.callee.takes = Callee.pick_up
    began = datetime.now(UTC)
    asyncio.run(promised())
    (server.stop if how == "killed" else server.freeze)()
    try:
        with load(tmp_path / "sipp", running.edge.port, 16, 4, 3) as callers:
            counts = callers.counts()
        assert not legs, "nobody is called out"
    finally:
        (server.start if how == "killed" else server.thaw)()
    assert (counts.good, counts.bad) == (16, 0), counts.log
    asyncio.run(kept())
    assert len(asyncio.run(ids_since(running, began, 17))) == 17
    assert len(legs) == 1


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_kamailio_is_gone_under_calls(running: Stack, how: str) -> None:
    """Those who speak go on speaking; when it is back the calls end as they should, and new ones come."""

    async def scenario() -> list[str]:
        began, edge = datetime.now(UTC), running.edge
        async with calling(edge.agent, speaking) as phone:
            await more_sound(phone, 5)
            await asyncio.to_thread(edge.stop if how == "killed" else edge.freeze)
            await more_sound(phone)
            await asyncio.to_thread(edge.start if how == "killed" else edge.thaw)
        async with calling(edge.agent, speaking) as phone:
            await more_sound(phone, 5)
        return [one["ending"] for one in await running.records(2, CallFilter(since=began, ended=True))]

    assert asyncio.run(scenario()) == ["caller_hung_up"] * 2


def test_a_gateway_stands_still_and_wakes(running: Stack) -> None:
    """Nobody who calls meanwhile notices more than a moment; when it wakes it gives way to what others do by now."""

    async def scenario() -> None:
        began = datetime.now(UTC)
        world, callee = running.carrier, running.carrier.callee
        callee.legs.clear()
        callee.ended.clear()
        callee.takes = Callee.ring
        async with contextlib.AsyncExitStack() as talking:
            await until(lambda: len(world.here) == 1)
            (holder,) = world.here
            still = running.ports.index(holder)
            phones = await talking_to_both(running, talking)
            running.pause(1 - still)  # so that the other takes the job
            await running.plan("still", "+14155550104")
            await due_now(running, lambda: callee.legs)
            await job_is(running, "still", "dialling")
            running.pause(1 - still, go_on=True)
            while await served_by(running) == still:  # the edge has found out that the other is awake
                pass

            running.pause(still)
            async with asyncio.TaskGroup() as group:
                meanwhile = [group.create_task(served_by(running)) for _ in range(4)]
            assert [one.result() for one in meanwhile] == [1 - still] * 4, "each was answered elsewhere"
            await until(lambda: world.here - {holder})
            await leases_run_out(running)
            callee.takes = Callee.pick_up
            await due_now(running, lambda: len(callee.legs) == 2)
            assert (await job_is(running, "still", "done")).attempts == 2

            running.pause(still, go_on=True)
            await until(lambda: [one.how for one in callee.ended if one.how == "CANCEL"])
            await until(lambda: world.here == {running.ports[1 - still]})
            for phone, _ in phones:
                await more_sound(phone)
            while await served_by(running) != still:  # the edge has found out that it is awake
                pass
        assert len(callee.legs) == 2, "nobody was called twice"
        world.soon(callee.legs[1].hangup)
        records = await running.records(len(phones) + 8, CallFilter(since=began, ended=True))
        out = {one["cause"] for one in records if one["direction"] == "out"}
        assert out == {"another gateway has taken over the job", "caller: BYE"}
        came = {one["ending"] for one in records if one["direction"] == "in"}
        assert came == {"caller_hung_up"}, "also what it found when it woke and others had taken"

    asyncio.run(scenario())
