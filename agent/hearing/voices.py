"""Whose voices were heard on a line: the caller's, with their times, and somebody's behind them. Sans-IO."""

import math
from collections import deque

from agent.hearing.background import Background
from agent.hearing.behind import Behind
from agent.hearing.sound import Sound

KEPT = 32
"""Voices whose times are kept: of more than half a minute."""
EARLY, LATE = 0.2, 0.3
"""Seconds before the beginning of a voice, and after its end, in which words of it may be placed."""
TRAILS = 0.8
"""Seconds for which a caller may become quiet at the end of a phrase; who goes on for longer is somebody else."""
RECENT = 3.0
"""Seconds after a voice in which the next one is compared with it."""


class Voices:
    """All that is remembered of the voices of one line."""

    def __init__(self) -> None:
        self.background = Background()
        self.last = Sound(-math.inf, -math.inf)
        """The last sound that was a voice of the caller."""
        self._one_before = self.last
        self._behind = Behind()
        self._times = deque[tuple[float, float]](maxlen=KEPT)
        """From when to when the caller spoke."""

    def begin(self, sound: Sound, at: float) -> None:
        """A voice of the caller was told."""
        if at - self.last.heard >= RECENT:
            self._behind = Behind()
        self._one_before, self.last = self.last, sound

    def go_on(self, sound: Sound, level: float, at: float) -> None:
        """A loud slot while it is on."""
        if self._behind.take(level):
            sound.stressed = at

    def is_left(self, sound: Sound) -> bool:
        """Whether the caller has stopped, and somebody else goes on behind them."""
        if (behind := self._behind.level) is None:
            return False
        sound.heard = max(sound.stressed, sound.voice_began)
        self.background.goes_on(behind)
        return True

    def end(self, sound: Sound) -> tuple[bool, bool]:
        """It has ended: whether all of it was somebody else, and whether somebody else goes on."""
        left = self._behind.level is not None
        foreign = left and not sound.stressed
        if left:
            self._behind.hear_again()
        if foreign:
            self.last = self._one_before
        else:
            self.keep(sound)
        return foreign, left

    def keep(self, sound: Sound) -> None:
        """Keep when it was."""
        self._times.append((sound.voice_began, sound.heard))

    def over(self, sound: Sound) -> None:
        """A sound that was not the caller's any more has ended: if that was soon, the caller had only become quiet."""
        if sound is self.last and self._times and sound.heard - sound.stressed < TRAILS:
            self.background.take_back()
            self._times[-1] = sound.voice_began, sound.heard

    def include(self, at: float, present: Sound | None) -> bool:
        """Whether a word that was heard then may be the caller's: any, unless somebody is known to speak behind them.

        Then only words in a voice that was loud enough to be the caller's are. `present`: the voice that is on.
        """
        if not self.background.known:
            return True
        if present is not None and present.voice_began - EARLY <= at <= present.stressed + LATE:
            return True
        return any(began - EARLY <= at <= until + LATE for began, until in self._times)

    def forget(self) -> None:
        """Whoever speaks next is the caller, however quiet."""
        self.background, self._behind = Background(), Behind()
