"""The full stack from its own files: calls in, calls out, a registration that moves; each part killed, and cut off.

What is cut off stands still: nothing of it is refused and nothing is answered, as when a network fails.

The stack is mended after every test, so that one failure is not five. What callers noticed is told by SIPp, by our own
phones, and by the records.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError

import pytest

from sipgw.records.store.calls import CallFilter
from sipgw.sip.leg import Leg
from tests.callee import Callee
from tests.interop.frozen import family
from tests.interop.promised import due_now, job_is, leases_run_out
from tests.interop.sipp_load import load
from tests.interop.stack import Stack, stack
from tests.interop.test_cluster import more_sound
from tests.phone import Phone, calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.programs("kamailio", "postgresql", "redis")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("stack")) as one:
        yield one


@pytest.fixture
def running(whole: Stack) -> Iterator[Stack]:
    yield whole
    whole.mend()


def speaking(frame: int) -> bytes:
    """One second of every three, so that nobody is hung up on for being silent."""
    return (b"\x10" if frame % 150 < 50 else b"\xff") * 160


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
                told = await asyncio.to_thread(running.ask, at, "/api/v1/cluster")  # noqa: TID251
        return {one["name"]: len(one["calls"]) for one in told["gateways"]}

    async def scenario() -> list[str]:
        async with contextlib.AsyncExitStack() as talking, asyncio.timeout(HANG):
            phones = [at for _, at in await talking_to_both(running, talking)]
            there = {"gateway1": phones.count(0), "gateway2": phones.count(1)}
            for at in range(2):
                while await everywhere(at) != there:
                    await asyncio.sleep(0.1)
        ended = await running.records(len(phones))
        assert len(ended) == len(phones), "of both gateways, in one database"
        return [one["ending"] for one in ended]

    assert set(asyncio.run(scenario())) == {"caller_hung_up"}


@pytest.mark.programs("sipp")
def test_calls_of_one_call_id_go_to_one_gateway(running: Stack, tmp_path: Path) -> None:
    """What is sent again, or in another transaction, meets the gateway that knows it; by chance once in 2^4 runs."""
    for number in range(5):
        options = ("-cid_str", "the-same@here")
        with load(tmp_path / str(number), running.edge.port, 1, 1, 0.1, options=options) as caller:
            assert caller.counts().good == 1
    logs = [[line for line in one.log if '"call answered"' in line] for one in running.gateways.values()]
    assert sorted(sum("the-same@here" in line for line in log) for log in logs) == [0, 5]


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


def test_a_gateway_that_drains_gives_its_registration_to_another_at_once(running: Stack) -> None:
    async def scenario() -> int:
        world = running.carrier
        async with contextlib.AsyncExitStack() as talking:
            await until(lambda: len(world.here) == 1)
            (holder,) = world.here
            leaving = running.ports.index(holder)
            phones = await talking_to_both(running, talking)
            running.gateways[leaving].process.send_signal(signal.SIGTERM)
            await until(lambda: world.here == {running.ports[1 - leaving]})
            for phone, _ in phones:
                await more_sound(phone)
        return leaving

    leaving = asyncio.run(scenario())
    assert running.gateways[leaving].process.wait(HANG) == 0


def test_a_gateway_is_stopped_while_postgresql_stands_still(running: Stack) -> None:
    """All its calls hear the goodbye of SIP before it is back. Nobody is called again for what was not put down."""

    async def scenario() -> float:
        world, legs = running.carrier, running.carrier.callee.legs
        async with contextlib.AsyncExitStack() as talking:
            phones = await talking_to_both(running, talking)
            running.pause(1)  # so that the first takes the job
            await running.plan("stopped", "+14155550105")
            await due_now(running, lambda: legs)
            await job_is(running, "stopped", "done")
            running.pause(1, go_on=True)
            running.postgresql.freeze()
            stopped, process = asyncio.get_running_loop().time(), running.gateways[0].process
            for _ in range(2):  # the second is in a hurry
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
            for phone, at in phones:
                assert phone.leg
                assert at or await phone.leg.over(HANG), "a BYE came"
            await until(lambda: [one.how for one in world.callee.ended if one.how == "BYE"])
            heard = asyncio.get_running_loop().time() - stopped
            assert await asyncio.to_thread(process.wait, HANG) == 0  # noqa: TID251
            running.postgresql.thaw()
            await leases_run_out(running)
            running.again(0)
            await asyncio.sleep(2)  # two looks for jobs
            assert len(legs) == 1
        return heard

    heard = asyncio.run(scenario())
    assert heard < 60, "the limit of the drain hung up, not the second signal"
    print(f"\nthe last call heard it {heard:.1f} s after the first signal")


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
            assert await phone.leg.over(HANG), "a BYE came"
            lost = phone.leg.id
        while await served_by(running) != at:
            pass
        async with asyncio.timeout(HANG):
            while True:
                records = await running.records(2, CallFilter(since=began, ended=True))
                if found := [one["cause"] for one in records if one["id"] == lost]:
                    return found[0]

    assert f"media process {cause}" in asyncio.run(scenario())


def test_a_gateway_stands_still_and_wakes(running: Stack) -> None:
    """Nobody who calls meanwhile notices more than a moment; when it wakes it gives way to what others do by now."""

    async def scenario() -> None:
        began = datetime.now(UTC)
        world, callee = running.carrier, running.carrier.callee
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
        out = await running.records(2, CallFilter(since=began, ended=True, direction="out"))
        assert {one["cause"] for one in out} == {"another gateway has taken over the job", "callee: BYE"}
        ins = await running.records(len(phones) + 6, CallFilter(since=began, ended=True, direction="in"))
        came = {one["ending"] for one in ins}
        assert came == {"caller_hung_up"}, "also what it found when it woke and others had taken"

    asyncio.run(scenario())
