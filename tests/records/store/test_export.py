"""What callers say, and models make of it, in the cells of an export."""

import asyncio
import csv
import io
from types import SimpleNamespace
from typing import Any

import pytest

from sipgw.records.cdr.export import FIELDS, as_csv
from sipgw.records.store.calls import CallFilter


class Kept:
    """A store with one call, whose report has `words` for a summary and a field."""

    def __init__(self, words: str) -> None:
        self._words = words

    async def page(self, wanted: CallFilter, most: int, after: str) -> SimpleNamespace:
        return SimpleNamespace(calls=[{"id": "c"}], next="")

    async def call(self, call: str) -> dict[str, Any]:
        report = {"state": "filled", "summary": self._words, "fields": {"name": {"value": self._words}}}
        return dict.fromkeys(FIELDS) | {"id": call, "turns": [], "events": [], "cause": "", "report": report}


def exported(words: str) -> tuple[str, str]:
    async def scenario() -> str:
        kept: Any = Kept(words)
        return "".join([line async for line in as_csv(kept, CallFilter(), lambda agent: lambda text: text, ["name"])])

    (row,) = csv.DictReader(io.StringIO(asyncio.run(scenario()), newline=""))
    return row["summary"], row["report.name"]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_spreadsheet_reads_the_words_of_a_caller_as_a_formula(first: str) -> None:
    words = f"{first}cmd|' /C calc'!A0"
    assert exported(words) == (f"'{words}", f"'{words}")


@pytest.mark.parametrize("words", ["Ann", "+14155550100", "-3", "3 = 3"])
def test_other_words_and_numbers_stand_as_they_are(words: str) -> None:
    assert exported(words) == (words, words)
