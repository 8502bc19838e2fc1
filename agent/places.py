"""Maps positions in a spoken text to the text as it was written; `agent.speakable` changes it for the voice."""

import re
from bisect import bisect_right
from collections.abc import Callable
from difflib import SequenceMatcher

MATCHED = 2000
"""Characters of a text whose words are matched one by one, two minutes of speech: the time grows with their square."""


def places(text: str, spoken: str) -> Callable[[int], int]:
    """Function from a number of characters of `spoken`, which was made of `text`, to the number of characters of `text`
    that are then said.

    Only whole words count. A word that became several words is said with the last of them. In a text longer than
    `MATCHED` the place is an estimate.
    """
    if text == spoken:
        return lambda letters: letters
    if len(text) > MATCHED:
        return lambda letters: letters * len(text) // len(spoken)
    ours, theirs = ([(word[0], word.end()) for word in re.finditer(r"\S+", one)] for one in (text, spoken))
    said = [0] * len(theirs)
    matcher = SequenceMatcher(None, [word for word, _ in ours], [word for word, _ in theirs], autojunk=False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        before = ours[first - 1][1] if first else 0
        said[begin:end] = [ours[first + at][1] if tag == "equal" else before for at in range(end - begin)]
        if tag == "replace":
            said[end - 1] = ours[last - 1][1]
    if ours and said:
        said[-1] = ours[-1][1]  # signs after the last word are not spoken
    ends = [end for _, end in theirs]
    return lambda letters: said[at - 1] if (at := bisect_right(ends, letters)) else 0
