"""What the agent has asked for, and how much of it has come."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from agent.turn_taking.words import words_of


class Kind(Enum):
    """A kind of answer."""

    OPEN = "open"
    YES_NO = "yes_no"
    DIGITS = "digits"
    SPELLING = "spelling"
    EMAIL = "email"
    DATE = "date"


IN_PARTS = (Kind.DIGITS, Kind.SPELLING, Kind.EMAIL)
"""What people say in parts, with pauses of a second between."""
_ADDRESS = re.compile(r"\S+@\S+\.\w{2,}\W*$")
_KEYS = re.compile(r"\[pressed [^]]*]")


@dataclass(frozen=True)
class Expected:
    """The kind of answer to what the agent says, and how many digits or letters it has, if that is known."""

    kind: Kind = Kind.OPEN
    length: int | None = None

    def __post_init__(self) -> None:
        if self.length is not None and not 1 <= self.length <= 64:
            raise ValueError("length is from 1 to 64")

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """What a model is told of such a text: the pattern of a row of digits."""
        schema: dict[str, Any] = handler(core_schema)
        if schema.get("type") == "string" and self.kind is Kind.DIGITS and self.length:
            schema["pattern"] = f"^[0-9]{{{self.length}}}$"
        return schema


class Progress(Enum):
    """How much of an expected answer there is."""

    NONE = "not that"
    PART = "a part of it"
    WHOLE = "all of it"
    UNKNOWN = "it may be all"


OPEN = Expected()


def characters(text: str, numerals: Collection[str] = (), *, letters: bool = True) -> int:
    """How many characters `text` spells: "7 3", "73" and "seven three" have two each, other words none.

    `numerals` are digits as words. Single letters count only with `letters`; "S as in Sierra" is one.
    """
    count, words = 0, words_of(_KEYS.sub(" ", text))
    while words:
        word = words.pop(0)
        if word in numerals:
            count += 1
        elif any(map(str.isdigit, word)):
            count += len(word) if letters else sum(map(str.isdigit, word))
        elif letters and len(word) == 1:
            count += 1
            named = next((at for at, other in enumerate(words[:3]) if len(other) > 1 and other[0] == word), None)
            del words[: 0 if named is None else named + 1]
    return count


def kind_of(text: str, numerals: Collection[str] = ()) -> Kind:
    """What `text` looks like: digits, an address of e-mail, single letters; else `Kind.OPEN`.

    `numerals` are digits as words, of a recogniser that writes no figures.
    """
    words = words_of(text)
    if "@" in text:
        return Kind.EMAIL
    figures = [word for word in words if word in numerals or any(char.isdigit() for char in word)]
    if len(figures) > len(words) / 2 and sum(1 if word in numerals else len(word) for word in figures) > 1:
        return Kind.DIGITS
    letters = [word for word in words if len(word) == 1]
    return Kind.SPELLING if len(letters) >= 2 and len(letters) > len(words) / 2 else Kind.OPEN


def progress(expected: Expected, text: str, numerals: Collection[str] = ()) -> tuple[Progress, str]:
    """How much of what is expected `text` is, and the same for the record: "digits 6 of 10".

    `numerals` are digits as words.
    """
    kind, length = expected.kind, expected.length
    if kind is Kind.OPEN or not words_of(text):
        return Progress.NONE, ""
    if kind is Kind.YES_NO:
        return (Progress.WHOLE if len(words_of(text)) <= 2 else Progress.NONE), "yes or no"
    if kind is Kind.EMAIL:
        return (Progress.WHOLE if _ADDRESS.search(text) else Progress.PART), "e-mail"
    if kind is Kind.DATE:
        return Progress.UNKNOWN, "date"
    have = characters(text, numerals, letters=kind is Kind.SPELLING)
    if not have:
        return Progress.NONE, ""
    if length is None:
        return Progress.PART, f"{kind.value} {have}"
    return (Progress.WHOLE if have >= length else Progress.PART), f"{kind.value} {have} of {length}"
