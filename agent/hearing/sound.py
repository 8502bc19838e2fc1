"""One sound of a line: how long and how loud it was, and how much of it was a voice. Sans-IO."""

import math
from dataclasses import dataclass

from agent.hearing.levels import SECONDS, SILENT

SOFT = 12.0
"""Decibels below the level of a voice. Quieter slots do not count for the level of that voice."""


@dataclass
class Sound:
    """One sound, from its first loud slot to the quiet after it. Times in seconds."""

    began: float
    heard: float
    """When the sound was loud last."""
    loud: int = 0
    """Number of its loud slots. `voice` is the number of slots that were a voice."""
    voice: int = 0
    before: int = 0
    """Number of loud slots before the voice. `late` is the number of those that count as voice, because the judge
    reports a voice late."""
    late: int = 0
    voice_began: float = 0.0
    sure: float = 0.0
    """Sum of the probabilities of voice, over all slots of voice; before there is a voice, over all loud slots."""
    power: float = 0.0
    """Sum of the powers of the slots that `sure` is about; the power 1 is 0 dBm0."""
    recent: float = SILENT
    """Level of the last 0.1 s or so, dBm0."""
    margin: float = 0.0
    """Sum of the decibels by which the slots that `sure` is about are above the expected echo."""
    stressed: float = 0.0
    """When a syllable as loud as its voice was heard last."""
    looked: float = 0.0
    """When the kind of the sound was decided last."""
    worded: bool | None = None
    """Whether words of the sound came; None while that is not known."""

    def take(self, at: float, level: float, margin: float, probability: float, *, voiced: bool) -> None:
        """Take a loud slot that ends `at`, while the kind of the sound is not decided."""
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
        """Take a loud slot of a voice. `probability`: that the slot is a voice; None if it was not judged."""
        self.heard = at
        if level > self.level - SOFT:
            slots = self.voice or self.loud or 1
            self.take(
                at, level, self.margin / slots, self.sure / slots if probability is None else probability, voiced=True
            )

    def lasted(self, until: float) -> None:
        """Note that the voice went on until then, as loud and as certain as it was so far."""
        slots = round((until - self.voice_began) / SECONDS)
        times = slots / self.voice
        self.power, self.sure, self.margin = self.power * times, self.sure * times, self.margin * times
        self.voice, self.late, self.heard = slots, 0, until

    def mean(self, total: float) -> float:
        """The mean of `total`, a sum over the slots of voice, or over all loud slots before there is a voice."""
        return total / (self.voice or self.loud or 1)

    @property
    def seconds(self) -> float:
        """Seconds of voice in the sound."""
        return round((self.voice + self.late) * SECONDS, 2)

    @property
    def level(self) -> float:
        """Level of the voice in dBm0."""
        return 10 * math.log10(self.power / (self.voice or self.loud or 1)) if self.power else SILENT
