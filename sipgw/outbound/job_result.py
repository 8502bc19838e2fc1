"""The state of a job after an attempt. This module does not import the database."""

from dataclasses import dataclass
from typing import Literal

JobState = Literal["planned", "by_hand", "dialling", "done", "failed"]


@dataclass(frozen=True)
class JobResult:
    """The state of a job after an attempt."""

    state: JobState
    reason: str
    due: float = 0.0
    """When it is tried again, if it is ``planned``."""
    counted: bool = True
    """Whether the attempt counts."""
