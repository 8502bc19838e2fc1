"""Short phrases of the caller's languages, and the meaning of a text that consists of them. Sans-IO."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

from agent.turn_taking.words import QUESTIONS, words_of

LONGEST_PHRASE = 4
"""Number of words in the longest phrase."""
NAMES = {"c": "see", "m": "mm", "o": "oh"}
"""Letters whose names a recogniser writes for a sound or a word that is said like them ("M-M-I-C")."""
_BETWEEN_LETTERS = str.maketrans(dict.fromkeys("-.,!", " "))


class PhraseSet(frozenset[str]):
    """Phrases, with every beginning of a phrase."""

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """Every beginning of a phrase, letter by letter: the forms of a phrase that is cut off."""
        return frozenset(phrase[:end] for phrase in self for end in range(1, len(phrase) + 1))


def left_over(words: Sequence[str], phrases: PhraseSet, *, final: bool = True) -> list[str]:
    """Words of `words` that belong to none of the `phrases`: as few as possible, in order.

    Of words that are not `final` the last one may be cut off.
    """
    steps: list[tuple[int, int, bool]] = [(0, 0, True)] * (len(words) + 1)
    for at in reversed(range(len(words))):
        # How many are left over from here on, where the rest begins, and whether what is in front of it is a phrase.
        step = (steps[at + 1][0] + 1, at + 1, False)
        for end in range(at + 1, min(at + LONGEST_PHRASE, len(words)) + 1):
            part = " ".join(words[at:end])
            known = phrases if final or end < len(words) else phrases.beginnings
            if part in known and steps[end][0] < step[0]:
                step = (steps[end][0], end, True)
        steps[at] = step
    found, at = [], 0
    while at < len(words):
        _, end, spoken = steps[at]
        found += [] if spoken else [words[at]]
        at = end
    return found


def _says(words: Sequence[str], phrases: PhraseSet, *, final: bool) -> bool:
    """Whether one of the `phrases` stands in `words`, or, if they are not `final`, may be complete with the words to
    come."""
    for at in range(len(words)):
        for end in range(at + 1, min(at + LONGEST_PHRASE, len(words)) + 1):
            known = phrases if final or end < len(words) else phrases.beginnings
            if " ".join(words[at:end]) in known:
                return True
    return False


def _named(letters: Iterable[str]) -> list[str]:
    """Words that these letters sound like, each by its name."""
    return [NAMES.get(letter, letter) for letter in letters]


@dataclass(frozen=True)
class Lexicon:
    """The short phrases, each kind in all languages together."""

    fillers: frozenset[str] = frozenset()
    """Sounds that answer nothing, as "hmm"."""
    greetings: frozenset[str] = frozenset()
    """Greetings of callers when a call is answered; the agent's greeting is the reply to them."""
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
    def _acknowledging(self) -> PhraseSet:
        return PhraseSet(self.nods | self.fillers | self.little)

    @cached_property
    def _hummed(self) -> PhraseSet:
        """Sounds and words that show that the caller listens, also letter by letter ("O-K", "M-H-M")."""
        whole = self.nods | self.fillers
        return PhraseSet(whole.union(" ".join(_named(one)) for one in whole if one.isalpha()))

    @cached_property
    def _humming(self) -> PhraseSet:
        return PhraseSet(self._hummed | self.little)

    @cached_property
    def _nodding(self) -> PhraseSet:
        return PhraseSet(self.nods)

    @cached_property
    def _answering(self) -> PhraseSet:
        return PhraseSet(self.answers | self.courtesy | self.fillers)

    @cached_property
    def _answers(self) -> PhraseSet:
        return PhraseSet(self.answers)

    def content(self, text: str, *, final: bool = True) -> list[str]:
        """The words of `text` that say something: they neither agree nor belong to words that agree."""
        return left_over(words_of(text), self._acknowledging, final=final)

    def interruption(self, content: Sequence[str]) -> str:
        """The word of `content` by which it interrupts however short it is, as "stop" in "hey, stop"; else empty."""
        return next((word for word in content if word in self.interrupts), "")

    def agrees(self, text: str, *, final: bool = True) -> bool:
        """Whether `text` only agrees or shows that the caller listens, in any combination of phrases, and asks nothing.

        While the text is not `final`, a word that interrupts does not agree: "no" may be the whole text, or become "no
        problem".
        """
        words = words_of(text)
        if text.rstrip().endswith(QUESTIONS) or (words and not final and words[-1] in self.interrupts):
            return False
        if self.content(text, final=final):
            return False
        return self.fillers.issuperset(words) or _says(words, self._nodding, final=final)

    def listens(self, text: str, *, final: bool = True) -> bool:
        """Whether `text`, while the agent speaks and asks nothing, shows only that the caller listens: it agrees, or is
        a hum that a recogniser has written as letters."""
        return self.agrees(text, final=final) or self._is_hum(text)

    def _is_hum(self, text: str) -> bool:
        """Whether `text` is nothing but letters that sound like an acknowledgement, and spell no other word."""
        letters = text.lower().translate(_BETWEEN_LETTERS).split()
        if not set(ascii_lowercase).issuperset(letters):
            return False
        words = _named(letters)
        return not left_over(words, self._humming) and _says(words, self._hummed, final=True)

    def answers_yes_or_no(self, text: str) -> bool:
        """Whether `text` says yes or no, and nothing that needs more words."""
        words = words_of(text)
        return not left_over(words, self._answering) and _says(words, self._answers, final=True)
