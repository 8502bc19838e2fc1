"""Deadlines of the SIP core: one heap, woken by the driver's one timer. It has no clock of its own."""

import heapq
from collections.abc import Callable
from itertools import count

T1 = 0.5
"""Round-trip estimate, seconds (RFC 3261 §17.1.1.1)."""
T2 = 4.0
"""Longest time between retransmissions, seconds."""
T4 = 5.0
"""How long a message can stay in the network, seconds."""
TIMEOUT = 64 * T1
"""Timers B, F, H, L and M, seconds."""
TIMER_D = 32.0


FEW = 1000
"""Below this number of entries the heap is never cleaned."""


class Timer:
    """One deadline, until it is cancelled."""

    __slots__ = ("_timers", "action", "when")

    def __init__(self, timers: "Timers", action: Callable[[float], None], when: float) -> None:
        self._timers = timers
        self.when = when
        self.action: Callable[[float], None] | None = action

    def cancel(self) -> None:
        """Never run the action."""
        if self.action is not None:
            self.action = None
            self._timers.cancelled()


class Timers:
    """All deadlines of one user agent."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._dead = 0
        """How many timers in the heap were cancelled."""

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    def cancelled(self) -> None:
        """Note that a timer in the heap was cancelled. It leaves the heap when it is due. If more than half of the heap
        is cancelled, all of these leave at once: other sides may choose distant deadlines, which would hold memory."""
        self._dead += 1
        if self._dead > FEW and 2 * self._dead > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    def at(self, when: float, action: Callable[[float], None]) -> Timer:
        """Run ``action(now)`` once at `when` or soon after."""
        timer = Timer(self, action, when)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        return timer

    @property
    def deadline(self) -> float | None:
        """When `run` has to be called next, or None."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Run what is due, each action once and in order. New deadlines count from `now`, also after a pause."""
        while (deadline := self.deadline) is not None and deadline <= now:
            _, _, timer = heapq.heappop(self._heap)
            action, timer.action = timer.action, None
            if action is not None:
                action(now)
