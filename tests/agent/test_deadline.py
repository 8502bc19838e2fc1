"""A deadline that moves, on virtual time, held to what `asyncio.timeout` does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import pytest

from agent.deadline import Deadline
from tests.virtual import run

Limit = Callable[[float], Any]


def moved(armed: float):
    """Makes a wait within a deadline that was armed before for this part of its time."""

    @asynccontextmanager
    async def limit(seconds: float):
        deadline = Deadline(max(armed * seconds, 0.25))
        with deadline:
            await asyncio.sleep(0)
        deadline.move(seconds)
        with deadline:
            yield

    return limit


@asynccontextmanager
async def fresh(limit: float):
    """A wait within a new deadline."""
    with Deadline(limit):
        yield


async def how(work: Callable[[], Awaitable[object]]) -> tuple[str, float, int]:
    """How it ends, after how long, and how many cancellations its task has left."""
    now, task = asyncio.get_running_loop().time, asyncio.current_task()
    assert task
    begun = now()
    try:
        end = str(await work())
    except (TimeoutError, asyncio.CancelledError, ValueError) as error:
        end = type(error).__name__
    return end, round(now() - begun, 6), task.cancelling()


async def late(limit: Limit) -> object:
    async with limit(2.0):
        await asyncio.sleep(3.0)
    return None


async def early(limit: Limit) -> object:
    async with limit(2.0):
        await asyncio.sleep(1.5)
    await asyncio.sleep(5.0)
    return "done"


async def past(limit: Limit) -> object:
    async with limit(-1.0):
        await asyncio.sleep(3.0)
    return None


async def past_without_waiting(limit: Limit) -> object:
    async with limit(-1.0):
        pass
    await asyncio.sleep(1.0)
    return "done"


async def both(limit: Limit) -> object:
    async with limit(2.0), limit(2.0):
        await asyncio.sleep(3.0)
    return None


async def outer_first(limit: Limit) -> object:
    async with limit(1.0), limit(2.0):
        await asyncio.sleep(3.0)
    return None


async def inner_first(limit: Limit) -> object:
    async with limit(2.0):
        try:
            async with limit(1.0):
                await asyncio.sleep(3.0)
        except TimeoutError:
            await asyncio.sleep(0.5)
            return "inner"
    return None


async def another_error(limit: Limit) -> object:
    async with limit(1.0):
        try:
            await asyncio.sleep(3.0)
        except asyncio.CancelledError:
            raise ValueError from None
    return None


def cancelled_at(seconds: float) -> Callable[[Limit], Awaitable[object]]:
    async def work(limit: Limit) -> object:
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().call_later(seconds, task.cancel)
        return await late(limit)

    return work


SCENES: list[Callable[[Limit], Awaitable[object]]] = [
    late,
    early,
    past,
    past_without_waiting,
    both,
    outer_first,
    inner_first,
    another_error,
]
SCENES += [cancelled_at(seconds) for seconds in (0.0, 1.0, 2.0)]


@pytest.mark.parametrize("limit", [fresh, moved(0.5), moved(1000.0)])
@pytest.mark.parametrize("scene", SCENES, ids=range(len(SCENES)))
def test_it_ends_a_wait_as_a_timeout_does(scene: Callable[[Limit], Awaitable[object]], limit: Limit) -> None:
    @asynccontextmanager
    async def timeout(seconds: float):
        for _ in range(limit is not fresh):
            await asyncio.sleep(0)
        async with asyncio.timeout(seconds):
            yield

    expected = run(how(lambda: scene(timeout)))
    assert run(how(lambda: scene(limit))) == expected


def test_it_limits_each_wait_of_a_stream_and_not_the_time_between_them() -> None:
    async def work() -> str:
        deadline = Deadline(2.0)
        for _ in range(3):
            with deadline:
                await asyncio.sleep(1.5)
            await asyncio.sleep(10.0)
            deadline.move(2.0)
        return await ended(deadline)

    assert run(work()) == "2.0"


def test_whichever_task_waits_is_the_one_that_ends() -> None:
    async def work() -> list[str]:
        deadline = Deadline(2.0)
        async with asyncio.TaskGroup() as group:
            return [await group.create_task(ended(deadline)) for _ in range(2)]

    assert run(work()) == ["2.0", "0.0"]


async def ended(deadline: AbstractContextManager[None]) -> str:
    """After how many seconds a wait ends."""
    now = asyncio.get_running_loop().time
    begun = now()
    with pytest.raises(TimeoutError), deadline:
        await asyncio.sleep(60.0)
    return f"{now() - begun:.1f}"


def test_a_wait_keeps_its_timer() -> None:
    async def work() -> int:
        loop, deadline = asyncio.get_running_loop(), Deadline(2.0)
        timers = list[float]()
        call_at = loop.call_at

        def counted(when: float, *args: Any, **more: Any) -> asyncio.TimerHandle:
            timers.append(when)
            return call_at(when, *args, **more)

        loop.call_at = counted  # type: ignore[method-assign, assignment]
        for _ in range(100):
            with deadline:
                await asyncio.sleep(0)
            deadline.move(2.0)
        return len(timers)

    assert run(work()) == 1
