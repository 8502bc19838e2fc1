"""Ends calls that have become too dear: by time, so that also a call costs its share in which no agent speaks."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from agent.records import Outcome
from agent.steering import CannotSteer
from sipgw.calls.live import LiveCall
from sipgw.events import Disposition

log = structlog.get_logger()

LOOK = 2.0
"""Seconds between two looks at what a call has cost."""
GOODBYE = 30.0
"""Seconds that the agent has for its goodbye; then the call is hung up."""


async def within_budget(
    live: LiveCall, why: Callable[[], str], goodbye: Callable[[], str], work: Coroutine[Any, Any, Disposition]
) -> Disposition:
    """Hold a call by `work`, as long as `why` is empty: then the agent says `goodbye`, and the call ends.

    A call in which somebody else speaks in the agent's place is hung up.
    """
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(work)
        watching = group.create_task(_watch(live, why, goodbye, holding))
        holding.add_done_callback(lambda _: watching.cancel())
    if holding.cancelled() and live.stopped is not None:
        return live.stopped
    return holding.result()


async def _watch(
    live: LiveCall, why: Callable[[], str], goodbye: Callable[[], str], holding: asyncio.Task[Disposition]
) -> None:
    while not (cause := why() if live.answered else ""):  # noqa: ASYNC110  nothing tells that money was spent
        await asyncio.sleep(LOOK)
    log.info("the call has become too dear", cause=cause)
    if _dismissed(live, goodbye(), Outcome("over_budget", cause)):
        await asyncio.sleep(GOODBYE)
    live.stopped = live.stopped or Disposition("over_budget", cause)
    holding.cancel()  # a cancelled call hangs up


def _dismissed(live: LiveCall, text: str, outcome: Outcome) -> bool:
    """Whether the agent says goodbye now."""
    if live.conversation is None or (live.call is not None and live.call.instead):
        return False
    try:
        live.conversation.steering.dismiss(text, outcome)
    except CannotSteer:  # it has ended, and whoever the caller was handed over to is being called
        return False
    return True
