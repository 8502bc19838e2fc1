"""Finds the beginning and end of a caller's turn: probabilities of speech and texts go in, steps come out. Sans-IO.

A pause asks for a guess (a speculative decode). If the pause lasts, the guess becomes the turn; if the caller goes on,
the guess is dropped. Words that sound unfinished, and numbers, get more time. Speech without a pause is recognised in
pieces, which are cut at the quietest place.
"""

import re
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

RATE = 8000
WINDOW = 256
"""Samples judged at a time (32 ms)."""
SPEECH = 0.5
"""Probability at which speech begins."""
SILENCE = 0.35
"""Probability below which speech pauses."""
ONSET = 3
"""Windows of speech that make an onset (96 ms); a shorter sound is a click."""
PREROLL = 0.35
"""Seconds of sound before the onset that belong to the words."""
EARLY = 1.2
"""Seconds of a turn without a pause, `PREROLL` included, after which its first words are recognised, and again whenever
it is twice as long. An agent that stopped because of a voice waits for these words."""
BEFORE = 0.15
"""Seconds of sound before the onset that belong to the words, if other people were heard before the caller."""
PIECE = 25.0
"""Seconds of speech without a pause after which a piece is cut off; the recogniser takes 30 at most."""
SEARCH = 5.0
"""Seconds at the end of a piece in which the quietest place is searched."""
PIECES = 6
"""Maximum pieces of a turn. Then the turn ends although the sound goes on: a radio, music, or a person who talks
without a pause."""


@dataclass(frozen=True)
class Pauses:
    """How long a pause may last, in seconds."""

    guess: float = 0.22
    turn: float = 0.40
    unfinished: float = 0.90


class Act(Enum):
    """An action that the endpointer decides."""

    ONSET = "tell that the caller speaks, from `start` on"
    DECODE = "understand the sound from `start` to `end` and give the text back under `end`"
    EARLY = "the same, if nothing else waits to be understood"
    PART = "tell that `text` was said so far, and that the caller goes on"
    STABLE = "tell that `text` is probably the turn"
    FINAL = "tell that `text` is the turn"


class EndpointStep(NamedTuple):
    """An action and its subject. Positions are samples since the session began."""

    act: Act
    start: int
    end: int
    text: str = ""


class Endpointer:
    """The turns of one caller."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._position = 0
        self._theirs: bool | None = None
        """Whether speech is the caller's now, if other people are heard, too; None: all speech counts as the
        caller's."""
        self._run = 0
        """Number of windows of speech in a row."""
        self._first = -1
        """Position at which the turn begins; negative between turns."""
        self._start = 0
        """Position at which the part of the turn begins that is not cut off in a piece yet."""
        self._end = 0
        """Position at which the last speech ended."""
        self._asked = -1
        """Position at which the sound of the last guess ends."""
        self._guess: str | None = None
        """Text of the last guess; None while it is not known, or if it is no longer needed."""
        self._pieces: dict[int, str | None] = {}
        """Pieces that were cut off, by their ends, and their texts once they are known."""
        self._early = 0
        """Position at which the words end that were recognised early, before a pause."""
        self._quietest = (1.0, 0)
        """The lowest probability of speech near the end of a piece, and its position."""

    @property
    def speaking(self) -> bool:
        """Whether a turn has begun that has not ended."""
        return self._first >= 0

    def judge(self, probability: float) -> list[EndpointStep]:
        """Take the probability of speech for the next window."""
        self._position += WINDOW
        speech = self._theirs is not False and probability >= (SILENCE if self._run else SPEECH)
        self._run = self._run + 1 if speech else 0
        if not self.speaking:
            return self._begin(self._position - ONSET * WINDOW, PREROLL) if self._run >= ONSET else []
        if self._run >= 2:  # a single window is a click, and does not make the guess invalid
            self._end = self._position
            self._guess, self._asked = None, -1
        return self._begin_early() + self._cut(probability) + self._guess_or_end()

    def follow(self, speaking: bool | None, at: int) -> list[EndpointStep]:
        """Note that from position `at` on, shortly ago, the caller speaks (True), or only other people do (False).
        None: all speech counts as the caller's again. A turn that others would have prolonged ends at `at`.
        """
        self._theirs = speaking
        if speaking and not self.speaking:
            self._run = ONSET
            return self._begin(at, BEFORE)
        if speaking is False and self.speaking and at < self._end:
            self._run, self._end = 0, max(at, self._start)
            self._guess, self._asked = None, -1
            return self._guess_or_end()
        return []

    def wanted(self, end: int) -> bool:
        """Whether the text of the sound that ends at `end` is still needed."""
        return self.speaking and (end == self._asked or self._pieces.get(end, "") is None or self._is_early(end))

    def _is_early(self, end: int) -> bool:
        return end == self._early and self._asked < 0 and not self._pieces

    def understood(self, end: int, text: str) -> list[EndpointStep]:
        """Take the text of the sound that ends at `end`. A text that is no longer `wanted` changes nothing."""
        if not self.wanted(end):
            return []
        if self._is_early(end):
            return [EndpointStep(Act.PART, self._first, end, text)] if text else []
        if end in self._pieces:
            self._pieces[end] = text
            return self._finish() or [EndpointStep(Act.PART, self._first, end, self._so_far())]
        self._guess = text
        whole = self._whole()
        stable = [EndpointStep(Act.STABLE, self._first, self._end, whole)] if whole else []
        return stable + self._finish()

    def _begin(self, began: int, before: float) -> list[EndpointStep]:
        self._first = self._start = max(0, began - int(before * RATE))
        self._end = self._position
        self._guess, self._asked = None, -1
        self._pieces = {}
        self._early = self._first
        self._quietest = (1.0, 0)
        return [EndpointStep(Act.ONSET, began, self._position)]

    def _begin_early(self) -> list[EndpointStep]:
        due = max(EARLY * RATE, 2 * (self._early - self._first))
        if not self._run or self._asked >= 0 or self._pieces or self._position - self._first < due:
            return []
        self._early = self._position
        return [EndpointStep(Act.EARLY, self._first, self._position)]

    def _cut(self, probability: float) -> list[EndpointStep]:
        length = (self._position - self._start) / RATE
        if length >= PIECE - SEARCH and probability <= self._quietest[0]:
            self._quietest = (probability, self._position)
        if length < PIECE or self._asked >= 0:
            return []
        start, self._start = self._start, self._quietest[1] or self._position
        self._pieces[self._start] = None
        self._quietest = (1.0, 0)
        return [EndpointStep(Act.DECODE, start, self._start)]

    def _guess_or_end(self) -> list[EndpointStep]:
        pause = (self._position - self._end) / RATE
        if self._asked < 0 and pause >= self._pauses.guess:
            self._asked = self._end
            if self._end > self._start:
                return [EndpointStep(Act.DECODE, self._start, self._end)]
            self._guess = ""  # the pieces have all words
        return self._finish()

    def _finish(self) -> list[EndpointStep]:
        whole = self._whole()
        if whole is None:
            return []
        if len(self._pieces) < PIECES:
            if self._guess is None:
                return []
            limit = self._pauses.unfinished if sounds_unfinished(whole) else self._pauses.turn
            if (self._position - self._end) / RATE < limit:
                return []
        end, first = self._end, self._first
        self._first, self._run = -1, 0
        return [EndpointStep(Act.FINAL, first, end, whole)]

    def _so_far(self) -> str:
        """The text of the first pieces; empty if it is not known yet."""
        known = takewhile(lambda part: part is not None, self._pieces.values())
        return " ".join(part for part in known if part)

    def _whole(self) -> str | None:
        """The text of the turn so far; None while a piece of it is not recognised yet."""
        parts = [*self._pieces.values(), self._guess or ""]
        return None if None in parts else " ".join(part for part in parts if part)


_DANGLING = re.compile(
    r"(?:,|\.\.\.|…|-|—|\b(?:and|but|or|because|the|a|an|my|um|uh|number is|it's))\W*$", re.IGNORECASE
)
_DIGITS_AT_END = re.compile(
    r"(?:\d|\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double))\W*$", re.IGNORECASE
)


def sounds_unfinished(text: str) -> bool:
    """Whether more words are likely: `text` ends within a sentence, or with a number (people pause between digits)."""
    return bool(_DANGLING.search(text) or _DIGITS_AT_END.search(text))
