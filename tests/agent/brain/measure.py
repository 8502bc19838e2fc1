"""Accuracy on phrasings that are not among the examples: ``python -m tests.agent.brain.measure``.

The first set was looked at while the examples and keywords were written; the second only afterwards.
"""

import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from agent.providers.local.brain.guess import OUT_OF_SCOPE, UNCLEAR
from agent.providers.local.brain.intents import Intents
from agent.providers.local.brain.slots import slots

PHRASINGS = Path(__file__).parent / "phrasings.tsv"


class Phrasing(NamedTuple):
    set: str
    intent: str
    text: str


class Accuracy(NamedTuple):
    understood: float
    """Share of the in-scope phrasings that got their intent."""
    refused: float
    """Share of the out-of-scope phrasings that got none."""
    wrong: list[tuple[Phrasing, str]]


def phrasings(name: str) -> list[Phrasing]:
    rows = [Phrasing(*line.split("\t")) for line in PHRASINGS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row.set == name]


def accuracy(rows: list[Phrasing], intents: Intents) -> Accuracy:
    total: Counter[bool] = Counter()
    right: Counter[bool] = Counter()
    wrong = []
    for row in rows:
        intent = intents.guess(slots(row.text).words).intent
        intent = OUT_OF_SCOPE if intent == UNCLEAR else intent
        inside = row.intent != OUT_OF_SCOPE
        total[inside] += 1
        right[inside] += intent == row.intent
        if intent != row.intent:
            wrong.append((row, intent))
    return Accuracy(right[True] / total[True], right[False] / total[False], wrong)


def main() -> None:
    intents = Intents()
    started = time.perf_counter()
    intents.load()
    print(f"loaded in {time.perf_counter() - started:.2f} s")
    for name in ("first", "second"):
        rows = phrasings(name)
        started = time.perf_counter()
        found = accuracy(rows, intents)
        each = (time.perf_counter() - started) / len(rows) * 1000
        print(
            f"{name}: {len(rows)} phrasings, understood {found.understood:.1%}, "
            f"out of scope refused {found.refused:.1%}, {each:.1f} ms each"
        )
        for row, intent in found.wrong:
            print(f"  {row.text!r} is {row.intent}, taken for {intent}")


if __name__ == "__main__":
    main()
