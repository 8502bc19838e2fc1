"""Ends calls that cost too much, and notes the cost of all running calls. A timer checks the cost, so calls in which no
agent speaks are covered, too."""

import asyncio
from collections.abc import Coroutine
from math import inf
from typing import Any, Protocol

import structlog

from agent.call_control import CallControlRefused
from agent.records import Outcome
from sipgw.calls.context import CallContext
from sipgw.events import Disposition

log = structlog.get_logger()

LOOK = 2.0
"""Seconds between two checks of the cost of a call."""
NOTED = 10.0
"""Seconds from one note of the cost in the record to the next."""
GOODBYE = 30.0
"""Seconds that the agent has for its goodbye; then the call is hung up."""


class BudgetedCall(Protocol):
    """A call with a limited cost: a `sipgw.calls.session.CallSession`."""

    context: CallContext

    def too_dear(self) -> str:
        """Why the call must not go on; empty if it may."""

    def all_hear(self) -> None:
        """Let the caller hear the agent again."""

    @property
    def instead(self) -> str:
        """The person who speaks with the caller in the agent's place; empty if nobody does."""


async def within_budget(call: BudgetedCall, work: Coroutine[Any, Any, Disposition]) -> Disposition:
    """Run the call `work` within its budget. Beyond the budget the agent says goodbye, and the call ends.

    A call in which a person speaks in the agent's place is hung up.
    """
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(work)
        watching = group.create_task(_watch(call, holding))
        holding.add_done_callback(lambda _: watching.cancel())
    if holding.cancelled() and call.context.stopped is not None:
        return call.context.stopped
    return holding.result()


async def _watch(call: BudgetedCall, holding: asyncio.Task[Disposition]) -> None:
    now, noted = asyncio.get_running_loop().time, -inf
    while not (cause := call.too_dear() if call.context.info.answered else ""):
        if call.context.info.answered and now() - noted >= NOTED:
            call.context.note_cost()
            noted = now()
        await asyncio.sleep(LOOK)  # no event reports a cost
    log.info("the call costs too much", cause=cause)
    if not call.instead and _dismissed(call, Outcome("over_budget", cause)):
        await asyncio.sleep(GOODBYE)
    call.context.stop(Disposition("over_budget", cause))
    holding.cancel()  # a cancelled call hangs up


def _dismissed(call: BudgetedCall, outcome: Outcome) -> bool:
    """Have the agent say goodbye because of `outcome`; returns False if it cannot."""
    if call.context.conversation is None:
        return False
    call.all_hear()
    try:
        call.context.conversation.dismiss(outcome)
    except CallControlRefused:  # the conversation has ended, and the transfer target is being called
        return False
    return True
