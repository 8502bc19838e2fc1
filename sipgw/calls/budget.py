"""Ends calls that cost too much: looks at the cost by time, so that a call in which no agent speaks counts as well."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from agent.records import Outcome
from agent.steering import CannotSteer
from sipgw.calls.context import CallContext
from sipgw.events import Disposition

log = structlog.get_logger()

LOOK = 2.0
"""Seconds between two looks at what a call has cost."""
GOODBYE = 30.0
"""Seconds that the agent has for its goodbye; then the call is hung up."""


async def within_budget(
    context: CallContext,
    why: Callable[[], str],
    goodbye: Callable[[], str],
    instead: Callable[[], str],
    work: Coroutine[Any, Any, Disposition],
) -> Disposition:
    """Hold a call by `work`, as long as `why` is empty: then the agent says `goodbye`, and the call ends.

    A call in which somebody else speaks `instead` of the agent is hung up.
    """
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(work)
        watching = group.create_task(_watch(context, why, goodbye, instead, holding))
        holding.add_done_callback(lambda _: watching.cancel())
    if holding.cancelled() and context.stopped is not None:
        return context.stopped
    return holding.result()


async def _watch(
    context: CallContext,
    why: Callable[[], str],
    goodbye: Callable[[], str],
    instead: Callable[[], str],
    holding: asyncio.Task[Disposition],
) -> None:
    while not (cause := why() if context.info.answered else ""):  # noqa: ASYNC110  nothing tells that money was spent
        await asyncio.sleep(LOOK)
    log.info("the call has become too dear", cause=cause)
    if not instead() and _dismissed(context, goodbye(), Outcome("over_budget", cause)):
        await asyncio.sleep(GOODBYE)
    context.stop(Disposition("over_budget", cause))
    holding.cancel()  # a cancelled call hangs up


def _dismissed(context: CallContext, text: str, outcome: Outcome) -> bool:
    """Whether the agent says goodbye now."""
    if context.conversation is None:
        return False
    try:
        context.conversation.steering.dismiss(text, outcome)
    except CannotSteer:  # it has ended, and the person whom the caller is transferred to is being called
        return False
    return True
