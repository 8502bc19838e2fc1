"""The events of a line reach the one who listens: sound at once, the rest soon, all of it in order."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from agent.line import Audio, Digit, Gone, LineEvent
from sipgw.bounds import FULL
from sipgw.calls import line_events
from sipgw.calls.line_events import LineEvents
from tests.waiting import within

CALL: ContextVar[str] = ContextVar("call", default="")


def sound(number: int) -> Audio:
    return Audio(bytes([number]) * 160, number * 0.02)


def held(scenario: Callable[[LineEvents, asyncio.TaskGroup], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            await scenario(LineEvents(), group)

    asyncio.run(run())


def test_sound_is_taken_before_give_returns_in_the_context_of_the_listener() -> None:
    async def scenario(events: LineEvents, group: asyncio.TaskGroup) -> None:
        taken: list[tuple[LineEvent, str]] = []

        async def listen() -> None:
            CALL.set("the call")
            await events.listen(lambda event: taken.append((event, CALL.get())))

        listening = group.create_task(listen())
        await asyncio.sleep(0)
        events.give(sound(1))
        assert taken == [(sound(1), "the call")]
        assert CALL.get() == ""
        listening.cancel()

    held(scenario)


def test_other_events_are_taken_after_put_returns_and_sound_waits_for_them() -> None:
    async def scenario(events: LineEvents, group: asyncio.TaskGroup) -> None:
        taken: list[LineEvent] = []
        listening = group.create_task(events.listen(taken.append))
        await asyncio.sleep(0)
        events.put(Digit("1", 0.0))
        events.give(sound(1))
        events.put(Gone("hung up"))
        assert not taken
        await listening
        assert taken == [Digit("1", 0.0), sound(1), Gone("hung up")]

    held(scenario)


def test_what_comes_while_an_event_is_taken_is_taken_after_it() -> None:
    async def scenario(events: LineEvents, group: asyncio.TaskGroup) -> None:
        order: list[str] = []

        def take(event: LineEvent) -> None:
            if event == sound(1):
                events.give(sound(2))
                events.put(Gone("hung up"))
            order.append(type(event).__name__ + str(len(order)))

        listening = group.create_task(events.listen(take))
        await asyncio.sleep(0)
        events.give(sound(1))
        await listening
        assert order == ["Audio0", "Audio1", "Gone2"]

    held(scenario)


def test_what_comes_while_nobody_listens_waits_for_the_next_listener() -> None:
    async def scenario(events: LineEvents, group: asyncio.TaskGroup) -> None:
        first: list[LineEvent] = []
        second: list[LineEvent] = []
        events.give(sound(1))
        listening = group.create_task(events.listen(first.append))
        await asyncio.sleep(0)
        events.give(sound(2))
        listening.cancel()
        events.give(sound(3))  # the task that listened has not ended yet
        await asyncio.wait([listening])
        events.put(Gone("hung up"))
        await events.listen(second.append)
        assert first == [sound(1), sound(2)]
        assert second == [sound(3), Gone("hung up")]

    held(scenario)


@pytest.mark.parametrize("event", [sound(1), Digit("1", 0.0)])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ValueError(), ValueError),
        (asyncio.CancelledError(), asyncio.CancelledError),  # of the result of a task that somebody has cancelled
        (StopIteration(), RuntimeError),  # PEP 479
    ],
    ids=["ValueError", "CancelledError", "StopIteration"],
)
def test_an_error_ends_the_listening_and_not_the_media(
    event: LineEvent, error: BaseException, raised: type[BaseException]
) -> None:
    async def scenario(events: LineEvents, group: asyncio.TaskGroup) -> None:
        def take(_: LineEvent) -> None:
            raise error

        async def listen() -> None:
            with pytest.raises(raised):
                await events.listen(take)

        listening = group.create_task(listen())
        await asyncio.sleep(0)
        if isinstance(event, Audio):
            events.give(event)
        else:
            events.put(event)
        await within(listening)
        events.give(sound(2))
        events.put(Gone("hung up"))
        later: list[LineEvent] = []
        await events.listen(later.append)
        assert later == [sound(2), Gone("hung up")]

    held(scenario)


def test_only_so_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_events, "EVENTS_KEPT", 3)
    before = FULL["sound and keys of a call"]
    events = LineEvents()
    for number in range(5):
        events.give(sound(number))
    assert list(events._waiting) == [sound(0), sound(1), sound(2)]
    assert FULL["sound and keys of a call"] - before == 2
    events.put(Gone("hung up"))
    assert events._waiting[-1] == Gone("hung up")
