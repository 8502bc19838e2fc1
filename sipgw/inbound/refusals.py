"""Who was turned away lately, and why: what somebody wants to know whose call does not arrive. Sans-IO."""

from collections import deque
from typing import NamedTuple

STRANGERS = 20
"""The latest of them are remembered."""


class Refused(NamedTuple):
    """Somebody was turned away."""

    at: float
    """Seconds of the caller's clock."""
    address: str
    method: str
    status: int
    """What was answered; 0 for nothing."""
    why: str


class Refusals:
    """The last refusal of each trunk, and the latest strangers."""

    def __init__(self) -> None:
        self.last: dict[str, Refused] = {}
        """By trunk."""
        self.strangers: deque[Refused] = deque(maxlen=STRANGERS)

    def note(self, trunk: str, refused: Refused) -> None:
        """Remember one; `trunk` is empty for a stranger."""
        if trunk:
            self.last[trunk] = refused
        else:
            self.strangers.appendleft(refused)
