"""The calls that are going on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from agent.dialogue import Dialogue
from agent.steering import CannotSteer, Steering
from sipgw.billing.cost import Bill, Cost
from sipgw.calls.audience import Audience
from sipgw.calls.transfers import Summon
from sipgw.events import Disposition, Sound
from sipgw.records.recordings import Tape
from sipgw.sip.identity import Identity
from sipgw.trunks.trunks import TrunkOptions

GIVEN_BACK = "A colleague has just spoken with the caller in your place and has given the call back to you."
MOST_REPLACED = 20
"""Who took the caller's place: as many are kept, the last in any case."""
Row = dict[str, Any]
STOPPED = Disposition("gateway_stopped", "the gateway was stopped")


class Held(Protocol):
    """A call while it is held, on a line of whatever kind."""

    stats: dict[str, Any]
    """Counts and quality of the sound, in the end."""

    @property
    def mos(self) -> float:
        """How well the caller was heard in the last seconds, from 1 to 4.5; 0 if that is not known."""
        ...

    @property
    def audience(self) -> Audience:
        """Who listens live."""
        ...

    @property
    def instead(self) -> str:
        """Who speaks with the caller in the agent's place; empty if nobody does."""
        ...

    async def take_over(self, who: str, summon: Summon | None = None) -> bool:
        """See `sipgw.calls.transfers.Transfers.take_over`."""
        ...

    def give_back(self) -> None:
        """Let the agent speak again, in the place of the operator. Raises `CannotSteer` if there is none."""

    @property
    def sound(self) -> Sound | None:
        """Where our sound is, while there is a conversation."""

    async def run(self) -> Disposition:
        """Hold it to its end; never raises but on cancellation."""


@dataclass
class LiveCall:
    """A call that is going on, from its INVITE on; one that we make from our wish on."""

    id: str
    """Of no other call of this gateway: see `sipgw.calls.registry.CallRegistry.identity`."""
    trunk: TrunkOptions
    identity: Identity
    direction: Literal["in", "out"] = "in"
    agent: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further values for the agent's ``{{name}}``, checked by `sipgw.agents.agents.checked`."""
    call: Held | None = None
    """None while it rings at a call that we make."""
    conversation: Dialogue | None = None
    answered: datetime | None = None
    bill: Bill | None = None
    stopped: Disposition | None = None
    """How it ends if somebody here ends it."""
    tape: Tape | None = None
    """The recording."""
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """Who took the caller's place, one after the other."""
    call_id: str = ""
    """The Call-ID that it came in with."""

    def spoken_by(self, identity: Identity) -> None:
        """Somebody else is in the caller's place: record, call backs and do-not-call list take them for the caller."""
        self.identity = replace(identity, dialled=self.identity.dialled)
        self.replaced_by = [*self.replaced_by[: MOST_REPLACED - 1], identity.as_dict()]

    @property
    def caller(self) -> str:
        """Number of who calls; ``withheld`` if they do not tell."""
        return self.identity.number or "withheld"

    @property
    def cost(self) -> Cost | None:
        """What it has cost until now."""
        return self.bill.cost(datetime.now().astimezone()) if self.bill else None

    @property
    def other(self) -> str:
        """Number of the person at the other end, whoever called."""
        return self.identity.dialled if self.direction == "out" else self.identity.number

    @property
    def state(self) -> str:
        """``ringing`` or ``talking``."""
        return "talking" if self.answered else "ringing"

    @property
    def turn(self) -> str:
        """Who has the floor, in words; empty before the conversation begins."""
        if self.call and self.call.instead:
            return f"with {self.call.instead}"
        return self.conversation.steering.state.value if self.conversation and self.answered else ""

    @property
    def mos(self) -> float:
        """How well the caller was heard in the last seconds, from 1 to 4.5; 0 if that is not known."""
        return self.call.mos if self.call else 0.0

    def listen(self) -> AbstractContextManager[AsyncIterator[bytes]]:
        """What is said from now on, see `Audience.listen`. Raises `CannotSteer` before the call is answered, `Full`."""
        if self.call is None or self.answered is None:
            raise CannotSteer("the call is not answered yet")
        return self.call.audience.listen()

    async def take_over(self, who: str, summon: Summon | None = None) -> bool:
        """Call `who`, one of ``[[people]]`` or ``[[accounts]]``: when they answer, they take the agent's place.

        The agent talks on until then, hears nothing while they have the call, and goes on if they `give_back`. Returns
        whether they answered. `summon` is how they come if they are not called. Raises `CannotSteer`.
        """
        if self.call is None or self.answered is None:
            raise CannotSteer("the call is not answered yet")
        return await self.call.take_over(who, summon)

    def give_back(self, note: str = GIVEN_BACK) -> None:
        """Let the agent speak again, who is told `note`; the operator is hung up. Raises `CannotSteer`."""
        if self.call is None:
            raise CannotSteer("the call is not answered yet")
        self.call.give_back()
        with suppress(CannotSteer):
            self.steering.instruct(note)

    @property
    def steering(self) -> Steering:
        """What may be done to its conversation. Raises `agent.steering.CannotSteer` before the call is answered."""
        if self.conversation is None or self.answered is None:
            raise CannotSteer("the call is not answered yet")
        return self.conversation.steering


@dataclass(frozen=True)
class CallHandle:
    """A call that we make."""

    live: LiveCall
    _task: asyncio.Task[Disposition]

    @property
    def id(self) -> str:
        """The identity of the call."""
        return self.live.id

    async def ended(self) -> Disposition:
        """How it ended, once it has."""
        await asyncio.wait({self._task})
        return self.live.stopped or STOPPED if self._task.cancelled() else self._task.result()

    def stop(self, cause: str = "it was cancelled here") -> None:
        """End it, whether it rings or somebody speaks."""
        self.live.stopped = self.live.stopped or Disposition("cancelled", cause)
        self._task.cancel()


def row(live: LiveCall) -> Row:
    """A call as the board shows it."""
    cost = live.cost
    return {
        "state": live.state,
        "direction": live.direction,
        "caller": live.caller,
        "called": live.identity.dialled,
        "agent": live.agent,
        "trunk": live.trunk.name,
        "turn": live.turn,
        "instead": live.call.instead if live.call else "",
        "mos": round(live.mos, 1) or None,
        "cost": round(cost.total, 4) if cost else None,
        "estimated": bool(cost and cost.estimated),
        "began": live.began.isoformat(timespec="seconds"),
    }
