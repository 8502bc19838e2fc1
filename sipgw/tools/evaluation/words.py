"""Compares a transcript with an utterance: wrong words, wrong entities. Sans-IO."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.providers.local.brain.numbers import runs
from agent.turn_taking.words import words_of
from sipgw.tools.evaluation.eval_set import EntityOptions

_DIGIT = re.compile(r"(\d)")
_DOLLARS = re.compile(r"\$\s?([\d,]*\d(?:\.\d+)?)")
_ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)\b")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class WordComparison(NamedTuple):
    """The comparison of one utterance with its transcript."""

    text: str
    wrong: int
    """Word errors: insertions, deletions and substitutions."""
    words: int
    """Number of words in the utterance."""
    missed: tuple[EntityOptions, ...]
    """Entities that the transcript does not contain in an accepted form."""


def compared(said: str, heard: str, entities: Sequence[EntityOptions]) -> WordComparison:
    """Compare the transcript with the spoken words. Case, punctuation and the spelling of digits do not count."""
    wanted, got = plain(said), plain(heard)
    missed = tuple(entity for entity in entities if not any(contains(heard, form) for form in entity.value))
    return WordComparison(heard, wrong_words(got, wanted), len(wanted), missed)


def plain(text: str) -> list[str]:
    """The words of `text`, numbers as single digits: "Seven 34, please." is ``7 3 4 please``, "3rd" is 3."""
    lower = _ORDINAL.sub(r"\1", _DOLLARS.sub(r"\1 dollars", text.lower()))
    at, pieces = 0, list[str]()
    for run in runs(lower):
        pieces += [lower[at : run.start], " ".join(run.digits.lstrip("+"))]
        at = run.end
    words = [
        str(_ORDINALS.index(word) + 1) if word in _ORDINALS else word
        for word in words_of(" ".join([*pieces, lower[at:]]))
    ]
    return [one for word in words for one in _DIGIT.sub(r" \1 ", word).split()]


def contains(heard: str, form: str) -> bool:
    """Whether the transcript `heard` contains `form` as whole words and numbers, however letters and digits are
    separated."""
    words, wanted = plain(heard), "".join(plain(form))
    for first in range(len(words)):
        if first and words[first - 1].isdigit() and words[first].isdigit():
            continue  # not in the middle of a number
        joined = ""
        for last in range(first, len(words)):
            joined += words[last]
            if len(joined) >= len(wanted):
                break
        after = words[last + 1 : last + 2]
        if joined == wanted and not (after and after[0].isdigit() and words[last].isdigit()):
            return True
    return False


def wrong_words(heard: Sequence[str], said: Sequence[str]) -> int:
    """The number of words to insert, delete or substitute in `heard` to get `said` (Levenshtein distance)."""
    row = list(range(len(said) + 1))
    for at, word in enumerate(heard, start=1):
        before, row[0] = row[0], at
        for place, other in enumerate(said, start=1):
            before, row[place] = row[place], min(before + (word != other), row[place] + 1, row[place - 1] + 1)
    return row[-1]
