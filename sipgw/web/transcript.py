"""The live transcript of one call for a page: server-sent events from its watchers."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from agent.records import (
    AgentSays,
    CallerSaid,
    HandedOver,
    Interrupted,
    LanguageChanged,
    ProviderFailed,
    Report,
    ToolStarted,
    TurnEnded,
)
from sipgw.bounds import FULL, Places
from sipgw.events import CallAnswered, CallEnded, CallReported, Event, Watchers
from sipgw.web.feed import ALIVE, ALIVE_EVERY, AT_MOST, event

WAITING = 200
"""Events that may wait for a slow browser; with any more new events are dropped, but never the last event."""
PAGES = 100
"""Pages of calls that follow a transcript at the same time."""


def told(report: Report) -> dict[str, Any] | None:
    """A report as the page shows it; None if the page does not show it."""
    match report:
        case CallerSaid(text, final):
            return {"kind": "caller", "text": text, "final": final}
        case AgentSays(text):
            return {"kind": "agent", "text": text}
        case ToolStarted(name, _):
            return {"kind": "tool", "text": name}
        case Interrupted(heard):
            return {"kind": "interrupted", "text": heard}
        case TurnEnded(turn):
            return {"kind": "turn", "latency_ms": turn.times.parts_ms().get("total")}
        case HandedOver(agent, before, _):
            return {"kind": "agent_changed", "text": f"{before} → {agent}"}
        case LanguageChanged(language, _):
            return {"kind": "language", "text": language}
        case ProviderFailed(part, cause):
            return {"kind": "failed", "text": f"{part}: {cause}"}
    return None


class Transcripts:
    """The transcripts that pages of calls follow."""

    def __init__(self, watchers: Watchers[Event]) -> None:
        self._watchers = watchers
        self._places = Places("browsers that look on", PAGES)

    async def follow(
        self, call: str, going: Callable[[], bool], keeps: Callable[[], bool], tenant: str
    ) -> AsyncGenerator[bytes, None]:
        """The events of `call`, see `words`, for a reader of `tenant`. Raises `NoPlace`."""
        with self._places.held(tenant):
            async with contextlib.aclosing(words(self._watchers, call, going, keeps)) as events:
                async for one in events:
                    yield one


async def words(
    watchers: Watchers[Event],
    call: str,
    going: Callable[[], bool],
    keeps: Callable[[], bool] = lambda: True,
    shown: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda message: message,
    at_most: float = AT_MOST,
) -> AsyncGenerator[bytes, None]:
    """Yield the events of `call` until it has ended. While `keeps` returns False, words are private and left out.

    After `at_most` seconds the browser has to ask again, and is authenticated again. `going` returns whether the call
    still goes on, because it may end before the watching begins. `shown` returns the message for this page, or None.
    """
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def watch(happened: Event) -> None:
        if happened.call != call:
            return
        match happened:
            case CallReported(_, _, report):
                if keeps() and (message := told(report)):
                    if queue.qsize() < WAITING:
                        queue.put_nowait(message)
                    else:
                        FULL["words for a browser"] += 1
            case CallAnswered():
                queue.put_nowait({"kind": "answered"})
            case CallEnded(_, _, ending):
                queue.put_nowait({"kind": "ended", "text": ending.cause, "ending": ending.kind})

    forget = watchers.add(watch)
    try:
        yield ALIVE
        now = asyncio.get_running_loop().time
        ends = now() + at_most
        if not going():
            queue.put_nowait({"kind": "ended", "text": "it is over"})
        kind = ""
        while kind != "ended" and now() < ends:
            data = ALIVE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_EVERY):
                    message = await queue.get()
                kind = message["kind"]
                given = shown(message)
                data = event("word", given) if given else ALIVE
            yield data
    finally:
        forget()
