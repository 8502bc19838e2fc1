"""Finds quantities in a caller's words: "two and a half", "a hundred and twenty", "12.50", "a dozen". Sans-IO."""

import re
from typing import NamedTuple

from agent.providers.local.brain.numbers import DIGITS, MAX_TEXT, runs

_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "dozen": 12}
_FIGURES = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?")
_ROUND = re.compile(r"\b(?P<half>half )?an? (?P<word>hundred|thousand|dozen|couple)\b")
_BEHIND = re.compile(rf"(?: (?P<scale>{'|'.join(_SCALES)}))?(?P<half> and a half)?(?: point(?P<point>(?: [a-z]+)+))?")
_MINUS = re.compile(r"(?:\b(?:minus|negative) |(?<![\w.,-])-)$")
_BELOW = re.compile(r"(?: degrees?)?(?: celsius| fahrenheit)? below(?: zero\b|(?= *(?:[.,!?]|$)))")
_NO_COUNT = re.compile(r"\b(?:this|that|which|no|any|some|every|the|another|next|other|new) $")
"""Words before "one" after which it is no number: "this one"."""


class Quantity(NamedTuple):
    """A number in a caller's words, with its place."""

    value: float
    start: int
    """Index of its first character in the lower-cased text."""
    end: int
    """Index after its last character."""


def quantities(text: str) -> list[Quantity]:
    """Every quantity in `text`, in order."""
    low, found = text[:MAX_TEXT].lower(), []
    for pattern in (_ROUND, _FIGURES):
        for match in pattern.finditer(low):
            value = _round(match) if pattern is _ROUND else float(match.group().replace(",", ""))
            found.append(_with_ending(low, value, *match.span()))
        low = "".join(" " if any(one.start <= at < one.end for one in found) else char for at, char in enumerate(low))
    for run in runs(low):
        word = low[run.start : run.end]
        pronoun = word == "one" and (_NO_COUNT.search(low[: run.start]) or low.startswith(" of ", run.end))
        told = any(one.start <= run.start < one.end for one in found)  # this one is the end of another
        if word not in ("oh", "o") and not pronoun and not told:
            found.append(_with_ending(low, float(run.digits), run.start, run.end))
    return [_signed(text.lower(), one) for one in sorted(found, key=lambda one: one.start) if not _is_zero(text, one)]


def _is_zero(text: str, one: Quantity) -> bool:
    """Whether `one` is the zero of "below zero"."""
    return not one.value and text[: one.start].lower().endswith("below ")


def _signed(low: str, one: Quantity) -> Quantity:
    """The quantity with its sign: "minus two", "-2", "two degrees below zero"."""
    if minus := _MINUS.search(low, 0, one.start):
        return Quantity(-one.value, minus.start(), one.end)
    below = _BELOW.match(low, one.end)
    return Quantity(-one.value, one.start, below.end()) if below else one


def _round(match: re.Match[str]) -> float:
    value = {**_SCALES, "couple": 2}[match["word"]]
    return value / 2 if match["half"] else float(value)


def _with_ending(low: str, value: float, start: int, end: int) -> Quantity:
    """The quantity with what follows: "thousand", "and twenty", "and a half", "point five"."""
    if value in (100, 1000) and (rest := re.match(r" and (?=[a-z])", low[end:])):
        following = next(iter(runs(low[end + rest.end() :])), None)
        if following and following.start == 0 and float(following.digits) < value:
            return Quantity(value + float(following.digits), start, end + rest.end() + following.end)
    behind = _BEHIND.match(low, end)
    if behind is None:
        return Quantity(value, start, end)
    value = value * _SCALES.get(behind["scale"], 1) + (0.5 if behind["half"] else 0)
    words = [DIGITS.get(word) for word in (behind["point"] or "").split()]
    digits = "".join(str(digit) for digit in words[: words.index(None) if None in words else None])
    return Quantity(value + float(f"0.{digits or 0}"), start, behind.end())
