"""How many more calls fit on this machine, computed from the load that the present calls cause. Sans-IO.

The gateway and each media process have one thread of Python, and are full when this thread is busy all the time. A
thread is busy while it runs or waits for a core. The machine is full when all cores are busy, also with other programs.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FULL = 0.95
"""Busy part of the time of a process that has no room for another call: above it, work waits longer and longer."""
MEASURED = 100.0
"""Call-seconds that must be measured before there is a result."""
MEMORY = 300.0
"""Seconds with calls in which a measurement loses two thirds of its weight, because later calls may be different."""
SMOOTH = 3.0
"""Like `MEMORY`, for the present state."""
PULL = 25.0
"""Variance of the number of calls at which the slope weighs as much as the average. The first calls of a process cost
more than further ones, because each wake-up serves all calls, and only the slope shows this. But the slope is known
only if the number of calls has changed."""
LEAST = 0.1
"""A further call costs at least this part of the average call."""


@dataclass
class _Process:
    """Decaying sums over the seconds of one process."""

    weight: float = 0.0
    calls: float = 0.0
    busy: float = 0.0
    squares: float = 0.0
    products: float = 0.0
    busy_now: float = 0.0
    calls_now: float = 0.0
    known: bool = False
    missed: float = 0.0
    """Seconds with calls since the process was last measured."""

    def take(self, calls: int, busy: float, seconds: float) -> None:
        keep = math.exp(-seconds / MEMORY)
        self.weight = self.weight * keep + seconds
        self.calls = self.calls * keep + seconds * calls
        self.busy = self.busy * keep + seconds * busy
        self.squares = self.squares * keep + seconds * calls * calls
        self.products = self.products * keep + seconds * calls * busy
        keep = math.exp(-seconds / SMOOTH) if self.known else 0.0
        self.busy_now = self.busy_now * keep + busy * (1 - keep)
        self.calls_now = self.calls_now * keep + calls * (1 - keep)
        self.known, self.missed = True, 0.0

    @property
    def cost(self) -> float:
        """Busy part of the time that a further call adds."""
        average = self.busy / self.calls
        mean = self.calls / self.weight
        variance = self.squares / self.weight - mean * mean
        together = self.products / self.weight - mean * self.busy / self.weight
        return max((together + PULL * average) / (variance + PULL), LEAST * average, 1e-6)

    def room(self, calls: int) -> float:
        """How many calls fit beside the present `calls`, of which some may have come after the last measurement."""
        return (FULL - self.busy_now) / self.cost - (calls - self.calls_now)


class Headroom:
    """Learns from every second with calls how many more calls fit."""

    def __init__(self) -> None:
        self._processes: dict[str, _Process] = {}
        self._call_seconds = 0.0

    def take(self, calls: int, busy: Mapping[str, float], seconds: float) -> None:
        """Take a measurement: for `seconds` there were `calls`, and each process was `busy` for this part, 0 to 1."""
        if not calls or seconds <= 0:
            return
        self._call_seconds += calls * seconds
        for name, part in busy.items():
            self._processes.setdefault(name, _Process()).take(calls, part, seconds)
        for name in self._processes.keys() - busy.keys():
            self._processes[name].missed += seconds
            if self._processes[name].missed > MEMORY:
                del self._processes[name]

    def busy(self) -> Iterator[tuple[str, float]]:
        """Each process that runs, and the busy part of its time in the last seconds with calls."""
        for name, process in self._processes.items():
            if not process.missed:
                yield name, process.busy_now

    def fullest(self, now: int) -> tuple[str, float, int] | None:
        """The resource with room for the fewest calls beside the `now` present ones: its name, busy part, and room.

        None before enough was measured.
        """
        if self._call_seconds < MEASURED:
            return None
        rooms = ((self._processes[name].room(now), name, part) for name, part in self.busy())
        room, name, part = min(rooms, default=(0.0, "", 0.0))
        return (name, part, max(0, math.floor(room))) if name else None

    def calls(self, now: int) -> int | None:
        """How many calls fit beside the `now` present ones; None before enough was measured."""
        return found[2] if (found := self.fullest(now)) else None
