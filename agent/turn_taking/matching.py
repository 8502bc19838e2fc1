"""Compares transcripts of one turn: which words come again, though the recogniser writes them in another way."""

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from math import inf
from typing import NamedTuple

from agent.turn_taking.words import Words, words_of

TOUCHING = 0.04
"""Seconds by which a word may begin before the one in front of it has ended: sound arrives unevenly."""
ANEW = 0.5
"""Seconds after the answered words from which on the same words are said again, where a session was lost."""
ALIKE = 0.5
"""Share of the words in the shorter text that must come again in the longer one, if both are of one turn. Of two texts
for the same sound it is the share of letters."""
SHIFTED = 1
"""Words by which a revised text may be longer or shorter, if only the last word of it is known again."""


class Known(NamedTuple):
    """Answered part of a turn: the words as they were then, from the first one on."""

    words: tuple[str, ...] = ()
    until: float = inf
    """When the sound of the last of these words had arrived."""


NOTHING = Known()


class Placed(NamedTuple):
    """A word at its place in a turn."""

    word: str
    ended: float
    """The latest time at which the sound of the word may have ended."""


class _Unit(NamedTuple):
    """Unit by which transcripts are compared: a word, or one figure of a number."""

    text: str
    word: int
    """The number of the word that this unit is, or is a part of."""
    is_figure: bool
    is_numeral: bool

    @property
    def folded(self) -> str:
        """The text of the unit, with one sign for all numbers: a number may be figures in one transcript and words in
        the other."""
        return "#" if self.is_figure or self.is_numeral else self.text


def _units(words: Sequence[str], numerals: Collection[str]) -> list[_Unit]:
    units = []
    for number, word in enumerate(words):
        text = "".join(words_of(word))
        parts = list(text) if text.isdigit() else [text]
        units += [_Unit(part, number, part.isdigit(), part in numerals) for part in parts]
    return units


def _divided(words: list[str], units: list[_Unit], count: int) -> tuple[str, int]:
    """The text of `words`, and how many of its words the first `count` of their `units` are. If the last of these units
    is inside a number, the number is divided there."""
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


def place(text: str, known: Known, words: Words, numerals: Collection[str]) -> tuple[str, int]:
    """How many of the words of `text`, which belongs to the transcript `words`, are `known` already; and the text.

    A text that only goes on shows that by itself. For a text that is written differently, the times of the words
    decide, or else the words that come again. In the returned text, figures of which only a part was answered are
    divided there.
    """
    new = text.split()
    timed = len(words.began) == len(new) > 0 and known.until < inf
    if not known.words or (timed and words.began[0] >= known.until + ANEW):
        return text, 0
    old, told = _units(known.words, numerals), _units(new, numerals)
    figures = {unit.is_figure for unit in (*old, *told) if unit.is_numeral or unit.is_figure}
    mixed = len(figures) > 1  # numbers stand as figures and as words: any number matches any other
    one, other = ([unit.folded if mixed else unit.text for unit in units] for units in (old, told))
    if one[: len(other)] == other[: len(one)]:
        return _divided(new, told, len(one))
    same = words.ended <= known.until < inf
    if words.others and same:
        return text, len(new)
    if timed:
        count = sum(began < known.until - TOUCHING for began in words.began)
        return text, count if _sound_alike(old, [unit for unit in told if unit.word < count]) else 0
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    last = blocks[-2] if len(blocks) > 1 else blocks[-1]
    # The last word that was answered comes again, at about the same place.
    boundary = last.size > 0 and last.a + last.size == len(old) and abs(last.b - last.a) <= SHIFTED
    if sum(block.size for block in blocks) < ALIKE * min(len(old), len(told)) and not boundary:
        return text, len(new) if same and _sound_alike(old, told) else 0
    return _divided(new, told, last.b + last.size + len(old) - (last.a + last.size))


def _sound_alike(old: list[_Unit], told: list[_Unit]) -> bool:
    """Whether words for the same sound only differ in spelling and are no correction: "yeah" for "yes", but not "no"
    for "yes"."""
    if any(unit.is_figure for unit in old) != any(unit.is_figure for unit in told):
        return True
    one, other = (" ".join(unit.text for unit in units) for units in (old, told))
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE


def is_same(word: str, told: str, numerals: Collection[str]) -> bool:
    """Whether a word comes again, perhaps in another spelling."""
    return word == told or _sound_alike(_units([word], numerals), _units([told], numerals))
