"""What becomes of a job after a call: done, tried again later, or given up. Sans-IO."""

from dataclasses import dataclass
from datetime import datetime

from sipgw.events import Disposition
from sipgw.outbound.jobs import Settled

SOON = 30.0
"""Seconds until a job is tried again that could not be tried at all."""
NEVER = frozenset({"not_permitted", "declined", "wrong_number", "fax", "too_late", "given_up"})
"""Endings after which calling again changes nothing."""
NOT_TRIED = frozenset({"not_placed", "cancelled", "gateway_stopped"})
"""Endings that say nothing of the person called."""


@dataclass(frozen=True)
class RetryOptions:
    """When somebody who was not reached is called again."""

    attempts: int = 3
    """Calls in all."""
    busy: float = 300
    """Seconds after a busy line."""
    no_answer: float = 1800
    """Seconds after nobody answered."""
    machine: float = 0
    """Seconds after an answering machine; 0: that counts as reached if a message was left, otherwise as given up."""
    failed: float = 600
    """Seconds after a fault of a trunk, a provider or the gateway, or a lost line."""

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 20:
            raise ValueError("attempts must be from 1 to 20")
        for name in ("busy", "no_answer", "failed"):
            if getattr(self, name) < 10:
                raise ValueError(f"{name} must be at least 10 s: nobody wants to be rung at without end")

    def settled(self, ending: Disposition, attempts: int, now: datetime) -> Settled:
        """What follows from the ending of the call number `attempts`, which was at `now`."""
        reason = f"{ending.kind.replace('_', ' ')}: {ending.cause}" if ending.cause else ending.kind.replace("_", " ")
        at = now.timestamp()
        if ending.again is not None:  # the gate names the next window
            return Settled("planned", reason, max(ending.again.timestamp(), at + SOON), counted=False)
        if ending.kind in NEVER:
            return Settled("failed", reason)
        if ending.kind in NOT_TRIED:
            return Settled("planned", reason, at + SOON, counted=False)
        wait = {
            "busy": self.busy, "no_answer": self.no_answer, "machine": self.machine, "failed": self.failed,
            "line_lost": self.failed,
        }  # fmt: skip
        if ending.kind not in wait:
            return Settled("done", reason)
        if attempts < self.attempts and wait[ending.kind]:
            return Settled("planned", reason, at + wait[ending.kind])
        return Settled("failed", reason)
