"""One sound of a line: how long and how loud it was, and how much of it was a voice. Sans-IO."""

import math
from dataclasses import dataclass

from agent.hearing.levels import SECONDS, SILENT

SOFT = 12.0
"""Decibels below the level of a voice that do not count for its level."""


@dataclass
class Sound:
    """One sound, from its first loud slot to the quiet after it. Times in seconds."""

    began: float
    heard: float
    """When it was loud last."""
    loud: int = 0
    """Slots in which it was loud, and those of them that were a voice."""
    voice: int = 0
    before: int = 0
    """Loud ones in front of the voice, and those of them that were a voice although they were not told as one."""
    late: int = 0
    voice_began: float = 0.0
    sure: float = 0.0
    """Sum of the probabilities of all slots of voice, or of all loud ones before there is a voice."""
    power: float = 0.0
    """Sum of the powers of the same slots; 1 being 0 dBm0."""
    recent: float = SILENT
    """Level of the last 0.1 s or so, dBm0."""
    margin: float = 0.0
    """Sum of their differences to the predicted echo."""
    stressed: float = 0.0
    """When there was a syllable of the level of its voice last."""
    looked: float = 0.0
    """When it was last decided what it is."""
    worded: bool | None = None
    """Whether words of it came; None while that is open."""

    def take(self, at: float, level: float, margin: float, probability: float, *, voiced: bool) -> None:
        """A loud slot, which ends `at`, while it is not decided what the sound is."""
        if voiced and not self.voice:
            self.voice_began, self.power, self.sure, self.margin = max(self.began, at - 4 * SECONDS), 0.0, 0.0, 0.0
            self.before = self.loud
        if voiced or not self.voice:
            self.power += 10 ** (level / 10)
            self.sure += probability
            self.margin += margin
        self.voice += voiced
        self.loud += 1
        self.heard = at

    def go_on(self, at: float, level: float, probability: float | None) -> None:
        """A loud slot of a voice, with the probability that it is one, if it was judged."""
        self.heard = at
        if level > self.level - SOFT:
            slots = self.voice or self.loud or 1
            self.take(
                at, level, self.margin / slots, self.sure / slots if probability is None else probability, voiced=True
            )

    def lasted(self, until: float) -> None:
        """Its voice went on until then, as loud and as certain as it was so far."""
        slots = round((until - self.voice_began) / SECONDS)
        times = slots / self.voice
        self.power, self.sure, self.margin = self.power * times, self.sure * times, self.margin * times
        self.voice, self.late, self.heard = slots, 0, until

    def mean(self, total: float) -> float:
        """Of a sum over the slots of voice, or over all loud ones."""
        return total / (self.voice or self.loud or 1)

    @property
    def seconds(self) -> float:
        """Of its voice."""
        return round((self.voice + self.late) * SECONDS, 2)

    @property
    def level(self) -> float:
        """Of its voice, dBm0."""
        return 10 * math.log10(self.power / (self.voice or self.loud or 1)) if self.power else SILENT
