"""Sessions of speech to speech that nobody gets are closed all the same: a service may bill them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.errors import ProviderError
from agent.llm import ToolCall
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import FailoverOptions
from agent.providers.failover_realtime import REOPENED, WITHIN, FailoverRealtime, RealtimeProviders
from agent.providers.failover_stt import FailoverStt
from agent.realtime import Reopened
from tests.fakes.session import FakeSession
from tests.virtual import run
from tests.waiting import HANG


class Slow(FakeSession):
    """It opens when it is told to, and then fails if it has an error."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.asked, self.released = asyncio.Event(), asyncio.Event()
        self._error = error

    async def open(self) -> None:
        self.asked.set()
        await self.released.wait()
        if self._error:
            raise self._error
        await super().open()


def of(*sessions: FakeSession) -> FailoverRealtime:
    makers: list[Callable[..., Any]] = [lambda _, one=one: one for one in sessions]
    return FailoverRealtime(lambda _: RealtimeProviders(makers, FailoverOptions()), "main", lambda _: None)


@pytest.mark.parametrize("late", [False, True])
def test_one_that_cannot_be_had_is_closed(late: bool) -> None:
    async def scenario() -> None:
        first, second = Slow(ProviderError("first", "refused")), FakeSession()
        if not late:
            first.released.set()
        realtime = of(first, second)
        await realtime.open()
        assert (first.closed, second.closed) == (1, 0)
        await realtime.close()
        assert (first.closed, second.closed) == (1, 1)

    run(scenario())


def test_one_that_opens_when_the_call_is_over_is_closed() -> None:
    async def scenario() -> None:
        first, second = FakeSession(), Slow()
        realtime = of(first, second)
        await realtime.open()
        first.came.put_nowait(ProviderError("first", "lost"))
        async with asyncio.TaskGroup() as group:

            async def read() -> list[Any]:
                return [event async for event in realtime.events()]

            reading = group.create_task(read())
            await second.asked.wait()
            await realtime.close()
            second.released.set()
        assert reading.result() == []
        assert (first.closed, second.closed) == (1, 1)

    run(scenario())


def test_one_is_closed_whose_caller_hangs_up_while_it_opens() -> None:
    async def scenario() -> None:
        for make in (of, lambda one: FailoverStt([lambda: one], CircuitBreaker(1), FailoverOptions())):
            one = Slow()
            failover = make(one)
            opening = asyncio.get_running_loop().create_task(failover.open())
            await one.asked.wait()
            opening.cancel()
            await asyncio.wait((opening,))
            await failover.close()
            assert opening.cancelled() and one.closed == 1

    run(scenario())


def test_one_that_is_given_up_because_of_an_event_is_replaced() -> None:
    """As one that calls tools without end: see `agent.realtime_reply`."""

    async def scenario() -> None:
        first, second = FakeSession(), FakeSession()
        realtime = of(first, second)
        await realtime.open()
        first.came.put_nowait(ToolCall("one", "tool", "{}"))
        for one in (ToolCall("two", "tool", "{}"), ProviderError("second", "lost", temporary=False)):
            second.came.put_nowait(one)
        told: list[Any] = []
        async with asyncio.timeout(HANG):
            async for event in realtime.events():
                told.append(event)
                match event:
                    case ToolCall("one"):
                        realtime.give_up("it calls tools without end")
                    case ToolCall("two"):
                        await realtime.close()
        assert told == [ToolCall("one", "tool", "{}"), Reopened(), ToolCall("two", "tool", "{}")]
        assert (first.closed, second.closed) == (1, 1)

    run(scenario())


def test_one_that_takes_long_to_close_is_no_error_of_the_program() -> None:
    class Clinging(FakeSession):
        async def close(self) -> None:
            await asyncio.sleep(3600)

    async def scenario() -> None:
        first, second = Clinging(), FakeSession()
        realtime = of(first, second)
        await realtime.open()
        for session in (first, second):
            session.came.put_nowait(ProviderError("x", "lost"))
        async for event in realtime.events():
            assert event == Reopened()
            await realtime.close()

    with capture_logs() as logged:
        run(scenario())
    assert {one["event"] for one in logged} == {"realtime_failed"}


@pytest.mark.parametrize(("lasts", "reopened"), [(WITHIN / 3 - 1, REOPENED), (WITHIN / 3 + 1, 10)])
def test_only_losses_that_follow_each_other_closely_end_the_call(lasts: float, reopened: int) -> None:
    """A fourth loss ended the call also after hours, although services end their sessions by themselves."""

    class Lasting(FakeSession):
        async def open(self) -> None:
            asyncio.get_running_loop().call_later(lasts, self.came.put_nowait, ProviderError("x", "lost"))

    async def scenario() -> None:
        realtime = FailoverRealtime(
            lambda _: RealtimeProviders([lambda _: Lasting()], FailoverOptions()), "main", lambda _: None
        )
        await realtime.open()
        told: list[Any] = []
        with suppress(ProviderError):
            async for event in realtime.events():
                told.append(event)
                if len(told) == 10:
                    await realtime.close()
        assert told == [Reopened()] * reopened
        await realtime.close()

    run(scenario())
