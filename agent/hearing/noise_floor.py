"""The energy gate: sound must be louder than the noise of the line. Sans-IO."""

LEAST = -58.0
"""The lowest noise floor, dBm0. A line of which nothing was heard yet has it, too, since the first sound may be speech.
"""
ABOVE = 10.0
"""Decibels above the noise floor at which a sound begins."""
AUDIBLE = -38.0
"""The least level of a sound, dBm0."""
DOWN, UP = 0.3, 0.02
"""Share of the difference by which the floor moves towards the level of a slot without sound: a quieter slot, and a
louder one."""
WHOLE = 100
"""Slots of a sound (2 s) whose quietest is noise: speech has gaps."""


class NoiseFloor:
    """Follows the noise of a line: down at once, up slowly, and by the gaps only while somebody speaks.

    Only sound that is no voice raises it: a line that sends nothing while its caller is silent has no noise to learn.
    """

    def __init__(self) -> None:
        self._set(LEAST)
        self._heard = False
        """Whether the line had a slot without sound since it was connected."""
        self._least = 0.0
        """The level of the quietest slot of the present sound; `_slots` is the number of its slots."""
        self._slots = 0

    def follow(self, level: float, slots: int = 1) -> None:
        """Take the level of so many slots without sound."""
        self._slots, self._heard = 0, True
        rate = DOWN if level < self._floor else UP
        self._set(self._floor + (level - self._floor) * min(1.0, rate * slots))

    def sound(self, level: float) -> bool:
        """Take the level of one slot of a sound, dBm0; returns whether the sound has enough slots for `learn`."""
        if level < self._least or not self._slots:
            self._least = level
        self._slots += 1
        return self._slots >= WHOLE

    def learn(self, most: float) -> None:
        """Take the quietest slot of the present sound for noise; the gate stays below `most` (dBm0)."""
        self._set(max(self._floor, min(self._least, most - ABOVE)))
        self._slots = 0

    def refused(self) -> None:
        """Note that the present sound is no voice. If the line has had no other sound since it was connected, this
        sound is its noise."""
        if not self._heard and self._slots:
            self._set(max(self._floor, self._least))
            self._slots = 0

    def _set(self, floor: float) -> None:
        self._floor = max(LEAST, floor)
        self.gate = max(AUDIBLE, self._floor + ABOVE)
        """The level in dBm0 above which there is a sound."""
