"""Options of a graceful stop."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DrainOptions:
    """What a gateway that is told to stop (SIGTERM, Ctrl-C) does."""

    limit: float = 300.0
    """Seconds that running calls may go on; then the agents say goodbye. 0 hangs up at once."""

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= 86400:
            raise ValueError("limit must be from 0 to 24 hours")
