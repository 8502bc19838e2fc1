"""What is known of one call, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.identity import Identity

MOST_REPLACED = 20
"""So many people who took the caller's place are kept; the last one in any case."""


class SessionState(Enum):
    """How far a call has come."""

    NEW = "new"
    """Nothing was told of it yet."""
    BEGUN = "begun"
    """`CallBegan` was told; ports and providers are being opened, or the INVITE is on its way."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """The agent and the other side speak."""
    TRANSFERRED = "transferred"
    """The other side speaks with a person through us."""
    ENDING = "ending"
    """The conversation is over; the other side may still have to hang up."""
    ENDED = "ended"


class SessionEvent(Enum):
    """What changes the state of a call."""

    BEGIN = "begin"
    RING = "ring"
    ANSWER = "answer"
    JOIN = "join"
    """The other side was joined with a person."""
    PART = "part"
    """The person gave the call back to the agent."""
    FINISH = "finish"
    """The conversation, and the talk with a person if there was one, are over."""
    END = "end"


_S, _E = SessionState, SessionEvent
TRANSITIONS: dict[tuple[SessionState, SessionEvent], SessionState] = {
    (_S.NEW, _E.BEGIN): _S.BEGUN,
    (_S.NEW, _E.END): _S.ENDED,
    (_S.BEGUN, _E.RING): _S.RINGING,
    (_S.BEGUN, _E.ANSWER): _S.ANSWERED,
    (_S.BEGUN, _E.END): _S.ENDED,
    (_S.RINGING, _E.ANSWER): _S.ANSWERED,
    (_S.RINGING, _E.END): _S.ENDED,
    (_S.ANSWERED, _E.JOIN): _S.TRANSFERRED,
    (_S.ANSWERED, _E.FINISH): _S.ENDING,
    (_S.ANSWERED, _E.END): _S.ENDED,
    (_S.TRANSFERRED, _E.PART): _S.ANSWERED,
    (_S.TRANSFERRED, _E.FINISH): _S.ENDING,
    (_S.TRANSFERRED, _E.END): _S.ENDED,
    (_S.ENDING, _E.END): _S.ENDED,
}
"""A cell that is missing is a fault of our own: `following` raises."""
UP = (SessionState.ANSWERED, SessionState.TRANSFERRED)
"""Somebody speaks with the other side."""


def following(state: SessionState, event: SessionEvent) -> SessionState:
    """The state after `event`. Raises `RuntimeError` where the event cannot happen."""
    found = TRANSITIONS.get((state, event))
    if found is None:
        raise RuntimeError(f"a call that is {state.value} cannot {event.value}")
    return found


@dataclass
class CallInfo:
    """What is known of a call."""

    id: str
    """No other call of this gateway has it: see `sipgw.calls.registry.CallRegistry.identity`."""
    trunk: TrunkOptions
    identity: Identity
    """The caller and the number that was dialled."""
    direction: Literal["in", "out"] = "in"
    agent: str = ""
    """The name of the agent that speaks; another one after a hand-off."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further values for the agent's ``{{name}}``, checked by `sipgw.agents.agents.checked`."""
    call_id: str = ""
    """The Call-ID that the call came in with; empty for other calls."""
    answered: datetime | None = None
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """The people who took the caller's place, in their order: see `Identity.as_dict`."""

    def spoken_by(self, identity: Identity) -> None:
        """Somebody else has taken the caller's place: record, callbacks and do-not-call list treat them as caller."""
        self.identity = replace(identity, dialled=self.identity.dialled)
        self.replaced_by = [*self.replaced_by[: MOST_REPLACED - 1], identity.as_dict()]

    @property
    def caller(self) -> str:
        """The caller's number; ``withheld`` if it is not told."""
        return self.identity.number or "withheld"

    @property
    def other(self) -> str:
        """The number of the person at the other end, whoever called."""
        return self.identity.dialled if self.direction == "out" else self.identity.number

    @property
    def verified(self) -> bool:
        """Whether `other` is certain: the carrier vouches for it, or we called it."""
        return self.direction == "out" or self.identity.verified
