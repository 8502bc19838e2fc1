"""Options of a graceful stop."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval


@dataclass(frozen=True)
class DrainOptions:
    """What a gateway that is told to stop (SIGTERM, Ctrl-C) does."""

    limit: Annotated[float, Interval(ge=0, le=86400)] = 300.0
    """Seconds that running calls may go on; then the agents say goodbye. 0 hangs up at once."""
