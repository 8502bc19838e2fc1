"""Options of a graceful stop."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval


@dataclass(frozen=True)
class DrainOptions:
    """How a gateway stops after SIGTERM or Ctrl-C."""

    limit: Annotated[float, Interval(ge=0, le=86400)] = 300.0
    """Seconds for which running calls may go on; then the agents say goodbye. 0: all calls end at once."""
