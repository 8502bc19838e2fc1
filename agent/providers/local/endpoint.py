"""When a caller's turn begins and ends: probabilities of speech go in, jobs and decisions come out. Sans-IO.

A pause makes a guess (a speculative decode); if the pause lasts, the guess becomes the turn; if the caller goes on, it
is thrown away. Words that sound unfinished, and numbers, are given more time.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

WINDOW = 256
"""Samples judged at a time (32 ms)."""
SPEECH = 0.5
SILENCE = 0.35
STEP = WINDOW / 8000
"""Seconds that one probability stands for."""
ONSET = 3
"""Windows of speech that make an onset (96 ms)."""
PREROLL = 0.35
"""Seconds of sound before the onset that belong to the words."""
LONGEST = 25.0
"""Seconds after which a turn is taken although the caller goes on."""


@dataclass(frozen=True)
class Pauses:
    """How long a pause may last, in seconds."""

    guess: float = 0.22
    turn: float = 0.40
    unfinished: float = 0.90


class Act(Enum):
    """What to do."""

    ONSET = "tell that the caller speaks"
    GUESS = "understand what was said so far"
    COMMIT = "the turn is complete"


class Step(NamedTuple):
    """What to do, and the sound (from sample, to sample) that it is about."""

    act: Act
    start: int
    end: int


class Endpointer:
    """The turn of one caller. Positions are samples since the session began."""

    def __init__(self, pauses: Pauses) -> None:
        self.text = ""
        """What the last guess understood; to be set by the owner."""
        self.number_expected = False
        self._pauses = pauses
        self._position = 0
        self._run = 0
        self._start = -1
        self._end = 0
        self._guessed = False
        self._known = False

    @property
    def speaking(self) -> bool:
        """Whether a turn has begun."""
        return self._start >= 0

    def judge(self, probability: float) -> list[Step]:
        """Take the probability for the next window."""
        self._position += WINDOW
        speech = probability >= (SILENCE if self._run else SPEECH)
        self._run = self._run + 1 if speech else 0
        if not self.speaking:
            return self._maybe_begin()
        if speech and self._run >= 2:
            self._end = self._position
            self._guessed = self._known = False
        return self._maybe_end()

    def understood(self, text: str, end: int) -> bool:
        """A guess has been understood; whether it still is about all that was said."""
        if not self.speaking or end != self._end:
            return False
        self.text, self._known = text, True
        return True

    def _maybe_begin(self) -> list[Step]:
        if self._run < ONSET:
            return []
        self._start = max(0, self._position - ONSET * WINDOW - int(PREROLL * 8000))
        self._end = self._position
        self._guessed = self._known = False
        self.text = ""
        return [Step(Act.ONSET, self._start, self._position)]

    def _maybe_end(self) -> list[Step]:
        pause = (self._position - self._end) / 8000
        steps: list[Step] = []
        if pause >= self._pauses.guess and not self._guessed:
            self._guessed = True
            steps.append(Step(Act.GUESS, self._start, self._end))
        too_long = self._position - self._start > LONGEST * 8000
        if too_long or (self._known and pause >= self._limit()):
            steps.append(Step(Act.COMMIT, self._start, self._end))
            self._start = -1
            self._run = 0
        return steps

    def _limit(self) -> float:
        unfinished = self.number_expected or sounds_unfinished(self.text)
        return self._pauses.unfinished if unfinished else self._pauses.turn


_DANGLING = re.compile(r"(?:,|\.\.\.|…|-|—|\b(?:and|but|or|because|the|a|an|my|um|uh))\W*$", re.IGNORECASE)
_DIGITS_AT_END = re.compile(
    r"(?:\d|\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double))\W*$", re.IGNORECASE
)


def sounds_unfinished(text: str) -> bool:
    """Whether more words are likely: a dangling word, or a number being dictated."""
    return bool(_DANGLING.search(text) or _DIGITS_AT_END.search(text))
