"""Tool results for the ear: a JSON object of unknown keys, or an error, as one to four short sentences."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any

from agent.providers.local.brain.numbers import separated

MAX_VALUE = 160
"""Characters of one value that are spoken."""
MAX_DETAILS = 3
"""Further facts that are spoken beyond item, status and date."""

_MISSING = re.compile(
    r"not found|no such|unknown|does not exist|doesn't exist|no order|could not find|cannot find|invalid"
)
_PAST = re.compile(r"(?:delivered|shipped|sent|cancell?ed|returned|lost|refunded|dispatched|collected)\b")
_ITEM = ("item", "items", "product", "products", "description", "name", "title")
_STATUS = ("status", "state", "order_status")
_EXPECTED = ("expected", "expected_date", "expected_delivery", "delivery_date", "eta", "due", "arrival", "arrives")
_SILENT = re.compile(r"(?:^|_)(?:id|ids|uuid|number|order|ok|success|found|url|error)$")


class Fault(Enum):
    """Why a tool did not help."""

    MISSING = "no record with that number"
    BROKEN = "the tool failed"


def parse(content: object) -> Mapping[str, Any] | str:
    """A tool message's content as an object, or as plain text when it is not one."""
    text = content if isinstance(content, str) else ""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    if isinstance(value, list) and value:
        value = value[0]
    if value is None:
        return {"error": "not found"}
    return value if isinstance(value, Mapping) else str(value)


def fault(result: Mapping[str, Any] | str) -> Fault | None:
    """The fault that `result` reports; None when it is a success."""
    if isinstance(result, str):
        return None if result else Fault.BROKEN
    error = result.get("error")
    if error:
        return Fault.MISSING if _MISSING.search(str(error).lower()[:500]) else Fault.BROKEN
    if result.get("found") is False:
        return Fault.MISSING
    return Fault.BROKEN if result.get("ok") is False or result.get("success") is False else None


def order_sentences(number: str, result: Mapping[str, Any] | str) -> list[str]:
    """The answer to "where is my order?", which reads the number back: "Order 7 3 4 6, a blue raincoat, is ..."."""
    order = f"Order {separated(number)}"
    if isinstance(result, str):
        return [f"{order}: {spoken(result)}."]
    item, status, expected = (_first(result, keys) for keys in (_ITEM, _STATUS, _EXPECTED))
    subject = f"{order}, {item}," if item else order
    sentences = []
    if status:
        verb = "was" if _PAST.match(status) else "is"
        if expected.startswith(status):
            status, expected = expected, ""
        sentences.append(f"{subject} {verb} {status}.")
    elif item or expected:
        sentences.append(f"{order}: {item or 'I found it'}.")
    else:
        sentences.append(f"{order}: I found it.")
    if expected:
        already = _PAST.match(expected) or expected.startswith(("expected", "arriving", "due"))
        sentences.append(f"It {'was' if _PAST.match(expected) else 'is'} {'' if already else 'expected '}{expected}.")
    return sentences + _details(result)


def _details(result: Mapping[str, Any]) -> list[str]:
    told = {*_ITEM, *_STATUS, *_EXPECTED}
    facts = []
    for key, value in list(result.items())[:40]:
        name = str(key).lower()
        text = spoken(value)
        if text and name not in told and not _SILENT.search(name):
            label = spoken(name)[:40]
            facts.append(f"{label[:1].upper()}{label[1:]}: {text}.")
    return facts[:MAX_DETAILS]


def _first(result: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((text for key in keys if (text := spoken(result.get(key)))), "")


def spoken(value: object) -> str:
    """A JSON value as words: dates as "November 24", lists joined, no underscores or markup; ``""`` for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(filter(None, map(spoken, value[:5])))[:MAX_VALUE]
    if not isinstance(value, str | int | float):
        return ""
    text = str(value)[: MAX_VALUE * 2].strip()
    day = _day(text)
    if day:
        return f"{day:%B} {day.day}"
    text = " ".join(re.sub(r"[_*#<>{}\[\]|`\\]+", " ", text).split())
    if len(text) > MAX_VALUE:
        text = text[:MAX_VALUE].rsplit(" ", 1)[0]
    return text.rstrip(".!?; ")


def _day(text: str) -> date | None:
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
