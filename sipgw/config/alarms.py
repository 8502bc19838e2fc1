"""Options of the alarms on the calls of trunks, and on what calls cost."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Interval, MaxLen

from agent.providers.extra import FIXED
from sipgw.config.messages import check_addresses


@dataclass(frozen=True)
class AlarmOptions:
    """When too many calls of a trunk go badly: they fail, are answered slowly, or their audio is one-way, with packets
    of other sources, or of low quality. Also when the calls of a day cost much."""

    share: Annotated[float, Interval(ge=0, le=1)] = 0.2
    """The part of the latest calls that is bad from which on an alarm is raised; it ends at half of it. 0: none."""
    calls: int = field(default=50, metadata=FIXED)
    """The number of latest calls of a trunk that count, of those that were answered."""
    least: int = field(default=10, metadata=FIXED)
    """Without so many calls since the start, or as many as `calls`, there is no alarm."""
    mos: float = field(default=3.5, metadata=FIXED)
    """The mean opinion score below which the audio of a call is bad."""
    slow: Annotated[float, Gt(0)] = 3.0
    """Seconds from the caller's last word to the answer; a call is slow if it took longer in more than half of its
    turns."""
    cost: Annotated[float, Ge(0)] = 0
    """The cost of a day's calls that raises an alarm, in the currency of the prices; ``[limits] money_per_day``
    ends them. 0: none."""
    mail_to: Annotated[tuple[str, ...], MaxLen(20)] = ()
    """Addresses that get each alarm by mail; needs ``[mail]``. Webhooks get the event `alarm` anyway."""

    def __post_init__(self) -> None:
        check_addresses(self.mail_to)
