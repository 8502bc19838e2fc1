"""Keys that a caller presses without being asked."""

SETTLED = 1.0
"""Seconds without a key after an answer that is whole, if a longer one may begin with it."""
GAPS = 3.0
"""So many times the longest gap between two keys tells that the caller does not go on."""


class Keypad:
    """Keys being pressed, until they are complete."""

    def __init__(self, most: int) -> None:
        self.last: float | None = None
        """When the last one was pressed, as long as they are not complete."""
        self.pressed = ""
        self.gap = 0.0
        """Seconds between two of them, the longest."""
        self.whole = False
        """Whether they are all of what was asked for, though more may follow."""
        self._most = most

    def press(self, key: str, now: float) -> None:
        """Add a key; more than `most` are dropped."""
        self.gap = max(self.gap, now - self.last) if self.last is not None else 0.0
        self.pressed = (self.pressed + key)[: self._most]
        self.last = now

    def pause(self, longest: float) -> float:
        """Seconds after the last one in which another may follow; after an answer that is whole, as the caller's own
        gaps tell, but never more than `longest`."""
        return min(longest, max(SETTLED, GAPS * self.gap)) if self.whole else longest

    def take(self) -> str:
        """All keys; the next begin anew."""
        keys, self.pressed, self.last, self.whole = self.pressed, "", None, False
        return keys
