"""How patient we are with this caller: with their silence, and with pauses in the middle of a sentence. Sans-IO."""

from dataclasses import dataclass

MARGIN = 0.2
"""Seconds that are waited beyond the pause that the caller has lately made in the middle of a sentence."""
FORGETTING = 0.7
"""What remains of that wait after each turn in which it was not needed."""
ASKED_AGAIN = (2, 5)
"""How often in a row the caller is asked to say it again before the ears have failed: while they have understood
nothing at all, and once they have, so that what was not understood may have been a noise."""
LONGEST_SILENCE = 60.0
"""Seconds of silence after which the caller is asked at the latest, unless the first question comes later still."""


@dataclass
class Patience:
    """Learned from one caller."""

    most: int
    """How often it is asked whether somebody is there."""
    limit: float
    """Longest pause in the middle of a sentence that is waited for, in seconds."""
    asked: int = 0
    unheard: int = 0
    """How often in a row it made sounds like speech and nothing was understood."""
    understood: bool = False
    """Whether anything ever was."""
    quiet_from: float = 0.0
    """Since when the caller has said nothing that was understood, and pressed no key."""
    away: bool = False
    """Whether it has put us on hold, and need not say anything."""
    wait: float = 0.0
    """Seconds that are waited after words that seem to be all: 0 until the caller has shown that they may not be."""
    pause: float = 0.0
    """Seconds of silence that complete the parts which are being collected."""

    @property
    def at_end(self) -> bool:
        """Whether it was asked often enough."""
        return self.asked >= self.most

    def silence(self, first: float) -> float:
        """Seconds of silence before the next question: twice as long each time, because a caller who is looking for
        a card, or whom a PBX has parked, comes back when they come back. `first` is the first one's."""
        return max(first, min(first * (1 << self.asked), LONGEST_SILENCE))

    @property
    def deaf(self) -> bool:
        """Whether the ears have failed."""
        return self.unheard > ASKED_AGAIN[self.understood]

    def went_on(self, after: float) -> None:
        """The caller went on, so long after the turn had seemed complete."""
        if after <= self.limit:
            self.wait = min(self.limit, self.wait + after + MARGIN)

    def answered(self) -> None:
        """The turn was complete."""
        self.wait = self.wait * FORGETTING if self.wait > MARGIN else 0.0
