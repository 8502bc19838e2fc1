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
OPENS = 1.0
"""Seconds after the beginning of a call in which its line brings the first packet, unless it sends only speech."""
LATELY = 10.0
"""Seconds for which nobody is thought to be behind the caller after such a silence; and of a voice without such a
silence that is not the caller's, if it was on when the call began."""


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
        self._opened = -math.inf
        """When the call began, then its line; minus infinity on any other line."""
        self.first: Sound | None = None
        """A sound that was on when the call began, as long as nothing shows whose it is. A television is one; people
        who make or take a call seldom speak in its first 0.1 s."""

    def open(self, at: float) -> None:
        """The call begins."""
        self._opened = at

    def begin_line(self) -> None:
        """The line begins, as far as it can be heard: whatever was quiet before does not count."""
        self._audible, self._alone = math.inf, -math.inf

    def listen(self, at: float) -> None:
        """There is a sound on the line, whatever it is, or the line begins."""
        if self._audible == math.inf:
            self._opened = at if at - self._opened <= OPENS else -math.inf
        elif at - self._audible >= (QUIET_AT_FIRST if self._is_new else QUIET):
            self._alone = at
            self._behind.hear_again()
        if self.first is not None and at - self.first.began >= LATELY:
            self.first = None
        self._is_new = self._audible == math.inf
        self._audible = at

    def meet(self, sound: Sound) -> None:
        """A sound begins."""
        if sound.began - self._opened < QUIET_AT_FIRST:
            self.first = sound

    def presume(self, sound: Sound, *, is_voice: bool) -> None:
        """It is decided what the first sound is: a voice is taken for somebody behind the caller until it is proven."""
        if sound is self.first and is_voice:
            self.background.goes_on(sound.level)
        elif sound is self.first:
            self.first = None

    @property
    def alone_at(self) -> float:
        """When the line will have been quiet for so long that its first voice was the caller; infinite without one."""
        return math.inf if self.first is None else self._audible + QUIET

    def take_first(self) -> Sound | None:
        """The first voice, which was the caller, and so was all since then."""
        if (sound := self.first) is not None:
            self.forget()
            sound.lasted(self._audible)
        return sound

    def begin(self, sound: Sound, at: float) -> None:
        """A voice of the caller was told."""
        if at - self.last.heard >= RECENT:
            self._behind = Behind()
        self._behind.begin()
        self._one_before, self.last = self.last, sound

    def go_on(self, sound: Sound, level: float, at: float) -> None:
        """A loud slot while it is on."""
        if self._behind.take(level):
            sound.stressed = at

    def refuse(self, sound: Sound) -> None:
        """It was a voice for long, and too quiet to be the caller's: the quiet before it tells nothing any more."""
        self.background.refused(sound.level, sound.seconds)
        self._alone = -math.inf
        self.go_by(sound)

    def go_by(self, sound: Sound) -> None:
        """A voice is over or refused, and was too quiet to be the caller's.

        Soon after theirs it is one that goes on behind them, as if there had been no gap between the two.
        """
        if self.others or sound.began - self.last.heard >= RECENT:
            return
        self._behind.pass_by(sound.level, sound.voice)
        if (behind := self._left) is not None:
            self.background.goes_on(behind)
            self._behind.hear_again()

    @property
    def others(self) -> bool:
        """Whether somebody is known, or presumed, to be behind the caller."""
        return self.background.known or self.first is not None

    @property
    def _left(self) -> float | None:
        return self._behind.level(alone=self._audible - self._alone < LATELY)

    def is_left(self, sound: Sound) -> bool:
        """Whether the caller has stopped, and somebody else goes on behind them."""
        if not self._behind.slots or (behind := self._left) is None:
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
            self.first = None
        elif self.background.known and self._audible > sound.heard:
            left, sound.heard, self.first = True, max(sound.stressed, sound.voice_began), None
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
        if not self.others:
            return True
        if present is not None and present.voice_began - EARLY <= at <= present.stressed + LATE:
            return True
        return any(began - EARLY <= at <= until + LATE for began, until in self._times)

    def forget(self) -> None:
        """Forget the caller's voice: any next voice is the caller, however quiet."""
        self.background, self._behind, self.first = Background(), Behind(), None
