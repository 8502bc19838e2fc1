"""The live transcript of one call for a page: server-sent events from its watchers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
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
from sipgw.events import CallAnswered, CallEnded, CallReported, Event, Watchers
from sipgw.web.feed import ALIVE, ALIVE_EVERY, event

WAITING = 200
"""Events that wait for a slow browser; beyond that new ones are dropped, but never the last."""


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


async def words(watchers: Watchers[Event], call: str) -> AsyncIterator[bytes]:
    """Yield the events of `call` until it has ended."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def watch(happened: Event) -> None:
        if happened.call != call:
            return
        match happened:
            case CallReported(_, _, report):
                if queue.qsize() < WAITING and (message := told(report)):
                    queue.put_nowait(message)
            case CallAnswered():
                queue.put_nowait({"kind": "answered"})
            case CallEnded(_, _, ending):
                queue.put_nowait({"kind": "ended", "text": ending.cause, "ending": ending.kind})

    forget = watchers.add(watch)
    try:
        yield ALIVE
        kind = ""
        while kind != "ended":
            data = ALIVE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_EVERY):
                    message = await queue.get()
                kind = message["kind"]
                data = event("word", message)
            yield data
    finally:
        forget()
