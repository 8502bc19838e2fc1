"""Background voices: recognised by their level, compared with voices that were answered before. Sans-IO.

The level of a voice is uncertain at first: within 2.4 dB after 0.16 s of it, within 1.1 dB after 0.5 s (one standard
deviation). So a voice in doubt is judged later, when more of it was heard.
"""

import math

BELOW_USUAL, IN_SILENCE = 4.0, 6.0
"""Decibels below the caller's usual level at which a voice is at once theirs: while the agent speaks, and otherwise."""
ABOVE_STEADY = 7.0
"""Decibels above the background at which a voice is at once the caller's."""
DOUBT = 3.0
"""Decibels by which both are lower for a voice that was listened to for long enough."""
AT_ONCE, IN_DOUBT = 0.16, 0.6
"""Seconds of voice after which a level is taken for what it seems, and for what it is."""
FAR = 12.0
"""Decibels below the caller's usual level at which a voice that goes on is surely somebody else's."""
LEARNING, LOUDER = 0.3, 0.7
"""Weight of the latest voice, and of one in the background that is louder than those before."""
STEADY = 1.0
"""Seconds of voice without words that are a background and not a cough or a murmur."""


class Background:
    """Learns from voices whose words were answered, and from voices without words."""

    def __init__(self) -> None:
        self._usual: float | None = None
        """Level at which the caller speaks, dBm0."""
        self._steady: float | None = None
        """Level of speech, music or noise in the background."""
        self.known = False
        """Whether one was heard to go on when the caller had stopped, or far from them: they were not alone. A voice of
        which no words came may be the caller's."""
        self._refused = 0
        """Voices in a row of which no words came."""

    def least(self, seconds: float, *, agent_speaks: bool) -> float | None:
        """The level in dBm0 that the caller's voice has at least, after so many seconds of it; None if nothing is
        known yet."""
        if self._usual is None and self._steady is None:
            return None
        usual, steady = -math.inf, -math.inf
        if self._usual is not None:
            usual = self._usual - (BELOW_USUAL if agent_speaks else IN_SILENCE)
        if self._steady is not None:
            steady = self._steady + ABOVE_STEADY
        return max(usual, steady) - DOUBT * min(1.0, max(0.0, (seconds - AT_ONCE) / (IN_DOUBT - AT_ONCE)))

    def confirmed(self, level: float) -> None:
        """Words of a voice with this level were answered."""
        self._usual = _follow(self._usual, level)
        self._refused = 0
        if self._steady is not None and self._steady + ABOVE_STEADY - DOUBT > level:
            self._steady, self.known = None, False

    def goes_on(self, level: float) -> None:
        """A voice with this level went on when the caller had stopped."""
        self._steady, self.known = _follow(self._steady, level, LOUDER), True

    def refused(self, level: float, seconds: float) -> None:
        """A voice with this level was not the caller's; a short one may have been a murmur, the next one not."""
        self._refused += 1
        self.known |= self._usual is not None and level < self._usual - FAR
        murmured = self._usual is not None and level > self._usual - BELOW_USUAL
        if seconds >= STEADY or (self._refused > 1 and not murmured):
            louder = self._steady is not None and level > self._steady
            self._steady = _follow(self._steady, level, LOUDER if louder else LEARNING)


def _follow(known: float | None, level: float, weight: float = LEARNING) -> float:
    return level if known is None else known + weight * (level - known)
