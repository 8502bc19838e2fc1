"""How busy the gateway's processes are is measured while there are calls, and only then."""

import asyncio
import os
import time
from datetime import UTC, datetime

import pytest

from agent.pool import Pool
from media.process.supervisor import ProcessState
from sipgw.events import CallBegan
from sipgw.policy.inbound.capacity import Capacity
from sipgw.policy.inbound.load_meter import LoadMeter
from tests.waiting import HANG, until

BEGAN = CallBegan("call", datetime.now(UTC), "in", "pbx", "agent", "anna", "agent", {})


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.policy.inbound.load_meter.EVERY", 0.01)


def waits(usage: LoadMeter) -> bool:
    """Whether it waits for a call, so that nothing else wakes it."""
    return bool(usage._begun._waiters)  # type: ignore[attr-defined]


def test_a_busy_process_is_seen_and_a_gateway_without_calls_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def media() -> list[ProcessState]:
        looks.append("")
        return [ProcessState(1, os.getpid(), 1, 0.0), ProcessState(2, 0, 0, 0.0)]

    async def scenario() -> None:
        capacity = Capacity("auto", 0.1)
        usage = LoadMeter(capacity, media)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(usage.run())
            await until(lambda: waits(usage))
            assert not looks
            capacity.calls["pbx"] = 10
            usage.watch(BEGAN)
            busy = dict[str, float]()

            def full() -> bool:
                until_ = time.thread_time() + 0.02
                while time.thread_time() < until_:
                    pass
                busy.update(capacity.headroom.busy())
                return busy.get("gateway", 0.0) > 0.5

            await until(full)
            assert busy.keys() == {"gateway", "media 1", "the machine"}, "one that is being started is not measured"
            capacity.calls["pbx"] = 0
            await until(lambda: waits(usage))  # the last call has ended
            running.cancel()

    asyncio.run(scenario())


def test_without_the_figures_of_linux_its_own_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.policy.inbound.load_meter._busy", lambda file, **_: None)
    monkeypatch.setattr("media.process.cores.busy", lambda: None)
    spent = LoadMeter(Capacity("auto", 0.1), lambda: [ProcessState(1, 1, 0, 0.0)])._spent()
    assert spent.keys() == {("gateway", 0)}
    assert spent["gateway", 0] > 0


def test_a_process_that_was_started_again_is_another_one() -> None:
    """Its name is the same, its time begins again at 0: one second of both would be told as nothing done."""
    first, second = os.getpid(), os.getppid()
    states = [ProcessState(1, first)]
    usage = LoadMeter(Capacity("auto", 0.1), lambda: states)
    before = usage._spent()
    states = [ProcessState(1, second)]
    assert (usage._spent().keys() & before.keys()) == {("gateway", 0), ("the machine", 0)}


def test_a_thread_that_computes_beside_the_main_thread_counts() -> None:
    """It holds the interpreter: what it computes the main thread cannot."""
    pool = Pool("computes", 1, 1)
    usage = LoadMeter(Capacity("auto", 0.1), list, pool)

    def computes() -> float:
        before = time.thread_time()
        while (spent := time.thread_time() - before) < 0.05:
            pass
        return spent

    before = usage._spent()["gateway", 0]
    spent = pool.submit(computes).result(HANG)
    assert usage._spent()["gateway", 0] - before > spent / 2, "Linux tells it at the end of a slice"
