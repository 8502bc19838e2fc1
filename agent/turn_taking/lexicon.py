"""The small words of the languages that the caller may speak, and what a text is that consists of them. Sans-IO."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.turn_taking.words import QUESTIONS, words_of

LONGEST_PHRASE = 4
"""Words of the longest phrase."""


def left_over(words: Sequence[str], phrases: Collection[str], *, final: bool = True) -> list[str]:
    """Those of `words` that belong to none of the `phrases`: as few as possible, in order.

    Of words that are not `final` the last one may be cut off.
    """
    steps: list[tuple[int, int, bool]] = [(0, 0, True)] * (len(words) + 1)
    for at in reversed(range(len(words))):
        # How many are left over from here on, where the rest begins, and whether what is in front of it is a phrase.
        step = (steps[at + 1][0] + 1, at + 1, False)
        for end in range(at + 1, min(at + LONGEST_PHRASE, len(words)) + 1):
            part = " ".join(words[at:end])
            cut_off = end == len(words) and not final and any(phrase.startswith(part) for phrase in phrases)
            if (cut_off or part in phrases) and steps[end][0] < step[0]:
                step = (steps[end][0], end, True)
        steps[at] = step
    found, at = [], 0
    while at < len(words):
        _, end, known = steps[at]
        found += [] if known else [words[at]]
        at = end
    return found


def _says(words: Sequence[str], phrases: Collection[str], *, final: bool) -> bool:
    """Whether one of the `phrases` stands in `words`, or may end them if they are not `final`."""
    for at in range(len(words)):
        parts = [" ".join(words[at:end]) for end in range(at + 1, min(at + LONGEST_PHRASE, len(words)) + 1)]
        if any(part in phrases for part in parts):
            return True
        last = parts[-1] if at + len(parts) == len(words) else ""
        if last and not final and any(phrase.startswith(last) for phrase in phrases):
            return True
    return False


@dataclass(frozen=True)
class Lexicon:
    """The small words, each kind in all languages together."""

    fillers: frozenset[str] = frozenset()
    """Sounds that answer nothing, as "hmm"."""
    greetings: frozenset[str] = frozenset()
    """What callers say when a call is answered; the agent's greeting is the reply to it."""
    nods: frozenset[str] = frozenset()
    """Words and phrases that agree or show that the caller listens."""
    little: frozenset[str] = frozenset()
    """Words that say nothing by themselves beside those, as "that" in "that's true"."""
    interrupts: frozenset[str] = frozenset()
    """Words that interrupt although they are short."""
    answers: frozenset[str] = frozenset()
    """Phrases that say yes or no."""
    courtesy: frozenset[str] = frozenset()
    """Phrases that may stand beside a yes or a no."""
    digits: frozenset[str] = frozenset()
    """Digits as words, and what stands between them."""
    teens: frozenset[str] = frozenset()
    """Words that are two digits, as "twelve"."""
    tens: frozenset[str] = frozenset()
    """Words that are two digits, also together with the digit that follows, as "twenty"."""

    @cached_property
    def numerals(self) -> frozenset[str]:
        """All words of numbers."""
        return self.digits | self.teens | self.tens

    @cached_property
    def _acknowledging(self) -> frozenset[str]:
        return self.nods | self.fillers | self.little

    @cached_property
    def _answering(self) -> frozenset[str]:
        return self.answers | self.courtesy | self.fillers

    def content(self, text: str, *, final: bool = True) -> list[str]:
        """The words of `text` that say something, because they neither agree nor stand beside what does."""
        return left_over(words_of(text), self._acknowledging, final=final)

    def agrees(self, text: str, *, final: bool = True) -> bool:
        """Whether `text` only agrees or shows that the caller listens, in whatever combination, and asks nothing.

        While it is not `final`, a word that interrupts is none: "no" may be all, or become "no problem".
        """
        words = words_of(text)
        if text.rstrip().endswith(QUESTIONS) or (words and not final and words[-1] in self.interrupts):
            return False
        if self.content(text, final=final):
            return False
        return self.fillers.issuperset(words) or _says(words, self.nods, final=final)

    def answers_yes_or_no(self, text: str) -> bool:
        """Whether `text` says yes or no, and nothing that needs more words."""
        words = words_of(text)
        return not left_over(words, self._answering) and _says(words, self.answers, final=True)
