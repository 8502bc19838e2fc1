"""Digits in spoken words: written, spoken ("four one one", "double five", "dreiundzwanzig") and mixed. Sans-IO.

English, German, Spanish and French number words are read at the same time: the search is for runs of digits, and a
number word of another language is rare within a run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_UNITS = (
    "zero|oh|o|nought|null|cero|zéro one|eins|ein|uno|una|un|une two|zwei|zwo|dos|deux three|drei|tres|trois"
    " four|vier|cuatro|quatre five|fünf|cinco|cinq six|sechs|seis seven|sieben|siete|sept eight|acht|ocho|huit"
    " nine|neun|nueve|neuf"
)
_TEENS = (
    "ten|zehn|diez|dix eleven|elf|once|onze twelve|zwölf|doce|douze thirteen|dreizehn|trece|treize"
    " fourteen|vierzehn|catorce|quatorze fifteen|fünfzehn|quince|quinze sixteen|sechzehn|dieciséis|dieciseis|seize"
    " seventeen|siebzehn|diecisiete eighteen|achtzehn|dieciocho nineteen|neunzehn|diecinueve"
)
_TENS = (
    "twenty|zwanzig|veinte|vingt thirty|dreißig|dreissig|treinta|trente forty|fourty|vierzig|cuarenta|quarante"
    " fifty|fünfzig|cincuenta|cinquante sixty|sechzig|sesenta|soixante seventy|siebzig|setenta|septante"
    " eighty|achtzig|ochenta|quatre-vingts|quatre-vingt|huitante ninety|neunzig|noventa|nonante"
)
_TWENTIES = "veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
_TIMES = {"double": 2, "doppel": 2, "doppelt": 2, "doble": 2, "triple": 3, "treble": 3, "dreifach": 3}
_BETWEEN = frozenset(("dash", "hyphen", "minus", "strich", "bindestrich", "guion", "tiret", "um", "uh", "äh", "euh"))
_AND = frozenset(("y", "et", "und", "and"))


def _values() -> dict[str, int]:
    values: dict[str, int] = {}
    for first, step, names in ((0, 1, _UNITS), (10, 1, _TEENS), (20, 10, _TENS)):
        for at, alike in enumerate(names.split()):
            values |= dict.fromkeys(alike.split("|"), first + step * at)
    for unit in ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"):
        for tens in (
            "zwanzig",
            "dreißig",
            "dreissig",
            "vierzig",
            "fünfzig",
            "sechzig",
            "siebzig",
            "achtzig",
            "neunzig",
        ):
            values[f"{unit}und{tens}"] = values[unit] + values[tens]
    return values | {name: 21 + at for at, name in enumerate(_TWENTIES.split())}


VALUES = _values()
_TOKEN = re.compile(r"\d+|quatre-vingts?|[^\W\d_]+|\S")
_SEPARATORS = re.compile(r"[\s\-–—.,;:/()…]+")
FARTHEST = 40
"""Characters that may stand between digits of the same number."""


FEWEST = 7
"""Digits that a number has at least."""
_WORD = re.compile(r"\d|[^\W\d_]+")


def enough(text: str) -> bool:
    """Whether `text` may have `FEWEST` digits: most texts have none, and this check is faster than the search."""
    count = 0
    for word in _WORD.findall(text.lower()):
        count += 1 if word.isdigit() or VALUES.get(word, 10) < 10 else 2 if word in VALUES or word in _TIMES else 0
        if count >= FEWEST:
            return True
    return False


@dataclass(frozen=True)
class DigitRun:
    """Digits with nothing but separators between them."""

    digits: str
    spans: tuple[tuple[int, int], ...]
    """The position of each digit in the text: its first and last index."""
    edges: frozenset[int]
    """Positions where a number may begin or end: between units that were said or written as one."""
    spoken: bool
    """Whether any of the digits was said as a word."""

    def windows(self, longest: int, shortest: int) -> Iterator[tuple[int, int]]:
        """Places (from, to) of all numbers of `shortest` to `longest` digits, long numbers first."""
        for length in range(min(longest, len(self.digits)), shortest - 1, -1):
            for at in range(len(self.digits) - length + 1):
                if at in self.edges and at + length in self.edges:
                    yield at, at + length


@dataclass(frozen=True)
class _Piece:
    digits: str
    start: int
    end: int
    spoken: bool


def runs(text: str) -> list[DigitRun]:
    """All runs of digits in `text`, in order."""
    found: list[list[_Piece]] = [[]]
    for piece in _pieces(text):
        if found[-1] and not _joined(text[found[-1][-1].end : piece.start]):
            found.append([])
        found[-1].append(piece)
    return [_run(pieces) for pieces in found if pieces]


def _pieces(text: str) -> Iterator[_Piece]:
    tokens = [(match[0].lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    at = 0
    while at < len(tokens):
        word, start, end = tokens[at]
        at += 1
        if word.isdecimal():  # of any script
            yield _Piece("".join(str(int(digit)) for digit in word), start, end, False)
        elif word in _TIMES and at < len(tokens) and (digit := _unit(tokens[at][0])):
            yield _Piece(digit * _TIMES[word], start, tokens[at][2], True)
            at += 1
        elif word in VALUES:
            value, at = _sum(VALUES[word], tokens, at)
            yield _Piece(str(value), start, tokens[at - 1][2], True)


def _unit(word: str) -> str:
    if len(word) == 1 and word in "0123456789":
        return word
    value = VALUES.get(word, 10)
    return str(value) if value < 10 else ""


def _sum(value: int, tokens: list[tuple[str, int, int]], at: int) -> tuple[int, int]:
    """Add the units that belong to tens: "forty one", "treinta y uno", "soixante-dix-huit"."""
    most = 19 if value in (60, 80) else 9
    while value >= 10 and value % 10 == 0 and at < len(tokens):
        skip = at + (tokens[at][0] in _AND or tokens[at][0] == "-")
        more = VALUES.get(tokens[skip][0], 0) if skip < len(tokens) else 0
        tens = value > 10 or (value == 10 and more >= 7 and tokens[skip][0] in ("sept", "huit", "neuf"))
        if not tens or not 1 <= more <= most or (more >= 10 and tokens[skip][0] not in _FRENCH):
            break
        value, at = value + more, skip + 1
        most = 9 if more == 10 else 0
        if not most:
            break
    return value, at


_FRENCH = frozenset(("dix", "onze", "douze", "treize", "quatorze", "quinze", "seize"))


def _joined(between: str) -> bool:
    """Whether digits before and after `between` belong together."""
    return len(between) <= FARTHEST and all(word in _BETWEEN for word in _SEPARATORS.split(between.lower()) if word)


def _run(pieces: list[_Piece]) -> DigitRun:
    digits, spans, edges = "", list[tuple[int, int]](), {0}
    for piece in pieces:
        width = len(piece.digits)
        for at in range(width):
            exact = not piece.spoken and piece.end - piece.start == width
            spans.append((piece.start + at, piece.start + at + 1) if exact else (piece.start, piece.end))
        digits += piece.digits
        edges.add(len(digits))
    return DigitRun(digits, tuple(spans), frozenset(edges), any(piece.spoken for piece in pieces))
