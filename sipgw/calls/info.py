"""The data of one call, and its state machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from typing import Any, Literal

from sipgw.config.trunks import TrunkOptions
from sipgw.events import CallKey
from sipgw.sip.identity import Identity

MOST_REPLACED = 20
"""Maximum length of `replaced_by`; the last entry is always kept."""


class SessionState(Enum):
    """The state of a call."""

    NEW = "new"
    """No watcher was told of the call yet."""
    BEGUN = "begun"
    """After `CallBegan`: ports and providers are being opened, or our INVITE has been sent."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """The agent and the other side speak."""
    TRANSFERRED = "transferred"
    """The other side speaks with a person through the gateway."""
    ENDING = "ending"
    """The conversation is over; the other side may still have to hang up."""
    ENDED = "ended"


class SessionEvent(Enum):
    """An event that changes the state of a call."""

    BEGIN = "begin"
    RING = "ring"
    ANSWER = "answer"
    JOIN = "join"
    """The other side was joined with a person."""
    PART = "part"
    """The person has given the call back to the agent."""
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
"""A missing cell is an error in our code: `following` raises."""
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
    """The data of a call."""

    id: str
    """The identity of the call, unique among running calls: see `sipgw.calls.registry.CallRegistry.identity`."""
    trunk: TrunkOptions
    identity: Identity
    """The caller and the number that was dialled."""
    direction: Literal["in", "out"] = "in"
    agent: str = ""
    """The name of the agent that speaks; another one after `hand_over`."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further values for the agent's ``{{name}}``, checked by `sipgw.agents.agents.checked`."""
    call_id: str = ""
    """The Call-ID that the call came in with; empty for other calls."""
    tenant: str = ""
    """Tenant of the call, see `sipgw.config.tenants`; it does not change during the call."""
    answered: datetime | None = None
    handed_over: datetime | None = None
    """When the present agent took the call over from another one."""
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """The later callers after a transfer at the other side, in their order: see `Identity.as_dict`."""

    stopped: set[str] = field(default_factory=set)
    """Numbers that must not be called, as the other side told the agent in this call: see `sipgw.policy.gate`."""

    def hand_over(self, agent: str) -> None:
        """Note that `agent` speaks now; the rest of the call follows the rules of this agent."""
        self.agent, self.handed_over = agent, datetime.now(UTC)

    def spoken_by(self, identity: Identity) -> None:
        """Note the new caller after a transfer at the other side: record, callbacks and do-not-call list use it."""
        self.identity = replace(identity, dialled=self.identity.dialled, reached=self.identity.reached)
        self.replaced_by = [*self.replaced_by[: MOST_REPLACED - 1], identity.as_dict()]

    @cached_property
    def since(self) -> str:
        """`began` as text for pages, formatted once because pages show every call each second."""
        return self.began.isoformat(timespec="seconds")

    @property
    def key(self) -> CallKey:
        """The key of this call among all running and ended calls."""
        return CallKey(self.id, self.began)

    @property
    def caller(self) -> str:
        """The caller's number; ``withheld`` if it is not known."""
        return self.identity.number or "withheld"

    @property
    def other(self) -> str:
        """The number of the other side, in incoming and outgoing calls."""
        return self.identity.dialled if self.direction == "out" else self.identity.number

    @property
    def numbers(self) -> tuple[str, ...]:
        """All numbers by which we may call the other side again: `other`, and the one that a redirect led to."""
        return tuple(one for one in (self.other, self.identity.reached) if one)
