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
"""Seconds after the caller's voice within which the next voice is compared with it."""
QUIET, QUIET_AT_FIRST = 1.0, 0.1
"""Seconds without any sound that show that nobody speaks behind the caller. A source that goes on and on, such as a
television, would have been heard in that time: before any sound, and before the first sound on a line."""
OPENS = 1.0
"""Seconds after the beginning of a call in which its line brings the first packet, unless it sends only speech."""
LATELY = 10.0
"""Seconds after such a silence for which nobody is assumed to be behind the caller. Also the seconds after which a
voice that was on when the call began, and had no such silence, is not the caller's."""


class Voices:
    """The voices of one line, as far as they are remembered."""

    def __init__(self) -> None:
        self.background = Background()
        self.last = Sound(-math.inf, -math.inf)
        """The last sound that was a voice of the caller."""
        self._one_before = self.last
        self._behind = Behind()
        self._times = deque[tuple[float, float]](maxlen=KEPT)
        """From when to when the caller spoke."""
        self._audible = math.inf
        """When the line last had a sound; infinite before the line begins."""
        self._is_new = False
        """Whether the sound at `_audible` was the first one on the line."""
        self._alone = -math.inf
        """When a silence ended last that showed that nobody was behind the caller."""
        self._opened = -math.inf
        """When the call began; from its first packet on, when its line began. Minus infinity on any later line."""
        self.first: Sound | None = None
        """A sound that was on when the call began, as long as nothing shows whose it is. A television is one; people
        who make or take a call seldom speak in its first 0.1 s."""

    def open(self, at: float) -> None:
        """Note when the call begins."""
        self._opened = at

    def begin_line(self) -> None:
        """Note that the line begins, or can be heard again: earlier silence does not count."""
        self._audible, self._alone = math.inf, -math.inf

    def listen(self, at: float) -> None:
        """Note that the line begins, or that it has a sound of any kind."""
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
        """Note that a sound begins; keep it as `first` if it was on when the call began."""
        if sound.began - self._opened < QUIET_AT_FIRST:
            self.first = sound

    def presume(self, sound: Sound, *, is_voice: bool) -> None:
        """Note the kind of the sound that was on when the call began. A voice is taken for somebody behind the caller,
        until a silence proves that it was the caller."""
        if sound is self.first and is_voice:
            self.background.goes_on(sound.level)
        elif sound is self.first:
            self.first = None

    @property
    def alone_at(self) -> float:
        """When the line will have been quiet for so long that its first voice was the caller; infinite without one."""
        return math.inf if self.first is None else self._audible + QUIET

    def take_first(self) -> Sound | None:
        """Take the voice in `first` for the caller's, with all sound since then; returns it."""
        if (sound := self.first) is not None:
            self.forget()
            sound.lasted(self._audible)
        return sound

    def begin(self, sound: Sound, at: float) -> None:
        """Note that a voice of the caller has begun."""
        if at - self.last.heard >= RECENT:
            self._behind = Behind()
        self._behind.begin()
        self._one_before, self.last = self.last, sound

    def go_on(self, sound: Sound, level: float, at: float) -> None:
        """Take a loud slot of the caller's voice, with its level in dBm0."""
        if self._behind.take(level):
            sound.stressed = at

    def refuse(self, sound: Sound) -> None:
        """Note a long voice that is too quiet to be the caller's: the silence before it does not show any more that
        nobody is behind the caller."""
        self.background.refused(sound.level, sound.seconds)
        self._alone = -math.inf
        self.go_by(sound)

    def go_by(self, sound: Sound) -> None:
        """Note a voice that is over or refused, and that was too quiet to be the caller's.

        Soon after the caller's voice it is taken for somebody who goes on behind the caller, without the gap between
        the two.
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
        """Note that the caller's voice has ended. Returns whether all of it was somebody else, and whether somebody
        else goes on.

        Where others are known, sound that is too quiet to be the caller's is somebody who goes on. So are soft sounds
        since the last loud syllable.
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
        """Keep the times of the sound's voice."""
        self._times.append((sound.voice_began, sound.heard))

    def include(self, at: float, present: Sound | None) -> bool:
        """Whether a word that was heard `at` may be the caller's. If nobody is known to speak behind the caller, any
        word may.

        Otherwise only words in a voice that was loud enough to be the caller's may. `present`: the voice that is on.
        """
        if not self.others:
            return True
        if present is not None and present.voice_began - EARLY <= at <= present.stressed + LATE:
            return True
        return any(began - EARLY <= at <= until + LATE for began, until in self._times)

    def forget(self) -> None:
        """Forget the caller's voice: any next voice is the caller, however quiet."""
        self.background, self._behind, self.first = Background(), Behind(), None
