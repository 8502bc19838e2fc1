"""The events of a line wait for the conversation."""

import asyncio

from agent.line import Digit, Gone
from sipgw.calls.line_events import LineEvents


def test_events_come_in_their_order_whether_they_are_waited_for_or_not() -> None:
    async def scenario() -> None:
        events, given = LineEvents(), [Digit(key, 0.0) for key in "123"]
        events.put_nowait(given[0])
        events.put_nowait(given[1])
        assert events.qsize() == 2
        assert [await events.get(), await events.get()] == given[:2]
        assert events.empty()
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(events.get())
            await asyncio.sleep(0)
            events.put_nowait(given[2])
        assert waits.result() == given[2]

    asyncio.run(scenario())


def test_an_event_is_not_lost_when_its_reader_is_cancelled_in_the_same_moment() -> None:
    async def scenario() -> None:
        events = LineEvents()
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(events.get())
            await asyncio.sleep(0)
            events.put_nowait(Gone("hung up"))
            waits.cancel()
        assert waits.cancelled()
        assert await events.get() == Gone("hung up")

    asyncio.run(scenario())
