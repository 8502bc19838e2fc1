"""The calls that are going on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from sipgw.events import Ending
from sipgw.sip.identity import Identity
from sipgw.trunks import TrunkOptions


class Held(Protocol):
    """A call while it is held, on a line of whatever kind."""

    stats: dict[str, Any]
    """Counts and quality of the sound, in the end."""

    async def run(self) -> Ending:
        """Hold it to its end; never raises but on cancellation."""


@dataclass
class LiveCall:
    """A call that is going on, from its INVITE on."""

    id: str
    trunk: TrunkOptions
    identity: Identity
    direction: Literal["in", "out"] = "in"
    agent: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    call: Held | None = None
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """Who took the caller's place, one after the other."""

    @property
    def caller(self) -> str:
        """Number of who calls; ``withheld`` if they do not tell."""
        return self.identity.number or "withheld"
