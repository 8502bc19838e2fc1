"""Background voices: recognised by their level, compared with voices that were answered before. Sans-IO.

The level of a voice is uncertain at first: within 2.4 dB after 0.16 s of it, within 1.1 dB after 0.5 s (one standard
deviation). So a voice in doubt is judged later, when more of it was heard.
"""

import math

BELOW_USUAL, IN_SILENCE = 4.0, 6.0
"""Decibels below the caller's usual level at which a voice is at once taken for the caller's: while the agent speaks,
and while it is silent."""
ABOVE_STEADY = 7.0
"""Decibels above the background at which a voice is at once the caller's."""
DOUBT = 3.0
"""Decibels by which both limits above are lower for a voice that was heard for `IN_DOUBT` seconds."""
AT_ONCE, IN_DOUBT = 0.16, 0.6
"""Seconds of voice up to which the limits hold in full, and from which on they are lower by all of `DOUBT`."""
FAR = 12.0
"""Decibels below the caller's usual level at which a refused voice is surely somebody else's."""
LEARNING, LOUDER = 0.3, 0.7
"""Weight of the latest level in a learned one, and its weight in the level of the background if it is louder."""
STEADY = 1.0
"""Seconds of voice without words that are a background and not a cough or a murmur."""


class Background:
    """Learns the caller's level from voices with answered words, and the background's from voices without words."""

    def __init__(self) -> None:
        self._usual: float | None = None
        """Level at which the caller speaks, dBm0."""
        self._steady: float | None = None
        """Level of speech, music or noise in the background."""
        self.known = False
        """Whether there is a voice in the background: one went on after the caller had stopped, or one without words
        was much quieter than the caller. Without it, a voice that brought no words may still be the caller's."""
        self._refused = 0
        """Number of voices in a row that brought no words."""

    def least(self, seconds: float, *, agent_speaks: bool) -> float | None:
        """The lowest level, in dBm0, at which a voice is taken for the caller's after so many seconds of it. None if no
        level is known yet."""
        if self._usual is None and self._steady is None:
            return None
        usual, steady = -math.inf, -math.inf
        if self._usual is not None:
            usual = self._usual - (BELOW_USUAL if agent_speaks else IN_SILENCE)
        if self._steady is not None:
            steady = self._steady + ABOVE_STEADY
        return max(usual, steady) - DOUBT * min(1.0, max(0.0, (seconds - AT_ONCE) / (IN_DOUBT - AT_ONCE)))

    def confirmed(self, level: float) -> None:
        """Learn the caller's level: words of a voice with this level (dBm0) were answered."""
        self._usual = _follow(self._usual, level)
        self._refused = 0
        if self._steady is not None and self._steady + ABOVE_STEADY - DOUBT > level:
            self._steady, self.known = None, False

    def goes_on(self, level: float) -> None:
        """Learn the background's level: a voice with this level (dBm0) went on after the caller had stopped."""
        self._steady, self.known = _follow(self._steady, level, LOUDER), True

    def refused(self, level: float, seconds: float) -> None:
        """Learn from a voice that was not the caller's: its level in dBm0, and its length. A single short one may have
        been the caller's murmur, so it teaches nothing; the next one in a row does."""
        self._refused += 1
        self.known |= self._usual is not None and level < self._usual - FAR
        murmured = self._usual is not None and level > self._usual - BELOW_USUAL
        if seconds >= STEADY or (self._refused > 1 and not murmured):
            louder = self._steady is not None and level > self._steady
            self._steady = _follow(self._steady, level, LOUDER if louder else LEARNING)


def _follow(known: float | None, level: float, weight: float = LEARNING) -> float:
    return level if known is None else known + weight * (level - known)
