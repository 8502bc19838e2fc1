"""Turns spoken numbers, as a recogniser writes them, into strings of digits, and digits into spoken form.

Sans-IO.
"""

import re
from typing import NamedTuple

TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+|[^\sa-z0-9]")
MAX_TEXT = 1000
"""Maximum characters of one utterance in which numbers are searched; a caller says 1000 in about a minute."""

DIGITS = {
    "zero": 0, "oh": 0, "o": 0, "nought": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "fife": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "niner": 9,
}  # fmt: skip
TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
TIMES = {"double": 2, "triple": 3, "treble": 3}
SOUNDS_LIKE = {"for": 4, "fore": 4, "to": 2, "too": 2, "ate": 8, "won": 1, "tree": 3, "sex": 6}
"""Words that a recogniser writes for a digit. They count as digits only in the middle or at the end of a row of
digits."""
FILLERS = frozenset({"uh", "um", "er", "erm", "uhm", "and", "then", "dash", "hyphen", "space", ",", ".", "-", "(", ")"})
"""Words allowed between two digits of one number."""


class FoundDigits(NamedTuple):
    """A row of digits found in a text."""

    digits: str
    """The digits, with a leading ``+`` if the caller said so."""
    start: int
    """Index of its first character in the lower-cased text."""
    end: int
    """Index after its last character."""


class _Tokens:
    """The words of an utterance with a reading position."""

    def __init__(self, text: str) -> None:
        found = list(TOKEN.finditer(text[:MAX_TEXT].lower()))
        self.words = [match.group() for match in found]
        self.spans = [match.span() for match in found]

    def word(self, at: int) -> str:
        return self.words[at] if 0 <= at < len(self.words) else ""

    def is_number(self, at: int) -> bool:
        word = self.word(at)
        return bool(re.fullmatch("[0-9]+", word)) or word in DIGITS or word in TEENS or word in TENS or word in TIMES

    def past_fillers(self, at: int) -> int:
        while self.word(at) in FILLERS:
            at += 1
        return at


def runs(text: str) -> list[FoundDigits]:
    """Every row of digits in `text`, in order: "double five oh" is ``550``, "7,346" and "73-46" are ``7346``.

    Cardinals are read as people write them down: "thirty-four" ``34``, "seven thousand three hundred" ``7300``.
    """
    tokens = _Tokens(text)
    found: list[FoundDigits] = []
    at = 0
    while at < len(tokens.words):
        if tokens.is_number(at):
            run, at = _run(tokens, at)
            if run.digits:
                found.append(run)
        else:
            at += 1
    return found


def _run(tokens: _Tokens, first: int) -> tuple[FoundDigits, int]:
    digits = ""
    at = end = first
    while True:
        piece, after = _piece(tokens, at, len(digits))
        if not piece:
            break
        digits += piece
        end = after
        at = tokens.past_fillers(after)
    end = max(end, first + 1)
    start = tokens.spans[first][0]
    if digits and tokens.word(first - 1) in ("+", "plus"):
        digits = "+" + digits
        start = tokens.spans[first - 1][0]
    return FoundDigits(digits, start, tokens.spans[end - 1][1]), end


def _piece(tokens: _Tokens, at: int, before: int) -> tuple[str, int]:
    """The digits that start at token `at`, and the index of the token after them; ``""`` if the row ends here."""
    word = tokens.word(at)
    if re.fullmatch("[0-9]+", word):
        return word, at + 1
    if word in TIMES:
        following = tokens.word(at + 1)
        if following in DIGITS:
            return str(DIGITS[following]) * TIMES[word], at + 2
        return (following * TIMES[word], at + 2) if re.fullmatch("[0-9]", following) else ("", at)
    if tokens.is_number(at):
        return _cardinal(tokens, at)
    if before and word in SOUNDS_LIKE:
        behind = tokens.past_fillers(at + 1)
        if tokens.is_number(behind) or (before > 1 and behind == len(tokens.words)):
            return str(SOUNDS_LIKE[word]), at + 1
    return "", at


def _small(tokens: _Tokens, at: int) -> tuple[int | None, int]:
    """A number below one hundred at `at` ("seven", "twelve", "thirty-four")."""
    word = tokens.word(at)
    if word in DIGITS:
        return DIGITS[word], at + 1
    if word in TEENS:
        return TEENS[word], at + 1
    if word not in TENS:
        return None, at
    after = at + 2 if tokens.word(at + 1) == "-" else at + 1
    unit = DIGITS.get(tokens.word(after), 0)
    return (TENS[word] + unit, after + 1) if unit else (TENS[word], at + 1)


def _cardinal(tokens: _Tokens, at: int) -> tuple[str, int]:
    value, after = _small(tokens, at)
    if value is None:
        return "", at
    if tokens.word(after) == "thousand":
        rest, after = _hundreds(tokens, after + 1)
        return str(value * 1000 + rest), after
    if tokens.word(after) == "hundred":
        rest, after = _rest(tokens, after + 1)
        return str(value * 100 + rest), after
    return str(value), after


def _hundreds(tokens: _Tokens, at: int) -> tuple[int, int]:
    """Value after "thousand": "three hundred forty six", "and five", or nothing."""
    hundreds, after = _small(tokens, at)
    if hundreds is not None and tokens.word(after) == "hundred":
        rest, after = _rest(tokens, after + 1)
        return hundreds * 100 + rest, after
    return _rest(tokens, at)


def _rest(tokens: _Tokens, at: int) -> tuple[int, int]:
    """Value after "hundred"; a digit with further digits after it starts a new group ("eight hundred, five five")."""
    joined = tokens.word(at) == "and"
    value, after = _small(tokens, at + 1 if joined else at)
    if value is None or (value < 10 and not joined and tokens.is_number(tokens.past_fillers(after))):
        return 0, at
    return value, after


def separated(digits: str) -> str:
    """`digits` in spoken form, one by one: ``7 3 4 6``; phone numbers in groups: ``4 1 5, 5 5 5, 0 1 2 3``."""
    plain = digits.removeprefix("+")
    groups = [plain]
    if len(plain) >= 7:
        head, groups = plain[:-4], [plain[-4:]]
        while head:
            groups.insert(0, head[-3:])
            head = head[:-3]
    spoken = ", ".join(" ".join(group) for group in groups)
    return "plus " + spoken if digits.startswith("+") else spoken
