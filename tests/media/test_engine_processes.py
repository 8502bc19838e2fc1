"""Several real media processes behind one engine: how they share calls and ports, and the death of one."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from media.g711 import FRAME, SILENCE
from media.process.channel import Channel, Dead, PortsExhausted
from media.process.engine import MediaEngine, MediaOptions
from tests.media.test_engine import SPEECH, Phone, call, with_engine
from tests.media.test_engine_bridge import talk, until
from tests.ports import free_ports
from tests.waiting import HANG

TWO = MediaOptions("127.0.0.1", (20_000, 32_000), processes=2)
FIRST, SECOND = (range(first, last + 1) for first, last in TWO.split())


def with_two(scenario: Callable[[MediaEngine], Awaitable[None]], options: MediaOptions = TWO) -> None:
    with_engine(scenario, options)


async def opened(engine: MediaEngine, beside: int = 0) -> Channel:
    return await engine.open(lambda event: None, beside=beside)


@pytest.mark.parametrize("ports", [(16384, 32766), (20_001, 20_010), (4000, 4007)])
@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_each_process_has_ports_of_its_own_and_no_pair_is_lost(ports: tuple[int, int], processes: int) -> None:
    parts = MediaOptions("", ports, processes).split()
    pairs = [range(first + first % 2, last, 2) for first, last in parts]
    assert len(parts) == processes
    assert [pair for part in pairs for pair in part] == list(range(ports[0] + ports[0] % 2, ports[1], 2))
    assert max(map(len, pairs)) - min(map(len, pairs)) <= 1


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 1), (3, 1), (4, 2), (200, 2)])
def test_auto_is_two_where_they_have_cores_of_their_own(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int
) -> None:
    monkeypatch.setattr("media.process.engine.cores", lambda: cores)
    assert len(MediaOptions(processes="auto").split()) == processes


def test_calls_go_where_there_are_fewest() -> None:
    async def scenario(engine: MediaEngine) -> None:
        channels = [await opened(engine) for _ in range(6)]
        assert [channel.port in FIRST for channel in channels] == [True, False] * 3
        for channel in channels[1::2]:
            channel.close()
        assert [one.calls for one in engine.processes] == [3, 0]
        assert {(await opened(engine)).port in SECOND for _ in range(3)} == {True}
        assert [one.calls for one in engine.processes] == [3, 3]

    with_two(scenario)


def test_the_two_ends_of_a_bridge_are_in_one_process() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, one), asyncio.TaskGroup() as tasks:
            person = Phone()
            other = await engine.open(person.events.put_nowait, beside=one.number)
            assert (one.port in FIRST) == (other.port in FIRST)
            person.connect(other)
            one.bridge(other)
            talking = [tasks.create_task(talk(phone, bytes([at]) * FRAME)) for at, phone in ((1, caller), (2, person))]
            await until(person, b"\x01" * FRAME)
            await until(caller, b"\x02" * FRAME)
            for task in talking:
                task.cancel()
            person.sock.close()

    with_two(scenario)


def test_a_killed_process_ends_its_calls_and_no_others_and_comes_back() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (doomed, one), call(engine) as (spared, two):
            pids = [state.pid for state in engine.processes]
            os.kill(pids[0], signal.SIGKILL)
            assert "-9" in (await doomed.until(Dead)).cause
            assert [state.pid for state in engine.processes] == [0, pids[1]]
            async with call(engine) as (phone, three):
                assert three.port in SECOND, "the next call has not to wait for the restart"
                assert (await phone.packet()).payload == SILENCE
            two.say(1, SPEECH * 5)
            await until(spared, SPEECH)
            assert (await two.stats())["sent"] > 0
            assert spared.events.empty() or not isinstance(spared.events.get_nowait(), Dead)
            async with asyncio.timeout(HANG):
                while not engine.processes[0].pid:
                    await asyncio.sleep(0.01)
            with contextlib.closing(await opened(engine)) as again:
                assert again.port in FIRST
                assert again.number != one.number

    with_two(scenario)


@pytest.mark.slow
def test_calls_go_to_the_other_process_while_one_hangs_and_while_it_starts() -> None:
    async def scenario(engine: MediaEngine) -> None:
        os.kill(engine.processes[0].pid, signal.SIGSTOP)
        async with asyncio.timeout(HANG):
            while engine.processes[0].pid:  # at first it hangs, which nobody knows yet, then it is killed
                assert (await opened(engine)).port in SECOND
                await asyncio.sleep(0.05)
            while not engine.processes[0].pid:  # it starts again
                assert (await opened(engine)).port in SECOND
                await asyncio.sleep(0.01)

    with_two(scenario)


@pytest.mark.slow
def test_a_process_that_hangs_is_no_reason_to_refuse_the_calls_that_the_other_takes() -> None:
    async def scenario(engine: MediaEngine) -> None:
        os.kill(engine.processes[0].pid, signal.SIGSTOP)
        async with asyncio.timeout(HANG):
            while engine.processes[0].delay < 2.0:
                await asyncio.sleep(0.05)
        assert engine.delay == engine.processes[1].delay

    with_two(scenario)


def test_a_process_that_dies_while_it_opens_a_call_leaves_it_to_the_other() -> None:
    async def scenario(engine: MediaEngine) -> None:
        pid = engine.processes[0].pid
        os.kill(pid, signal.SIGSTOP)
        events: list[object] = []
        opening = asyncio.get_running_loop().create_task(engine.open(events.append))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert (await opening).port in SECOND
        assert events == []

    with_two(scenario)


def test_ports_run_out_when_all_processes_have_none() -> None:
    async def scenario(engine: MediaEngine) -> None:
        caller = await opened(engine)
        beside = await opened(engine, caller.number)
        with pytest.raises(PortsExhausted):
            await opened(engine, caller.number)  # its process has none left
        others = [await opened(engine) for _ in range(2)]
        assert {channel.port in range(first, first + 4) for channel in (caller, beside)} == {True}
        assert {channel.port in range(first + 4, first + 8) for channel in others} == {True}
        with pytest.raises(PortsExhausted):
            await opened(engine)

    first = free_ports(8)
    with_two(scenario, MediaOptions("127.0.0.1", (first, first + 7), 2))
