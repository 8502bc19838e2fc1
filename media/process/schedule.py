"""The schedule of all calls: absolute slots of 20 ms, with the calls spread over four phases. Sans-IO."""

import math
from collections.abc import Sequence, Sized
from typing import NamedTuple

from media.g711 import FRAME_SECONDS

PHASES = 4
"""Moments within 20 ms over which calls are spread: packets sent at the same moment would delay each other."""
SHARE = 50
"""Calls in each of the first two phases before the others are used: a wake-up costs as much as ten calls."""
ORDER = (0, 2, 1, 3)
TICK = FRAME_SECONDS / PHASES
MAX_LATE = 2 * FRAME_SECONDS
"""Seconds of lateness above which all ticks but the last are left out: each call sees in its next slot how many slots
have passed. With the ticks of the last frame too, it would first send the missed frames, then another one at once."""


class Tick(NamedTuple):
    """A moment of the schedule: the phase whose calls are due, and the number of the frame."""

    phase: int
    slot: int
    lateness: float


class Schedule:
    """Deadlines ``start + k * 5 ms``; being late does not move them."""

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
            self._next += int(behind / TICK)
        tick = Tick(self._next % PHASES, self._next // PHASES, behind)
        self._next += 1
        return tick

    def pass_over(self, phases: Sequence[Sized]) -> None:
        """Leave out the next tick if its phase has no calls. Never leave out two in a row, so that received packets
        wait 10 ms at most."""
        if not phases[self._next % PHASES]:
            self._next += 1


class Lateness:
    """How late ticks were: a histogram whose bins grow by the square root of two."""

    BINS = 40
    LEAST = 10e-6
    """Upper end of the first bin in seconds."""

    def __init__(self) -> None:
        self._bins = [0] * self.BINS

    def add(self, seconds: float) -> None:
        """Count a tick."""
        place = 1 + int(2 * math.log2(seconds / self.LEAST)) if seconds > self.LEAST else 0
        self._bins[min(place, self.BINS - 1)] += 1

    def quantile(self, part: float) -> float:
        """Seconds of lateness that `part` (0 to 1) of the ticks did not exceed, up to 1.4 times too high; 0 without
        ticks."""
        total = sum(self._bins)
        seen, place = 0, -1
        while seen < part * total:
            place += 1
            seen += self._bins[place]
        return self.LEAST * 2 ** (place / 2) if total else 0.0


def phase_of(phases: Sequence[Sized]) -> int:
    """The phase for a new call; with few calls, two of the phases are enough."""
    return next(
        (phase for phase in ORDER[:2] if len(phases[phase]) < SHARE), min(ORDER, key=lambda at: len(phases[at]))
    )
