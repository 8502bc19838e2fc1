"""Whether a decoded text can have been said in its sound: repetitions, words a second, where tokens were heard.

A decoder that loops, or that goes on after the speech has ended, says tokens for which nothing is left of the sound.
An alignment, which may not go back in time, puts all of them at one moment. They were never said.
"""

import re
from collections.abc import Sequence

from agent.turn_taking.words import words_of

INSTANT = 0.04
"""Seconds; a token that takes less of the sound was not heard in it. The decoder sees steps of 0.02 s."""
UNHEARD = 2
"""Tokens in a row that were not heard, from which on a text is invented; one alone is a syllable of a long word."""
WORDS_PER_SECOND = 6.0
"""More than that is not said, but for a word or two."""
SPARE = 2
LONG = 12.0
"""Seconds of speech without a pause in which somebody says at least so many words a second; a text with fewer is
invented from many voices at once."""
LEAST_PER_SECOND = 0.8
_REPEATED = re.compile(r"\b(\w+)(?: \1){2}\b|\b(\w+(?: \w+){1,11}) \2\b")
_LOOP = re.compile(r"\b(\w+(?: \w+){2,5})(?: \1){2}\b|\b(\w+ \w+)(?: \2){3}\b|\b(\w+)(?: \3){7}\b")


def is_suspect(text: str, seconds: float) -> bool:
    """Whether `text` repeats itself, or has more words than are said in `seconds`."""
    units = _units(text)
    return len(units) > words_in(seconds) or bool(_REPEATED.search(" ".join(units)))


def loops(text: str) -> bool:
    """Whether words or figures come again: three or more three times in a row, two four times, one eight times."""
    return bool(_LOOP.search(" ".join(_units(text))))


def is_thin(text: str, seconds: float) -> bool:
    """Whether a long sound has so few words that they are not what was said in it."""
    return seconds > LONG and len(_units(text)) < seconds * LEAST_PER_SECOND


def _units(text: str) -> list[str]:
    """Words, and each figure of a number."""
    return [unit for word in words_of(text) for unit in (word if word.isdigit() else [word])]


def words_in(seconds: float) -> int:
    """How many words can be said in `seconds`."""
    return SPARE + int(seconds * WORDS_PER_SECOND)


def heard(tokens: Sequence[str], starts: Sequence[float]) -> int:
    """How many of the tokens were heard. `starts` has the second at which each begins, and the end of the last one."""
    spoken = [number for number, token in enumerate(tokens) if any(map(str.isalnum, token.lstrip("Ġ")))]
    run = 0
    for place, number in enumerate(spoken):
        following = spoken[place + 1] if place + 1 < len(spoken) else len(tokens)
        run = run + 1 if starts[following] - starts[number] < INSTANT else 0
        if run == UNHEARD:
            return spoken[place - UNHEARD + 1]
    return len(tokens)


def shortened(text: str, seconds: float) -> str:
    """`text` without the words for which `seconds` are too short."""
    return " ".join(text.split()[: words_in(seconds)])
