"""The next state of a job after a call: done, tried again later, or failed. Sans-IO."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sipgw.config.outbound import RetryOptions
from sipgw.events import Disposition

SOON = 30.0
"""Seconds until the next attempt if no call could be made."""
NEVER = frozenset({"not_permitted", "declined", "wrong_number", "fax", "too_late", "given_up"})
"""Endings after which another call would end in the same way."""
NOT_TRIED = frozenset({"not_placed", "cancelled", "gateway_stopped"})
"""Endings that have their cause on our side. They do not count as an attempt."""


JobState = Literal["planned", "by_hand", "dialling", "done", "failed"]


@dataclass(frozen=True)
class JobResult:
    """The state of a job after an attempt."""

    state: JobState
    reason: str
    due: float = 0.0
    """When the job is tried again, in seconds since 1970, if it is ``planned``."""
    counted: bool = True
    """Whether the attempt counts."""


def next_step(retry: RetryOptions, ending: Disposition, attempts: int, now: datetime) -> JobResult:
    """The next state of a job after its call number `attempts`, which ended at `now` with `ending`."""
    reason = f"{ending.kind.replace('_', ' ')}: {ending.cause}" if ending.cause else ending.kind.replace("_", " ")
    at = now.timestamp()
    if ending.again is not None:  # the gate gives the time of the next call window
        return JobResult("planned", reason, max(ending.again.timestamp(), at + SOON), counted=False)
    if ending.kind in NEVER:
        return JobResult("failed", reason)
    if ending.kind in NOT_TRIED:
        return JobResult("planned", reason, at + SOON, counted=False)
    wait = {
        "busy": retry.busy, "no_answer": retry.no_answer, "machine": retry.machine,
        "screened": retry.machine, "no_person": retry.machine, "failed": retry.failed,
        "line_lost": retry.failed,
    }  # fmt: skip
    if ending.kind not in wait:
        return JobResult("done", reason)
    if attempts < retry.attempts and wait[ending.kind]:
        return JobResult("planned", reason, at + wait[ending.kind])
    return JobResult("failed", reason)
