"""The caller's words that are not answered yet: each stands in it once, however often the recogniser reports it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import inf
from typing import NamedTuple

LATE = 3.0
"""Seconds for which a recogniser may still report what was answered before it said that it was all."""
ALIKE = 0.5
"""Share of the words of the shorter text that come again in the longer one, if both are of one turn."""
SHIFTED = 1
"""Words by which a revised text may be longer or shorter, if only the last word of it is known again."""

QUESTIONS = ("?", "？")
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])+")  # vowel signs of Indian scripts are not \w


def words_of(text: str) -> list[str]:
    """The words of `text`, lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("-", "").replace("'", "").replace("’", ""))


def is_made_of(text: str, phrases: Collection[str], *, final: bool = True) -> bool:
    """Whether `text` consists of `phrases` of up to four words (see `words_of`) and is no question.

    Of a text that is not `final` the last one may be cut off.
    """
    if text.rstrip().endswith(QUESTIONS):
        return False
    words, reached = words_of(text), {0}
    for start in range(len(words)):
        if start in reached:
            rest = " ".join(words[start:])
            if not final and any(phrase.startswith(rest) for phrase in phrases):
                return True
            ends = range(start + 1, min(start + 4, len(words)) + 1)
            reached.update(end for end in ends if " ".join(words[start:end]) in phrases)
    return len(words) in reached


class Words(NamedTuple):
    """A transcript: the words of the recogniser's current turn, which replace those before. Times are of the clock."""

    text: str
    final: bool = False
    """Whether the recogniser's turn ends with them."""
    eager: bool = False
    """Whether they will probably be all."""
    ended: float = inf
    """When the sound of the last word arrived; infinite if the recogniser does not tell."""
    began: tuple[float, ...] = ()
    """When the sound of each of them began to arrive, if the recogniser tells."""
    others: bool = False
    """Whether there were words of somebody behind the caller, which are left out."""


@dataclass
class _Spoken:
    """One turn of the recogniser, or keys."""

    text: str
    final: bool
    taken: int = 0
    """How many of its words are answered."""
    ended: float = inf
    """When the sound of the last of them arrived."""
    until: float = inf
    """When that of the last one that is answered did."""
    before: int = 0
    """How many were, before they were answered last."""
    doubted: int | None = None
    """How many were in front of those that may be an echo; None if none may."""

    @property
    def rest(self) -> str:
        return " ".join(self.text.split()[self.taken :])


class _Unit(NamedTuple):
    """What transcripts are compared by: a word, or one figure of a number."""

    text: str
    word: int
    """The number of the word that it is or stands in."""
    is_figure: bool
    is_numeral: bool

    @property
    def folded(self) -> str:
        return "#" if self.is_figure or self.is_numeral else self.text


def _units(words: list[str], numerals: Collection[str]) -> list[_Unit]:
    units = []
    for number, word in enumerate(words):
        text = "".join(words_of(word))
        parts = list(text) if text.isdigit() else [text]
        units += [_Unit(part, number, part.isdigit(), part in numerals) for part in parts]
    return units


def _divided(words: list[str], units: list[_Unit], count: int) -> tuple[str, int]:
    """The text of `words`, and how many of its words the first `count` of their `units` are; a number is taken apart
    there."""
    if count >= len(units):
        return " ".join(words), len(words)
    if count <= 0:
        return " ".join(words), 0
    number = units[count].word
    inside = sum(unit.word == number for unit in units[:count])
    if not inside:
        return " ".join(words), number
    figures = [at for at, char in enumerate(words[number]) if char.isdigit()]
    parts = [words[number][: figures[inside]], words[number][figures[inside] :]]
    return " ".join([*words[:number], *parts, *words[number + 1 :]]), number + 1


class WordLog:
    """The words of one caller."""

    def __init__(self) -> None:
        self._spoken: list[_Spoken] = []
        self._heard: _Spoken | None = None
        self._taken_at = -inf
        self.last_at = -inf
        """When words came last."""
        self.final_at = -inf
        """When the recogniser said last that words were all."""

    @property
    def text(self) -> str:
        """What is not answered yet."""
        return " ".join(rest for one in self._spoken if (rest := one.rest))

    @property
    def complete(self) -> bool:
        """Whether the recogniser has said of all of it that it is final."""
        return all(one.final for one in self._spoken if one.rest)

    def hear(self, words: Words, now: float, numerals: Collection[str] = ()) -> str:
        """Take a transcript; returns what of it is not answered. `numerals` are digits as words."""
        current = next((one for one in self._spoken if not one.final), None)
        if current is None:
            current = _Spoken("", final=False)
            self._spoken.append(current)
        self._heard = current
        text = words.text
        if current.taken:
            text, taken = self._place(current, words, now, numerals)
            current.taken = min(taken, len(text.split()))
            current.before = min(current.before, current.taken)
            current.doubted = current.doubted if current.doubted is None else min(current.doubted, current.taken)
        said, current.text, current.final, current.ended = current.rest, text, words.final, words.ended
        if current.rest and current.rest != said:
            self.last_at = now
        if words.final and current.text:
            self.final_at = now
        return current.rest

    def _place(self, current: _Spoken, words: Words, now: float, numerals: Collection[str]) -> tuple[str, int]:
        """How many of the words are those that were answered: by their times, else by what they are.

        The text comes with it: figures that were answered in part are taken apart there.
        """
        new, old = words.text.split(), current.text.split()[: current.taken]
        if len(words.began) == len(new) and current.until < inf:
            return words.text, sum(began < current.until for began in words.began)
        if words.others and words.ended <= current.until < inf:
            return words.text, len(new)
        known, told = _units(old, numerals), _units(new, numerals)
        figures = {unit.is_figure for unit in (*known, *told) if unit.is_numeral or unit.is_figure}
        wild = len(figures) > 1  # digits as words in one of them, figures in the other: which ones cannot be compared
        one, other = ([unit.folded if wild else unit.text for unit in units] for units in (known, told))
        blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
        last = blocks[-2] if len(blocks) > 1 else blocks[-1]
        # The last word that was answered comes again, at about the same place.
        boundary = last.size > 0 and last.a + last.size == len(known) and abs(last.b - last.a) <= SHIFTED
        if sum(block.size for block in blocks) < ALIKE * min(len(known), len(told)) and not boundary:
            return words.text, len(new) if words.ended <= current.until < inf else 0
        if len(told) <= len(known) and now >= self._taken_at + LATE:
            return words.text, 0
        return _divided(new, told, last.b + last.size + len(known) - (last.a + last.size))

    def press(self, keys: str, now: float) -> None:
        """Note keys behind what was said until now."""
        self._spoken.append(_Spoken(f"[pressed {' '.join(keys)}]", final=True))
        self.last_at = now

    def note(self, text: str) -> None:
        """Note words that were set aside, in front of what is not answered."""
        self._spoken.insert(0, _Spoken(text, final=True))

    def take(self, now: float) -> str:
        """All of it is answered now."""
        text, self._taken_at = self.text, now
        self._spoken = [one for one in self._spoken if one.rest or not one.final]
        for one in self._spoken:
            one.before, one.taken, one.until, one.doubted = one.taken, len(one.text.split()), one.ended, None
        return text

    def give_back(self) -> None:
        """What was taken last was not answered after all."""
        for one in self._spoken:
            one.taken = min(one.before, one.taken)

    def forget(self, now: float, *, doubtful: bool = False) -> None:
        """The words that came last were no turn; or, if it is `doubtful`, they may have been an echo."""
        if (last := self._heard) is not None:
            if not doubtful:
                last.doubted = None
            elif last.doubted is None:
                last.doubted = last.taken
            last.before = last.taken = len(last.text.split())
            last.until, self._taken_at = last.ended, now

    @property
    def doubted(self) -> str:
        """The words of the recogniser's present turn that may be an echo, with those behind them."""
        last = self._heard
        return " ".join(last.text.split()[last.doubted :]) if last is not None and last.doubted is not None else ""

    def trust(self) -> str:
        """They are the caller's after all; returns what of the turn is not answered."""
        last = self._heard
        if last is None:
            return ""
        if last.doubted is not None:
            last.before = last.taken = last.doubted
            last.until, last.doubted = inf, None
        return last.rest
