"""Sets of many telephone numbers in eight bytes each, and the files that they are read from. Sans-IO."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from sipgw.config.numbers import NumberError, e164, is_plain

MOST = 20_000_000
"""The most numbers of one file."""
TOLD = 20
"""Broken lines that are named."""
NANP = ("US", "CA")
_DROPPED = str.maketrans("", "", " \t-().\"'")
_DELIMITERS = str.maketrans(";\t", ",,")


class TooManyError(ValueError):
    """A file has more numbers than are kept."""


@dataclass(frozen=True)
class NumberSet:
    """A set of E.164 numbers, sorted."""

    numbers: "array[int]" = field(default_factory=lambda: array("Q"), repr=False)
    broken: tuple[str, ...] = ()
    """The first unreadable values, with their lines."""
    unread: int = 0
    """How many lines cannot be read."""
    lines: int = 0
    """How many lines there are in all, without empty lines, remarks and the names of columns."""

    def __contains__(self, number: str) -> bool:
        """Whether an E.164 number is in the set."""
        wanted = int(number[1:])
        at = bisect_left(self.numbers, wanted)
        return at < len(self.numbers) and self.numbers[at] == wanted

    def __len__(self) -> int:
        return len(self.numbers)


def parse(lines: Iterable[str], country: str = "") -> NumberSet:
    """The set of numbers of a file with one number a line, or of the first column of a CSV. Invalid lines are reported.

    Numbers without ``+`` are read as dialled in `country`; without one they begin with their country code. Raises
    `TooManyError`.
    """
    found: set[int] = set()
    broken: list[str] = []
    count = total = 0
    for at, number in numbers_of(lines, country):
        total += 1
        if isinstance(number, int):
            found.add(number)
            if len(found) > MOST:
                raise TooManyError(f"more than {MOST} numbers")
        else:
            count += 1
            if count <= TOLD:
                broken.append(f"line {at}: {number}")
    if count > TOLD:
        broken.append(f"and {count - TOLD} more")
    return NumberSet(array("Q", sorted(found)), tuple(broken), count, total)


def numbers_of(lines: Iterable[str], country: str = "") -> Iterator[tuple[int, int | str]]:
    """The line, from 1, and the number of each line of a file; or, as text, what is wrong with it."""
    for at, line in enumerate(lines, 1):
        text = line.strip().lstrip("\ufeff")
        if not text or text.startswith("#"):
            continue
        fields = [one.translate(_DROPPED) for one in islice(text.translate(_DELIMITERS).split(",", 2), 2)]
        try:
            yield at, _number(fields, country)
        except NumberError as error:
            if at > 1 or any(char.isdigit() for char in fields[0]):  # the names of the columns are no fault
                yield at, str(error)


def _number(fields: list[str], country: str) -> int:
    text = fields[0]
    plain = text.isascii() and text.isdigit()
    if plain and country in NANP:  # the common formats, without the cost of the full parser
        if len(text) == 3 and len(fields) > 1 and len(fields[1]) == 7 and fields[1].isdigit():
            return int(f"1{text}{fields[1]}")  # the National Do Not Call Registry's files: area code, number
        if len(text) == 10:
            return int(f"1{text}")
    digits = text.removeprefix("+")
    if (
        digits.isascii()
        and digits.isdigit()
        and 8 <= len(digits) <= 15
        and digits[0] != "0"
        and (text[0] == "+" or not country)
    ):
        return int(digits if is_plain(digits) else e164(f"+{digits}")[1:])
    if not country and not text.startswith("+"):
        raise NumberError(f"{text[:40]!r} has no country code; write + and the code, or name the country")
    return int(e164(text[:41], country)[1:])
