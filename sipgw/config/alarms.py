"""Options of the alarms about the calls of trunks, and about the cost of calls."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Interval, MaxLen

from agent.providers.extra import FIXED
from sipgw.config.messages import check_addresses


@dataclass(frozen=True)
class AlarmOptions:
    """Alarms when too many calls of a trunk go badly: they fail, are answered slowly, or their audio is one-way, with
    packets from other sources, or of low quality. Another alarm comes when the calls of a day cost much."""

    share: Annotated[float, Interval(ge=0, le=1)] = 0.2
    """Share of bad calls among the latest calls that raises an alarm, 0 to 1; the alarm ends at half of it. 0: no
    alarm."""
    calls: int = field(default=50, metadata=FIXED)
    """Number of a trunk's latest answered calls that count."""
    least: int = field(default=10, metadata=FIXED)
    """Calls of a trunk that must have ended before an alarm is raised, or `calls` if that is smaller."""
    mos: float = field(default=3.5, metadata=FIXED)
    """The mean opinion score below which the audio of a call is bad."""
    slow: Annotated[float, Gt(0)] = 3.0
    """Seconds from the caller's last word to the answer; a call is slow if it took longer in more than half of its
    turns."""
    cost: Annotated[float, Ge(0)] = 0
    """The cost of a day's calls that raises an alarm, in the currency of the prices. It ends no calls; ``[limits]
    money_per_day`` does. 0: no alarm."""
    mail_to: Annotated[tuple[str, ...], MaxLen(20)] = ()
    """Addresses that get each alarm by mail; needs ``[mail]``. Webhooks get the event `alarm` anyway."""

    def __post_init__(self) -> None:
        check_addresses(self.mail_to)
