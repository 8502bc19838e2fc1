"""The voices on a line: the caller's, with their times, and voices in the background. Sans-IO."""

import math
from collections import deque

from agent.hearing.background import Background
from agent.hearing.behind import Behind
from agent.hearing.sound import Sound

KEPT = 32
"""Voices whose times are kept: of more than half a minute."""
EARLY, LATE = 0.2, 0.3
"""Seconds before the beginning of a voice, and after its end, in which words of it may be placed."""
RECENT = 3.0
"""Seconds after a voice in which the next one is compared with it."""
QUIET, QUIET_AT_FIRST = 1.0, 0.1
"""Seconds without any sound in which somebody who goes on and on, as a television does, would have been heard: before
any sound, and before the first one on a line."""
LATELY = 10.0
"""Seconds for which nobody is thought to be behind the caller after such a silence."""


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
        self._audible = math.inf
        """When there was a sound on the line last; infinite before the line begins."""
        self._is_new = False
        """Whether there was no sound yet since then."""
        self._alone = -math.inf
        """When it had been quiet for long enough last."""

    def begin_line(self) -> None:
        """The line begins, as far as it can be heard: whatever was quiet before does not count."""
        self._audible, self._alone = math.inf, -math.inf

    def listen(self, at: float) -> None:
        """There is a sound on the line, whatever it is, or the line begins."""
        if at - self._audible >= (QUIET_AT_FIRST if self._is_new else QUIET):
            self._alone = at
        self._is_new = self._audible == math.inf
        self._audible = at

    def begin(self, sound: Sound, at: float) -> None:
        """A voice of the caller was told."""
        if at - self.last.heard >= RECENT:
            self._behind = Behind()
        self._one_before, self.last = self.last, sound

    def go_on(self, sound: Sound, level: float, at: float) -> None:
        """A loud slot while it is on."""
        if self._behind.take(level):
            sound.stressed = at

    @property
    def _left(self) -> float | None:
        return self._behind.level(alone=self._audible - self._alone < LATELY)

    def is_left(self, sound: Sound) -> bool:
        """Whether the caller has stopped, and somebody else goes on behind them."""
        if (behind := self._left) is None:
            return False
        sound.heard = max(sound.stressed, sound.voice_began)
        self.background.goes_on(behind)
        return True

    def end(self, sound: Sound) -> tuple[bool, bool]:
        """It has ended: whether all of it was somebody else, and whether somebody else goes on.

        What is too quiet to be the caller's, where others are known, is somebody who goes on; so are soft sounds since
        the last loud syllable.
        """
        left = self._left is not None
        foreign = left and not sound.stressed
        if left:
            self._behind.hear_again()
        elif self.background.known and self._audible > sound.heard:
            left, sound.heard = True, max(sound.stressed, sound.voice_began)
        if foreign:
            self.last = self._one_before
        else:
            self.keep(sound)
        return foreign, left

    def keep(self, sound: Sound) -> None:
        """Keep when it was."""
        self._times.append((sound.voice_began, sound.heard))

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
        """Forget the caller's voice: any next voice is the caller, however quiet."""
        self.background, self._behind = Background(), Behind()
