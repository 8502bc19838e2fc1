"""What becomes of a job: the words for it, without the database that it is kept in."""

from dataclasses import dataclass
from typing import Literal

State = Literal["planned", "by_hand", "dialling", "done", "failed"]


@dataclass(frozen=True)
class Settled:
    """What becomes of a job after an attempt."""

    state: State
    reason: str
    due: float = 0.0
    """When it is tried again, if it is ``planned``."""
    counted: bool = True
    """Whether the attempt counts."""
