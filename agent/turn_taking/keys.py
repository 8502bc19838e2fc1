"""Keys that a caller presses without being asked."""


class Keypad:
    """Keys being pressed, until they are complete."""

    def __init__(self, most: int) -> None:
        self.last: float | None = None
        """When the last one was pressed, as long as they are not complete."""
        self.pressed = ""
        self._most = most

    def press(self, key: str, now: float) -> None:
        """Add a key; more than `most` are dropped."""
        self.pressed = (self.pressed + key)[: self._most]
        self.last = now

    def take(self) -> str:
        """All keys; the next begin anew."""
        keys, self.pressed, self.last = self.pressed, "", None
        return keys
