# mypy: disable-error-code="attr-defined"
"""What open browsers are told: differences, at most once a second, and never more than they can take."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from agent.turn_taking.table import State
from sipgw.calls.session import CallSession
from sipgw.web.feed import ALIVE, ALIVE_EVERY, AT_MOST, WAITING, Feed
from tests.virtual import run
from tests.web.gateway_view import live_call


def parsed(message: bytes) -> tuple[str, Any]:
    name, data = message.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def told(stream: AsyncIterator[bytes]) -> tuple[str, Any]:
    return parsed(await anext(stream))


def test_a_browser_gets_the_board_and_then_only_what_differs() -> None:
    async def look() -> None:
        calls: dict[str, CallSession] = {"call-1": live_call()}
        feed = Feed(lambda: calls)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(feed.run())
            stream = feed.read("")
            name, whole = await told(stream)
            assert name == "board"
            assert whole["rows"]["call-1"]["caller"] == "+15550100"
            calls["call-1"].context.conversation.state = State.LISTENING  # type: ignore[union-attr,misc]
            before = asyncio.get_running_loop().time()
            assert await told(stream) == ("change", {"rows": {"call-1": {"turn": "listening"}}, "gone": []})
            assert asyncio.get_running_loop().time() - before == 1.0
            calls.clear()
            assert await told(stream) == ("change", {"rows": {}, "gone": ["call-1"]})
            running.cancel()
            await stream.aclose()

    run(look())


def test_a_slow_browser_loses_changes_and_gets_the_whole_board_again() -> None:
    async def look() -> None:
        calls: dict[str, CallSession] = {}
        feed = Feed(lambda: calls)
        stream = feed.read("")
        await anext(stream)
        for number in range(WAITING + 1):
            calls[f"call-{number}"] = live_call(number)
            feed.tick()
        name, whole = await told(stream)
        assert name == "board"
        assert len(whole["rows"]) == WAITING + 1
        assert feed.dropped == WAITING
        await stream.aclose()

    run(look())


def test_closing_ends_every_stream() -> None:
    async def look() -> None:
        feed = Feed(dict)
        stream = feed.read("")
        await anext(stream)
        feed.close()
        assert [parsed(message) async for message in stream] == [("closed", {})]

    run(look())


def test_a_stream_ends_after_a_while_so_that_who_signed_out_sees_no_more() -> None:
    async def look() -> None:
        feed = Feed(dict)
        messages = [message async for message in feed.read("")]
        assert messages[1:] == [ALIVE] * round(AT_MOST / ALIVE_EVERY)

    run(look())
