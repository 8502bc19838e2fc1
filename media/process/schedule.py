"""The one schedule of all calls: absolute slots of 20 ms, calls spread over their phases. Sans-IO."""

import math
from collections.abc import Sequence, Sized
from typing import NamedTuple

from media.g711 import FRAME_SECONDS

PHASES = 4
"""Calls are spread over this many moments of a frame: a common phase would make its own jitter."""
SHARE = 50
"""Calls of the first two phases until the others are used: a wake-up costs as much as the sound of ten calls."""
ORDER = (0, 2, 1, 3)
TICK = FRAME_SECONDS / PHASES
MAX_LATE = 2 * FRAME_SECONDS
"""When later than this, all ticks but the last are left out: in its next slot each call sees how many went by.

If it were called in the last frame's ticks as well, it would send twice what was missed, and once more in a moment."""


class Tick(NamedTuple):
    """A moment of the schedule: the phase whose calls are due, and the number of the frame."""

    phase: int
    slot: int
    lateness: float


class Schedule:
    """Deadlines ``start + k * 5 ms`` that are never moved by being late."""

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
        """Leave the next tick out if its phase has no calls, but never two in a row: what arrives waits for 10 ms."""
        if not phases[self._next % PHASES]:
            self._next += 1


class Lateness:
    """How late ticks were: a histogram in steps of half an octave."""

    BINS = 40
    LEAST = 10e-6
    """Seconds that the first bin ends at."""

    def __init__(self) -> None:
        self._bins = [0] * self.BINS

    def add(self, seconds: float) -> None:
        """Count a tick."""
        place = 1 + int(2 * math.log2(seconds / self.LEAST)) if seconds > self.LEAST else 0
        self._bins[min(place, self.BINS - 1)] += 1

    def quantile(self, part: float) -> float:
        """Seconds that so great a part of the ticks was late at most, up to 1.4 times too much; 0 before any."""
        total = sum(self._bins)
        seen, place = 0, -1
        while seen < part * total:
            place += 1
            seen += self._bins[place]
        return self.LEAST * 2 ** (place / 2) if total else 0.0


def phase_of(phases: Sequence[Sized]) -> int:
    """Where a new call goes: with few calls two ticks of a frame do for all."""
    return next(
        (phase for phase in ORDER[:2] if len(phases[phase]) < SHARE), min(ORDER, key=lambda at: len(phases[at]))
    )
