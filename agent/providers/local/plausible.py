"""Checks whether a decoded text can have been said in its sound: by repetitions, words per second, and the places of
its tokens.

A decoder that loops, or that goes on after the end of the speech, writes tokens for which no sound is left. An
alignment cannot go back in time, so it puts all these tokens at one moment. They were never said.
"""

import re
from collections.abc import Sequence

from agent.turn_taking.words import words_of

INSTANT = 0.04
"""Minimum seconds of sound of a token that was really said. The decoder works in steps of 0.02 s."""
UNHEARD = 2
"""Number of tokens in a row without sound that shows that a text is invented. A single one may be a syllable of a long
word."""
WORDS_PER_SECOND = 6.0
"""Maximum words per second that people say, except for a word or two."""
SPARE = 2
LONG = 12.0
"""Seconds of speech without a pause from which on a person says at least so many words per second. A text with fewer
words was invented from several voices at once."""
LEAST_PER_SECOND = 0.8
_REPEATED = re.compile(r"\b(\w+)(?: \1){2}\b|\b(\w+(?: \w+){1,11}) \2\b")
_LOOP = re.compile(r"\b(\w+(?: \w+){2,5})(?: \1){2}\b|\b(\w+ \w+)(?: \2){3}\b|\b(\w+)(?: \3){7}\b")


def is_suspect(text: str, seconds: float) -> bool:
    """Whether `text` repeats itself, or has more words than are said in `seconds`."""
    units = _units(text)
    return len(units) > words_in(seconds) or bool(_REPEATED.search(" ".join(units)))


def loops(text: str) -> bool:
    """Whether words or digits repeat: three or more of them three times in a row, two of them four times, or one eight
    times."""
    return bool(_LOOP.search(" ".join(_units(text))))


def is_thin(text: str, seconds: float) -> bool:
    """Whether `text` has so few words for a long sound that they cannot be what was said."""
    return seconds > LONG and len(_units(text)) < seconds * LEAST_PER_SECOND


def _units(text: str) -> list[str]:
    """The words of `text`, with each digit of a number as a word of its own."""
    return [unit for word in words_of(text) for unit in (word if word.isdigit() else [word])]


def words_in(seconds: float) -> int:
    """The maximum number of words that can be said in `seconds`."""
    return SPARE + int(seconds * WORDS_PER_SECOND)


def heard(tokens: Sequence[str], starts: Sequence[float]) -> int:
    """The number of tokens, from the first one, that have sound. `starts` has the second at which each token begins,
    and the end of the last one."""
    spoken = [number for number, token in enumerate(tokens) if any(map(str.isalnum, token.lstrip("Ġ")))]
    run = 0
    for place, number in enumerate(spoken):
        following = spoken[place + 1] if place + 1 < len(spoken) else len(tokens)
        run = run + 1 if starts[following] - starts[number] < INSTANT else 0
        if run == UNHEARD:
            return spoken[place - UNHEARD + 1]
    return len(tokens)


def shortened(text: str, seconds: float) -> str:
    """The beginning of `text` that can be said in `seconds`."""
    return " ".join(text.split()[: words_in(seconds)])
