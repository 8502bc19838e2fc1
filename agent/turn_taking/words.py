"""Transcripts of a recogniser, and the words in them."""

import re
from math import inf
from typing import NamedTuple

EARLY = 0.2
"""Seconds before the beginning of a voice in which the first word of it may be placed."""
SHORTEST = 0.12
"""Seconds that a word takes at least."""
QUESTIONS = ("?", "？")
SENTENCE_ENDS = (".", "?", "!", "。", "？", "！", "।", "…")
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])+")  # vowel signs of Indian scripts are not \w


def words_of(text: str) -> list[str]:
    """The words of `text`, lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("-", "").replace("'", "").replace("’", ""))


class Words(NamedTuple):
    """A transcript: the words of the recogniser's current turn, which replace those before. Times are of the clock."""

    text: str
    final: bool = False
    """Whether the recogniser's turn ends with these words."""
    eager: bool = False
    """Whether these are probably all words of the turn."""
    ended: float = inf
    """When the sound of the last word arrived; infinite if the recogniser does not tell."""
    began: tuple[float, ...] = ()
    """When the sound of each word began to arrive; empty if the recogniser does not tell."""
    others: bool = False
    """Whether there were words of somebody behind the caller, which are left out."""

    def ended_by(self, moment: float) -> int:
        """How many of them had sounded by then; all or none, if the recogniser does not tell when each began."""
        count = len(self.text.split())
        if self.ended <= moment:
            return count
        if len(self.began) != count:
            return 0
        return sum(began + SHORTEST <= moment for began in self.began[:-1])

    def last_began(self, count: int) -> float:
        """When the first of the last `count` words began; the latest possible time if the recogniser does not tell."""
        if count and len(self.began) == len(self.text.split()):
            return self.began[-count]
        return self.ended - SHORTEST * count
