"""The changes of `agent.hearing` from the energy and the pitch of the caller's sound: no echo, no background."""

from math import log10

from agent import ulaw as sound
from agent.hearing.changes import Change, Evidence, Kind
from agent.line import SAMPLE_RATE
from agent.vad import HANGOVER, ONSET, VOICED, WINDOW, VoiceActivity, is_voiced

NEEDED = VOICED
"""Seconds of pitch that make a sound a voice, while the agent is silent."""
PROBABLE = 0.9
"""Taken for the probability of a voice with so much pitch."""
OVER_SPEECH = 0.16
"""The same over the agent's speech."""
MOST = 0.5
"""The same on a line that has made the agent pause for nothing again and again."""
CLOSELY = 0.7
"""Seconds after the caller's last sound: by then most recognisers have ended the turn."""
PENDING, SPEAKING, IDLE = 0.02, 0.04, 0.1
"""Seconds of sound at a time while the caller may be beginning or ending, speaks on, and otherwise."""


class EnergyVoice:
    """The caller's voice, by `agent.vad.VoiceActivity`."""

    def __init__(self) -> None:
        self.speaking = False
        """Whether the caller speaks: between the start and the end of a voice."""
        self._activity = VoiceActivity()
        self._before = b""
        self._rest = b""
        self._loud = self._voiced = 0.0
        self._began = self._ended = self._arrived = 0.0
        self._over = OVER_SPEECH
        self._piece = IDLE

    @property
    def undecided(self) -> bool:
        """Whether there is a sound of which it is not known yet whether it is the caller."""
        return self._activity.pending or (self._activity.active and not self.speaking)

    def feed(self, ulaw: bytes, at: float, played: bytes = b"") -> list[Change]:
        """Take sound whose last sample arrived `at`; `played` is not empty while the agent speaks."""
        self._arrived, self._rest = at, self._rest + ulaw
        whole = len(self._rest) - len(self._rest) % WINDOW
        taken, self._rest = self._rest[:whole], self._rest[whole:]
        end = at - len(self._rest) / SAMPLE_RATE
        return [
            change
            for place in range(0, whole, WINDOW)
            for change in self._take(
                taken[place : place + WINDOW], end - (whole - place - WINDOW) / SAMPLE_RATE, over=bool(played)
            )
        ]

    def _take(self, window: bytes, at: float, *, over: bool) -> list[Change]:
        activity, before, self._before = self._activity, self._before, window
        changes = activity.feed(window)
        seconds = WINDOW / SAMPLE_RATE
        if not activity.active and not activity.pending and not changes:
            self._loud = self._voiced = 0.0
            return []
        self._loud += seconds
        if before and is_voiced(before + window):
            self._voiced += seconds
        if changes and changes[-1].onset:
            self._began = at - ONSET
        if changes and not changes[-1].onset:
            self._ended = at - HANGOVER
            kind = Kind.VOICE_ENDED if self.speaking else Kind.SHORT_VOICE if self._voiced >= NEEDED else Kind.NOISE
            self.speaking = False
            return [self._change(kind, self._ended, window)]
        needed = self._over if over else NEEDED
        if activity.active and not self.speaking and self._voiced >= needed - 1e-9:
            self.speaking = True
            return [self._change(Kind.VOICE_STARTED, self._began, window)]
        return []

    def _change(self, kind: Kind, at: float, window: bytes) -> Change:
        length = max(0.02, self._loud - (HANGOVER if kind is not Kind.VOICE_STARTED else 0.0))
        probability = min(PROBABLE, PROBABLE * self._voiced / VOICED)
        level = 20.0 * log10(max(1.0, sound.level(window)) / 32768.0) + 3.0
        return Change(kind, at, Evidence(probability, length, level, self._over))

    def confirmed(self) -> None:
        """Words of the last voice were answered."""
        self._over = OVER_SPEECH

    def false_alarm(self) -> None:
        """A reply was paused for it, and no words came."""
        self._over = min(MOST, 1.5 * self._over)

    def reset(self) -> None:
        """Another line."""
        self._over = OVER_SPEECH

    def wants(self) -> float | None:
        """In pieces of how many seconds sound is wanted from now on; None if as before. Each costs the same."""
        before, active = self._piece, self._activity.active
        if self.undecided or (not active and self._arrived - self._ended < CLOSELY):
            self._piece = PENDING
        else:
            self._piece = SPEAKING if active else IDLE
        return self._piece if self._piece != before else None
