"""Options of calls that the gateway makes: callbacks and retries."""

from dataclasses import dataclass, field
from typing import Annotated
from zoneinfo import ZoneInfo

from annotated_types import Ge

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError
from sipgw.config.hours import zone_named
from sipgw.config.scope import GATEWAY


@dataclass(frozen=True)
class RetryOptions:
    """When a person who was not reached is called again; in ``sipgw.toml`` only."""

    attempts: int = 3
    """Calls in all."""
    busy: float = 300
    """Seconds after a busy line."""
    no_answer: float = 1800
    """Seconds after nobody answered."""
    machine: float = 0
    """Seconds after an answering machine, or a call screen behind which nobody came; 0: there is no further call, also
    if no message was left."""
    failed: float = field(default=600, metadata=FIXED)
    """Seconds after a fault of a trunk, a provider or the gateway, or a lost line."""

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 20:
            raise RuleError("must be from 1 to 20", "attempts")
        for name in ("busy", "no_answer", "failed"):
            if getattr(self, name) < 10:
                raise RuleError("must be at least 10 s: nobody wants to be rung at without end", name)


@dataclass(frozen=True)
class CallbackOptions:
    """Callbacks that the agent promises."""

    dial: bool = field(default=True, metadata=GATEWAY)
    """Whether the gateway makes the calls; otherwise they are only kept, for a person to make them."""
    other_numbers: bool = False
    """Whether a caller may ask for a call to another number than the one that they call from. Then any caller can have
    any number called at your cost, within the rules of the gate. Such a call has no consent."""
    time_zone: str = ""
    """Where the agent is, e.g. ``Europe/Berlin``: the clock of ``{{time}}``, ``{{date}}`` and ``{{weekday}}``, of times
    without a zone that the model names, and of "five o'clock" when the caller's number does not tell. Empty: the
    machine's."""
    concurrent: Annotated[int, Ge(1)] = field(default=2, metadata=GATEWAY)
    """Callbacks at the same time."""
    latest: float = field(default=86400, metadata=GATEWAY)
    """Time after which a callback that could not be made is given up: ``"24h"``."""
    retry: RetryOptions = field(default_factory=RetryOptions, metadata=GATEWAY)
    """When a person who was not reached is called again."""

    def __post_init__(self) -> None:
        if self.time_zone and zone_named(self.time_zone) is None:
            raise RuleError(f"there is no time zone {self.time_zone!r}; write it as Europe/Berlin", "time_zone")

    @property
    def zone(self) -> ZoneInfo | None:
        """Where the agent is; None for the machine's own zone."""
        return zone_named(self.time_zone) if self.time_zone else None
