"""The calls that are going on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

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
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """Who took the caller's place, one after the other."""

    @property
    def caller(self) -> str:
        """Number of who calls; ``withheld`` if they do not tell."""
        return self.identity.number or "withheld"
