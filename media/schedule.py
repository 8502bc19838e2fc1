"""The one schedule of all calls: absolute slots of 20 ms, calls spread over their phases. Sans-IO."""

from typing import NamedTuple

FRAME_SECONDS = 0.020
PHASES = 5
"""Calls are spread over this many moments of a frame: a common phase would make its own jitter."""
TICK = FRAME_SECONDS / PHASES
MAX_LATE = 2 * FRAME_SECONDS
"""When later than this, ticks are left out: each call then sees how many of its slots went by."""


class Tick(NamedTuple):
    """A moment of the schedule: the phase whose calls are due, and the number of the frame."""

    phase: int
    slot: int
    lateness: float


class Schedule:
    """Deadlines ``start + k * 4 ms`` that are never moved by being late."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._next = 0

    @property
    def deadline(self) -> float:
        """When the next tick is due."""
        return self._start + self._next * TICK

    def due(self, now: float) -> Tick | None:
        """The next tick if its time has come."""
        behind = now - self.deadline
        if behind < 0:
            return None
        if behind > MAX_LATE:
            self._next += int((behind - FRAME_SECONDS) / TICK)
        tick = Tick(self._next % PHASES, self._next // PHASES, behind)
        self._next += 1
        return tick
