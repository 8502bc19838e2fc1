"""Whether a media process still answers, and how late the work of it and its gateway is. Sans-IO."""

from collections import deque
from statistics import median

BEAT = 0.25
"""Seconds between two pings."""
PATIENCE = 16
"""Pings without any message of the process after which it is killed, because its calls are silent meanwhile."""
LATE = 4
"""Pings without any message of the process after which new calls go elsewhere, because it hangs or is overloaded. With
this ping the median shows the delay."""
STARTING = 80
"""Like `PATIENCE`, until the first message of the process."""
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
        """Seconds from the due time of a ping until its answer was taken; the median of the last pings.

        Events of a call, and orders for it, wait as long.
        """
        return median(self._delays)

    @property
    def answers(self) -> bool:
        """Whether the process has started, and has sent a message in the last second."""
        return 0 <= self.silent < LATE

    def ping(self, due: float, now: float) -> None:
        """Note that a ping which was due at `due` is sent `now`, both in seconds."""
        self.silent += 1
        if self._due is None:
            self._due = due
        elif self.silent > 0:  # the process has started, and is at least so late
            self._delays.append(now - self._due)

    def answered(self, now: float) -> None:
        """The answer to the oldest ping has come."""
        if self._due is not None:
            self._delays.append(now - self._due)
            self._due = None
