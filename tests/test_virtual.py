"""Virtual time waits for work in threads, but not for ever."""

import asyncio
import threading
import time

import pytest

from agent.pool import Pool
from sipgw.tools.replay import clock
from tests.virtual import run
from tests.waiting import HANG


def test_work_in_a_thread_takes_no_virtual_time() -> None:
    pool = Pool("virtual", 1, 1)

    async def scenario() -> list[str]:
        happened = list[str]()

        async def waits() -> None:
            await asyncio.sleep(1)
            happened.append("a second has passed")

        async def works() -> None:
            await pool.run(time.sleep, 0.05)
            happened.append("the thread is done")

        async with asyncio.TaskGroup() as group:
            group.create_task(waits())
            group.create_task(works())
        return happened

    assert run(scenario()) == ["the thread is done", "a second has passed"]


def test_time_goes_on_beside_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "PATIENCE", 0.05)
    pool, let_go = Pool("virtual", 1, 1), threading.Event()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HANG):
                await pool.run(let_go.wait)

    run(scenario())
    let_go.set()
