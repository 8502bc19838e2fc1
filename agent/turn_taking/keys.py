"""Keys that a caller presses without being asked."""

SETTLED = 1.0
"""Seconds without a key after which a whole answer is taken, if a longer answer may begin with it."""
GAPS = 3.0
"""Factor for the longest gap between two keys: after so many times that gap the caller does not go on."""


class Keypad:
    """Keys being pressed, until they are complete."""

    def __init__(self, most: int) -> None:
        self.last: float | None = None
        """When the last key was pressed, as long as the keys are not complete."""
        self.pressed = ""
        self.gap = 0.0
        """Seconds of the longest gap between two of the keys."""
        self.whole = False
        """Whether the keys are the whole answer that was asked for, though more may follow."""
        self._most = most

    def press(self, key: str, now: float) -> None:
        """Add a key; more than `most` are dropped."""
        self.gap = max(self.gap, now - self.last) if self.last is not None else 0.0
        self.pressed = (self.pressed + key)[: self._most]
        self.last = now

    def pause(self, longest: float) -> float:
        """Seconds after the last key in which another one may follow: `longest`. After a whole answer the gaps between
        the caller's own keys decide, up to `longest`."""
        return min(longest, max(SETTLED, GAPS * self.gap)) if self.whole else longest

    def take(self) -> str:
        """Return all keys; the next key begins a new input."""
        keys, self.pressed, self.last, self.whole = self.pressed, "", None, False
        return keys
