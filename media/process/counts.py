"""Counts of a media process beside those of its calls."""

from dataclasses import dataclass, field
from typing import Any

from media.process.schedule import Lateness


@dataclass
class ProcessCounts:
    """Counters of the media process."""

    late_max: float = 0.0
    """The most seconds by which a tick was late since the gateway was last told."""
    handover_dropped: int = 0
    """Bytes of sound that were dropped because the gateway was blocked."""
    behind: bool = False
    """Whether the gateway has unread messages; meanwhile it gets sound in fewer, larger chunks."""
    lateness: Lateness = field(default_factory=Lateness)
    failed: int = 0
    """Faults in our code: calls that they ended, and work of no call that they interrupted."""

    def counts(self) -> dict[str, Any]:
        """The counts by name, for the record of a call."""
        late = {"late_p50": self.lateness.quantile(0.5), "late_p99": self.lateness.quantile(0.99)}
        return late | {
            "late_max": self.late_max,
            "handover_dropped": self.handover_dropped,
            "behind": self.behind,
            "failed": self.failed,
        }
