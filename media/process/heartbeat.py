"""Whether a media process still answers, and how far it and its gateway are behind with their work. Sans-IO."""

from collections import deque
from statistics import median

BEAT = 0.25
"""Seconds between two questions."""
PATIENCE = 16
"""Questions without an answer after which it is killed: its calls have been silent as long."""
STARTING = 80
"""The same for its first words."""
KEPT = 5
"""Questions (1 s) whose median is the delay: one moment in which the gateway stood still is not overload."""


class Heartbeat:
    """The questions whether anybody is there, and their answers."""

    def __init__(self) -> None:
        self.silent = PATIENCE - STARTING
        """Questions since the media process said anything."""
        self._delays = deque([0.0] * KEPT, KEPT)
        self._due: float | None = None

    @property
    def delay(self) -> float:
        """Seconds from when a question was due until its answer was taken, median of the last ones.

        What a media process reports of a call, and what it is told, waits as long.
        """
        return median(self._delays)

    def ask(self, due: float, now: float) -> None:
        """A question leaves `now` that was due at `due`."""
        self.silent += 1
        if self._due is None:
            self._due = due
        elif self.silent > 0:  # it has started, and is that late at least
            self._delays.append(now - self._due)

    def answered(self, now: float) -> None:
        """The answer to the oldest question is there."""
        if self._due is not None:
            self._delays.append(now - self._due)
            self._due = None
