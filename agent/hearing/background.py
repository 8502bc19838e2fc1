"""Which voices on the line are not the caller's: by level, compared with what was answered before. Sans-IO."""

UNDER_SPEECH, IN_SILENCE = 8.0, 14.0
"""Decibels below the caller's usual level at which a voice is still theirs: while the agent speaks, and otherwise."""
ABOVE = 4.0
"""Decibels by which the caller is louder than the background."""
LEARNING = 0.3
"""Weight of the latest voice."""
STEADY = 1.0
"""Seconds of voice without words that are a background and not a cough or a murmur."""


class Background:
    """Learned from voices whose words were answered, and from voices of which no words came."""

    def __init__(self) -> None:
        self._usual: float | None = None
        """Level at which the caller speaks, dBm0."""
        self._steady: float | None = None
        """Level of speech, music or noise in the background."""

    def least(self, *, agent_speaks: bool) -> float | None:
        """The level in dBm0 that the caller's voice has at least; None if nothing is known yet."""
        bounds = []
        if self._usual is not None:
            bounds.append(self._usual - (UNDER_SPEECH if agent_speaks else IN_SILENCE))
        if self._steady is not None:
            bounds.append(self._steady + ABOVE)
        return max(bounds, default=None)

    def confirmed(self, level: float) -> None:
        """Words of a voice with this level were answered."""
        self._usual = _follow(self._usual, level)
        if self._steady is not None and self._steady + ABOVE > level:
            self._steady = None

    def refused(self, level: float, seconds: float) -> None:
        """A voice with this level was not the caller's."""
        if seconds >= STEADY:
            self._steady = _follow(self._steady, level)


def _follow(known: float | None, level: float) -> float:
    return level if known is None else known + LEARNING * (level - known)
