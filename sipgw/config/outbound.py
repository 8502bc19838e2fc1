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
    """When a person who was not reached is called again; only in ``sipgw.toml``."""

    attempts: int = 3
    """Maximum calls in all, the first one included."""
    busy: float = 300
    """Seconds until the next call after a busy line."""
    no_answer: float = 1800
    """Seconds until the next call after nobody answered."""
    machine: float = 0
    """Seconds until the next call after an answering machine, or after a call screen that no person followed. 0: no
    further call, even if no message was left."""
    failed: float = field(default=600, metadata=FIXED)
    """Seconds until the next call after a fault of a trunk, a provider or the gateway, or after a lost line."""

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
    """Whether the gateway makes the calls; otherwise it only keeps them, so that a person can make them."""
    other_numbers: bool = False
    """Whether a caller may ask for a callback to another number than their own. Then any caller can have any number
    called at your cost, within the rules of the gate. Such a call counts as one without consent."""
    time_zone: str = ""
    """Time zone of the agent, e.g. ``Europe/Berlin``. It counts for ``{{time}}``, ``{{date}}`` and ``{{weekday}}``, and
    for times of the model without a zone. It also counts for "five o'clock" if the caller's number gives no time zone.
    Empty: the machine's time zone."""
    concurrent: Annotated[int, Ge(1)] = field(default=2, metadata=GATEWAY)
    """Maximum callbacks at the same time."""
    latest: float = field(default=86400, metadata=GATEWAY)
    """Seconds after the planned time, or a duration such as ``"24h"``, after which a callback that could not be made is
    given up."""
    retry: RetryOptions = field(default_factory=RetryOptions, metadata=GATEWAY)
    """When a person who was not reached is called again."""

    def __post_init__(self) -> None:
        if self.time_zone and zone_named(self.time_zone) is None:
            raise RuleError(f"there is no time zone {self.time_zone!r}; write it as Europe/Berlin", "time_zone")

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone of the agent; None for the machine's own time zone."""
        return zone_named(self.time_zone) if self.time_zone else None
