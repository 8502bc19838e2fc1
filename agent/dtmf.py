"""Collects DTMF keys: a fixed number of them, up to a key that ends the input, or one choice of a menu. Sans-IO."""

from dataclasses import dataclass
from enum import Enum

FIRST = 15.0
"""Seconds after the question in which the first key has to come."""


@dataclass(frozen=True)
class DtmfRequest:
    """The keys that the caller must press. Raises `ValueError`."""

    most: int = 20
    """Number of keys with which the input is complete."""
    fewest: int = 1
    """Least number of keys; with fewer keys the input has too few."""
    ends_with: str = "#"
    """The key that completes the input; empty: no key does."""
    choices: str = ""
    """A menu: any one of these keys is the answer, others are not heard."""
    first: float = FIRST
    """Seconds for the first key."""
    pause: float = 5.0
    """Seconds without a key after which it is complete, or given up."""

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most <= 64:
            raise ValueError("fewest and most are from 1 to 64")
        if self.ends_with not in ("", "#", "*"):
            raise ValueError("ends_with is # or * or nothing")
        if set(self.choices) - set("0123456789*#"):
            raise ValueError("choices are keys: digits, * and #")


class DtmfState(Enum):
    """The state of a collection."""

    OPEN = "waiting for keys"
    COMPLETE = "complete"
    TOO_FEW = "too few keys"
    SILENT = "no key was pressed"


class DtmfCollection:
    """One collection of keys. Sans-IO. ``*`` begins anew, unless it ends the input or is a choice."""

    def __init__(self, wanted: DtmfRequest, now: float) -> None:
        self.state = DtmfState.OPEN
        self.keys = ""
        self.deadline = now + wanted.first
        """When `handle_timer` has to be called."""
        self._wanted = wanted

    def asked(self, now: float) -> None:
        """Note that the question has been heard: the time for the first key begins."""
        if not self.keys and self.state is DtmfState.OPEN:
            self.deadline = now + self._wanted.first

    def press(self, key: str, now: float) -> None:
        """Take a key."""
        wanted = self._wanted
        if self.state is not DtmfState.OPEN:
            return
        self.deadline = now + wanted.pause
        if wanted.choices:
            if key in wanted.choices:
                self.keys, self.state = key, DtmfState.COMPLETE
        elif key == wanted.ends_with:
            self._end()
        elif key == "*":
            self.keys = ""
        elif key.isdigit():
            self.keys += key
            if len(self.keys) >= wanted.most:
                self._end()

    def handle_timer(self, now: float) -> None:
        """Complete or give up the input, if its time is over at `now`."""
        if self.state is DtmfState.OPEN and now >= self.deadline:
            self._end()

    def _end(self) -> None:
        few = DtmfState.TOO_FEW if self.keys else DtmfState.SILENT
        self.state = DtmfState.COMPLETE if len(self.keys) >= self._wanted.fewest and not self._wanted.choices else few
