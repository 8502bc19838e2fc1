"""Transfers to people. If nobody takes the call, the caller is told so, and the conversation goes on."""

import asyncio
from collections.abc import Callable

from agent.floor import Floor
from agent.records import Outcome
from agent.reply import Agent
from agent.turn_taking.table import State

RINGS = '{"status": "it rings there; the caller waits, and you may go on talking with them"}'
NOBODY = '{"error": "nobody took the call; the caller was told so, and the call goes on"}'


class Connecting:
    """The transfers of one conversation."""

    def __init__(
        self, floor: Floor, agent: Agent, not_connected: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        """`not_connected` tells the caller that nobody took the call; `ended` is called if the call ended meanwhile."""
        self._floor = floor
        self._agent = agent
        self._not_connected = not_connected
        self._ended = ended

    async def connect(self, outcome: Outcome, call: str) -> None:
        """Transfer the caller, which ends the conversation with `outcome`; if that fails, say so and go on.

        `call` is the id of the tool call that decided it, empty if none did.
        """
        agent, floor = self._agent, self._floor
        ending = agent.call_ending
        to, ending.to = ending.to, ""
        agent.tell_of(call, RINGS, failed=False)
        connected = await ending.ring(to)
        floor.turns.transfer(asyncio.get_running_loop().time(), rings=False)
        if connected:
            floor.end(outcome)
            return
        agent.tell_of(call, NOBODY, failed=True)
        if floor.turns.state not in (State.CLOSING, State.ENDED):
            self._not_connected()
        elif floor.turns.state is State.ENDED:
            self._ended()
