"""The gate of energy: what is not louder than the noise of the line is no sound. Sans-IO."""

LEARNING = 10
"""Slots at the start of a call whose quietest is the first noise floor; speech has quiet ones, noise has not."""
LEAST = -58.0
"""The lowest noise floor, dBm0."""
ABOVE = 10.0
"""Decibels above the noise floor at which a sound begins."""
AUDIBLE = -38.0
"""The least level of a sound, dBm0."""
DOWN, UP = 0.3, 0.02
"""Part of the difference by which the floor follows a quieter and a louder slot without sound."""
WHOLE = 100
"""Slots of a sound (2 s) whose quietest is noise: speech has gaps."""


class NoiseFloor:
    """Follows the noise of a line: down at once, up slowly, and by the gaps only while somebody speaks."""

    def __init__(self) -> None:
        self.gate = 0.0
        """The level in dBm0 above which there is a sound."""
        self._floor = 0.0
        self._learned = 0
        self._least = 0.0
        """The quietest slot of the present sound, and their number."""
        self._slots = 0

    @property
    def known(self) -> bool:
        """Whether the noise of this line was listened to for long enough to tell a sound from it."""
        return self._learned >= LEARNING

    def follow(self, level: float, slots: int = 1) -> None:
        """Take the level of so many slots without sound."""
        self._slots = 0
        if not self.known:
            self._learned += slots
            self._set(min(self._floor, level))
            return
        rate = DOWN if level < self._floor else UP
        self._set(self._floor + (level - self._floor) * min(1.0, rate * slots))

    def sound(self, level: float, most: float) -> None:
        """Take the level of a slot of a sound; the gate stays below `most`."""
        self._least = min(self._least, level) if self._slots else level
        self._slots += 1
        if self._slots >= WHOLE:
            self._set(max(self._floor, min(self._least, most - ABOVE)))
            self._slots = 0

    def _set(self, floor: float) -> None:
        self._floor = max(LEAST, floor)
        self.gate = max(AUDIBLE, self._floor + ABOVE)
