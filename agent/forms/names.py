"""Names of persons. The spelling after a word replaces the word."""

import re
from difflib import SequenceMatcher

from agent.forms.spoken import unnamed

ALIKE = 0.6
"""Least likeness, 0 to 1, at which spelled letters are the spelling of the word before them."""
_CASED = re.compile(r"[A-ZÀ-ÖØ-Þ][^\W\d_A-ZÀ-ÖØ-Þ]")
"""A capital with a small letter after it: the text has correct capitals."""
_SPELLED = re.compile(r"(?:\w[-.])+\w\W?")


def spelled(value: str) -> str:
    """The name in `value`, with its spelling applied. Words in capitals are a spelling only after a comma; otherwise
    the name is written in capitals."""
    names: list[str] = []
    run = ""
    apart = False
    for word in [*unnamed(value).split(), ""]:
        letters = re.sub(r"\W", "", word)
        if len(letters) == 1 and letters.isalpha():
            run += letters
            continue
        _spell(names, run)
        run = ""
        many, written = len(letters) > 2, word.strip(",.;")
        known = names[-1:] == [written.title()]
        if _SPELLED.fullmatch(word) and (many or _is_spelling(letters, names)):
            _spell(names, letters)
        elif many and letters.isupper() and (known or (apart and _is_spelling(letters, names))):
            names[-1] = written.title()
        elif letters:
            names.append(written.title() if many and letters.isupper() else written)
        apart = word[-1:] in (",", ".", ";")
    if not _CASED.search(value):  # written by a recogniser without capitals
        names = [part.title() if part.islower() else part for part in names]
    return " ".join(names)


def _spell(names: list[str], letters: str) -> None:
    """`letters` take the place of the last name if they are its spelling; one or two others are initials."""
    if _is_spelling(letters, names):
        if names[-1].casefold() != letters.casefold() or names[-1].islower():
            names[-1] = letters.title()
    elif len(letters) > 2:
        names.append(letters.title())
    else:
        names += [f"{one.upper()}." for one in letters]


def _is_spelling(letters: str, names: list[str]) -> bool:
    """Whether they spell the last name. Two letters spell no longer one: after "Mae", M. A. are initials."""
    last = names[-1].lower() if names else ""
    possible = len(letters) > 2 or len(letters) == len(last) == 2
    return possible and SequenceMatcher(None, last, letters.lower()).ratio() >= ALIKE
