"""Whether a media process still answers, and how late the work of it and its gateway is. Sans-IO."""

from collections import deque
from statistics import median

BEAT = 0.25
"""Seconds between two pings."""
PATIENCE = 16
"""Pings without any message from it after which it is killed: its calls have been silent for as long."""
LATE = 4
"""Pings without any message from it after which new calls go elsewhere: it hangs, or is much too busy. It is the ping
with which that shows in the median."""
STARTING = 80
"""The same until its first message."""
KEPT = 5
"""Pings (1 s) whose median is the delay: one moment in which the gateway was blocked is not overload."""


class Heartbeat:
    """The pings of one media process, and its answers."""

    def __init__(self) -> None:
        self.silent = PATIENCE - STARTING
        """Pings since the last message of the media process."""
        self._delays = deque([0.0] * KEPT, KEPT)
        self._due: float | None = None

    @property
    def delay(self) -> float:
        """Seconds from when a ping was due until its answer was taken, median of the last ones.

        Events of a call, and orders for it, wait as long.
        """
        return median(self._delays)

    @property
    def answers(self) -> bool:
        """Whether it has started, and answered a ping of the last second."""
        return 0 <= self.silent < LATE

    def ping(self, due: float, now: float) -> None:
        """A ping is sent `now` that was due at `due`."""
        self.silent += 1
        if self._due is None:
            self._due = due
        elif self.silent > 0:  # it has started, and is at least that late
            self._delays.append(now - self._due)

    def answered(self, now: float) -> None:
        """The answer to the oldest ping has come."""
        if self._due is not None:
            self._delays.append(now - self._due)
            self._due = None
