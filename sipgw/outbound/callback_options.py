"""What is configured of calls back. Who reads the configuration loads no database."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sipgw.outbound.retries import RetryOptions


@dataclass(frozen=True)
class CallbackOptions:
    """Calls back that the agent promises."""

    dial: bool = True
    """Whether the gateway makes them; otherwise they are only kept."""
    other_numbers: bool = False
    """Whether a caller may have us call another number than the one that they call from: then anybody can have anybody
    rung up at your cost, within the rules of the gate. Nobody has consented to such a call."""
    time_zone: str = ""
    """Where the agent is, e.g. ``Europe/Berlin``: the clock of ``{{time}}``, ``{{date}}`` and ``{{weekday}}``, of times
    without a zone that the model names, and of "five o'clock" when the caller's number does not tell. Empty: the
    machine's."""
    concurrent: int = 2
    """Callbacks at the same time."""
    latest: float = 86400
    """After how long a callback that could not be made in time is given up: ``"24h"``."""
    retry: RetryOptions = field(default_factory=RetryOptions)
    """When somebody who was not reached is called again."""

    def __post_init__(self) -> None:
        if self.time_zone and zone_named(self.time_zone) is None:
            raise ValueError(f"there is no time zone {self.time_zone!r}; write it as Europe/Berlin")
        if self.concurrent < 1:
            raise ValueError("concurrent must be at least 1")


def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of that name, or None."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
