"""Checks whether a listener can follow the agent's words. Sans-IO.

A listener cannot read a sentence again. So an agent should say one thing at a time, say digits in groups, and say
nothing that only a reader understands.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.turn_taking.words import words_of

_UNREADABLE = {
    "markup": re.compile(r"[*`#|~<>]|(?<![^\W_])_|_(?![^\W_])|\]\("),
    "a list mark": re.compile(r"^\s*(?:[-–•]|\d{1,2}[.)])\s", re.MULTILINE),
    "an emoji": re.compile("[\U0001f000-\U0001faff\u2600-\u27bf]"),
    "an address to be read": re.compile(r"https?:|\bwww\.|\w\.\w+/\w"),
    "a date in digits": re.compile(r"\b(?:\d{4}-\d\d?-\d\d?|\d\d?/\d\d?(?:/\d+)?)\b"),
    "an abbreviation": re.compile(
        r"\b(?:(?:e\.g|i\.e|etc|approx|incl|vs|hrs|mins|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Aug|Sept|Oct|Nov|Dec)\."
        r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b)"
    ),
}
_PIECE = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
_DIGITS = frozenset(("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
_END = re.compile(r"[.!?।]+(?=\s|$)")


@dataclass(frozen=True)
class ByEarOptions:
    """Requirements on the agent's words; 0: no limit."""

    readable: bool = False
    """Whether markup, list marks, emojis, links, dates in digits and abbreviations are forbidden."""
    turn: int = 0
    """Maximum words of a turn. Letters and digits that are said one by one count as one word together."""
    sentence: int = 0
    """Maximum words of a sentence."""
    first: int = 0
    """Maximum words of the first sentence of a turn: the caller hears nothing before it is complete."""
    questions: int = 0
    """Maximum questions in a turn."""
    digits: int = 0
    """Maximum digits without a pause, in figures or in words: ``4 8 2 1, 3 9 0 7`` has four."""
    items: int = 0
    """Maximum number of the call's `items` in one turn."""


def unfit(wanted: ByEarOptions, sentences: Sequence[str], turns: Sequence[str], items: Sequence[str]) -> list[str]:
    """A clause for each requirement that the `sentences` (as the model wrote them) or the whole `turns` do not meet."""
    faults = [fault for text in sentences if wanted.readable for fault in _unreadable(text)]
    return [*faults, *(f"{fault}: {text!r}" for text in turns for fault in _too_much(wanted, text, items))]


def _unreadable(text: str) -> Iterator[str]:
    for name, pattern in _UNREADABLE.items():
        if pattern.search(text):
            yield f"{name} in {text!r}"


def _too_much(wanted: ByEarOptions, text: str, items: Sequence[str]) -> Iterator[str]:
    sentences = [part for part in _END.split(text) if part.strip()]
    plain = f" {' '.join(words_of(text))} "
    named = sum(f" {' '.join(words_of(item))} " in plain for item in items)
    for what, found, most in (
        ("words in a turn", _words(text), wanted.turn),
        ("words in a sentence", max(map(_words, sentences), default=0), wanted.sentence),
        ("words in the first sentence", _words("".join(sentences[:1])), wanted.first),
        ("questions", text.count("?"), wanted.questions),
        ("digits without a pause", _digits(text), wanted.digits),
        ("items at once", named, wanted.items),
    ):
        if most and found > most:
            yield f"{found} {what}, at most {most}"


def _words(text: str) -> int:
    """The number of words in `text`. Words of one character in a row count as one word."""
    lengths = [len(word) if word not in _DIGITS else 1 for word in words_of(text)]
    return sum(not (length == 1 == before) for before, length in zip([0, *lengths], lengths, strict=False))


def _digits(text: str) -> int:
    """The most digits without a pause in `text`. Digits that are written together are one group."""
    longest = run = 0
    for piece in _PIECE.findall(text.lower()):
        if len(piece) > 1 and piece.isdigit():
            run = 0
            longest = max(longest, len(piece))
        else:
            run = run + 1 if piece in _DIGITS or piece.isdigit() else 0
            longest = max(longest, run)
    return longest
