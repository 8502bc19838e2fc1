"""Calls as JSON or CSV, call by call, without the data that the privacy policy excludes."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

from sipgw.records.privacy.redaction import Redact, in_json
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store

FIELDS = (
    "id", "direction", "trunk", "agent", "caller", "called", "began", "answered", "ended", "seconds", "ending", "cause",
    "cost", "recording", "turns", "transcript", "report", "summary", "outcome", "achieved",
)  # fmt: skip
AT_ONCE = 200
_FORMULA = re.compile(r"[=@\t\r\n\uff1d\uff20\uff0b\uff0d]|[+-](?!\d[\d ]*$)")
"""The beginnings of a formula; some spreadsheets read full-width signs of East Asian text like the usual signs."""


async def as_json(
    store: Store, wanted: CallFilter, redactor: Callable[[str], Redact], _fields: Sequence[str] = ()
) -> AsyncIterator[str]:
    """A JSON array with all data of each call, newest first."""
    separator = "["
    async for call in _calls(store, wanted, redactor):
        yield separator + "\n" + json.dumps(call, ensure_ascii=False, default=_text)
        separator = ","
    yield "\n]\n" if separator == "," else "[]\n"


async def as_csv(
    store: Store, wanted: CallFilter, redactor: Callable[[str], Redact], fields: Sequence[str] = ()
) -> AsyncIterator[str]:
    """A line for each call, newest first; RFC 4180. `fields` are those of reports, each in a column ``report.NAME``."""
    yield _line((*FIELDS, *(f"report.{name}" for name in fields)))
    async for call in _calls(store, wanted, redactor):
        answered, ended = call["answered"], call["ended"]
        said = [(who, turn[name]) for turn in call["turns"] for who, name in (("caller", "caller"), ("agent", "heard"))]
        more = {
            "seconds": round((ended - answered).total_seconds(), 1) if answered and ended else 0,
            "turns": len(call["turns"]),
            "transcript": "\n".join(f"{who}: {words}" for who, words in said if words),
        }
        report = call["report"] or {}
        found = {name: _value(report.get(name)) for name in ("outcome", "achieved")}
        more |= {"report": report.get("state"), "summary": report.get("summary"), **found}
        inner = [_value(report.get("fields", {}).get(name)) for name in fields]
        yield _line([*map(_cell, ((call | more)[name] for name in FIELDS)), *map(_cell, inner)])


async def _calls(store: Store, wanted: CallFilter, redactor: Callable[[str], Redact]) -> AsyncIterator[dict[str, Any]]:
    after = ""
    while True:
        page = await store.page(wanted, AT_ONCE, after)
        for row in page.calls:
            call = await store.call(row["id"])
            if call is not None:
                redact = redactor(call["agent"])
                yield call | {name: in_json(call[name], redact) for name in ("cause", "turns", "events", "report")}
        after = page.next
        if not after:
            return


def _value(entry: dict[str, Any] | None) -> Any:
    return entry and entry["value"]


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    """A value for a spreadsheet, escaped because spreadsheets read some words of callers as formulas."""
    written = "" if value is None else _text(value)
    return f"'{written}" if _FORMULA.match(written) else written


def _line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
