"""The calls that are going on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from agent.conversation import Conversation
from sipgw.call import Call
from sipgw.sip.identity import Identity
from sipgw.trunks import TrunkOptions


@dataclass
class LiveCall:
    """A call that is going on, from its INVITE on."""

    id: str
    trunk: TrunkOptions
    identity: Identity
    direction: Literal["in", "out"] = "in"
    agent: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    call: Call | None = None
    conversation: Conversation | None = None
    answered: datetime | None = None
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """Who took the caller's place, one after the other."""

    @property
    def caller(self) -> str:
        """Number of who calls; ``withheld`` if they do not tell."""
        return self.identity.number or "withheld"

    @property
    def state(self) -> str:
        """``ringing`` or ``talking``."""
        return "talking" if self.answered else "ringing"

    @property
    def turn(self) -> str:
        """Who has the floor, in words; empty before the conversation begins."""
        return self.conversation.state.value if self.conversation and self.answered else ""

    @property
    def mos(self) -> float:
        """How well the caller was heard in the last seconds, from 1 to 4.5; 0 if that is not known."""
        return self.call.mos if self.call else 0.0
