"""Deadlines of the SIP core: one heap, woken by the driver's one timer. It has no clock of its own."""

import heapq
from collections.abc import Callable
from itertools import count

T1 = 0.5
"""Round-trip estimate, seconds (RFC 3261 §17.1.1.1)."""
T2 = 4.0
"""Longest distance between retransmissions."""
T4 = 5.0
"""How long a message stays in the network."""
TIMEOUT = 64 * T1
"""Timers B, F, H, L and M."""
TIMER_D = 32.0


class Timer:
    """One deadline; `cancel` makes it nothing."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[float], None]) -> None:
        self.action: Callable[[float], None] | None = action

    def cancel(self) -> None:
        """Never run the action."""
        self.action = None


class Timers:
    """All deadlines of one user agent."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def __len__(self) -> int:
        return sum(timer.action is not None for _, _, timer in self._heap)

    def at(self, when: float, action: Callable[[float], None]) -> Timer:
        """Run ``action(now)`` once at `when` or soon after."""
        timer = Timer(action)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        return timer

    @property
    def deadline(self) -> float | None:
        """When `run` has to be called next, or None."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Run what is due, each action once and in order. It counts on from `now`: a pause is not caught up with."""
        while (deadline := self.deadline) is not None and deadline <= now:
            _, _, timer = heapq.heappop(self._heap)
            action, timer.action = timer.action, None
            if action is not None:
                action(now)
