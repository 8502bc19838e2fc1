"""Makes spoken sentences from tool results: one to four short sentences for a JSON object of unknown keys, or for an
error."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any

from agent.history import INTERRUPTED, RUNNING
from agent.providers.local.brain.numbers import separated
from agent.providers.local.brain.parameters import OwnTool, listed
from agent.tools import CONFIRM

MAX_VALUE = 160
"""Maximum characters of one value that are spoken."""
MAX_DETAILS = 3
"""Maximum further facts that are spoken, besides item, status and date."""

_MISSING = re.compile(
    r"not found|no such|unknown|does not exist|doesn't exist|no order|could not find|cannot find|invalid"
)
_PAST = re.compile(r"(?:delivered|shipped|sent|cancell?ed|returned|lost|refunded|dispatched|collected)\b")
_ITEM = ("item", "items", "product", "products", "description", "name", "title")
_STATUS = ("status", "state", "order_status")
_EXPECTED = ("expected", "expected_date", "expected_delivery", "delivery_date", "eta", "due", "arrival", "arrives")
_SILENT = re.compile(r"(?:^|_)(?:id|ids|uuid|number|order|ok|success|found|url|error)$")


class ToolFault(Enum):
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


def fault(result: Mapping[str, Any] | str) -> ToolFault | None:
    """The fault that `result` reports; None if the tool succeeded."""
    if isinstance(result, str):
        return None if result else ToolFault.BROKEN
    error = result.get("error")
    if error:
        return ToolFault.MISSING if _MISSING.search(str(error).lower()[:500]) else ToolFault.BROKEN
    if result.get("found") is False:
        return ToolFault.MISSING
    return ToolFault.BROKEN if result.get("ok") is False or result.get("success") is False else None


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


class ToolOutcome(Enum):
    """The outcome of a run of an owner's tool."""

    DONE = "it has a result"
    ASKS_CONSENT = "not done: the caller must say yes first"
    RUNNING = "still running"
    INTERRUPTED = "given up, since the caller went on"
    REFUSED = "its arguments do not fit its types"
    FAILED = "it failed"


_INTERNAL = re.compile(
    r"it failed \(|no answer within|there is no tool|it was (?:not begun|broken off)|[\[{}\\]|https?:"
)
_UNKNOWN = re.compile(r"it is not known whether it was done")
_SAID = ("say", "message", "answer", "text", "summary", "sentence")
_DONE = re.compile(
    r"(?:ok|okay|done|success|true|noted|sent|saved|added|updated|changed|cancell?ed|booked|created)\.?$"
)
_LOOKS_UP = re.compile(
    r"(?:calculate|check|compare|compute|count|determine|fetch|find|get|give|help|identify|know|list|look|query|read"
    r"|retrieve|return|say|search|see|show|tell)\b"
)
"""Verbs of tools that look something up. An empty result of such a tool means that there is nothing; an empty result of
another tool means that it is done."""
LISTED = 4
"""Maximum entries of a list that are spoken."""


def outcome(result: object) -> ToolOutcome:
    """The outcome of a run with this `result`."""
    if not isinstance(result, Mapping):
        return ToolOutcome.DONE
    if result == json.loads(RUNNING):
        return ToolOutcome.RUNNING
    if result == json.loads(INTERRUPTED):
        return ToolOutcome.INTERRUPTED
    if result.get("status") == CONFIRM:
        return ToolOutcome.ASKS_CONSENT
    error = result.get("error")
    if error:
        return ToolOutcome.REFUSED if str(error).startswith("wrong arguments") else ToolOutcome.FAILED
    return ToolOutcome.FAILED if result.get("ok") is False or result.get("success") is False else ToolOutcome.DONE


def regret(error: str) -> str:
    """The error of a tool for the caller: its own words if they are meant for people."""
    if _UNKNOWN.search(error):
        return "I am sorry, I do not know whether that was done."
    words = spoken(error)
    if not words or _INTERNAL.search(error):
        return "I am sorry, that did not work just now."
    return f"I am sorry: {words}."


def said(value: object) -> str:
    """An argument as it is spoken: digits one by one."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4,}", value):
        return separated(value)
    if isinstance(value, str) and (clock := re.fullmatch(r"([0-9]{2}):([0-9]{2}):00", value)):
        hour, minute = map(int, clock.groups())
        return f"{hour % 12 or 12}{f' {minute:02}' if minute else ''} {'a.m.' if hour < 12 else 'p.m.'}".rstrip(".")
    return f"{value:g}" if isinstance(value, float) else spoken(value)


def tool_sentences(tool: OwnTool, arguments: Mapping[str, Any], result: object) -> list[str]:
    """The result of an owner's tool in plain sentences, with the arguments of its call."""
    about = ", ".join(said(value) for value in list(arguments.values())[:3] if not isinstance(value, bool))
    if isinstance(result, Mapping):
        told = next((result[key] for key in _SAID if isinstance(result.get(key), str)), None)
        rows = next((value for value in result.values() if isinstance(value, list) and value), None)
        if told is None and rows is None and result:
            return _facts(tool, arguments, about, result)
        result = told or rows
    if isinstance(result, bool):
        answer = "yes" if result else "no"
        return [_capital(f"{about}: {answer}." if about else f"{answer}.")]
    if (result is None or result == "") and not _LOOKS_UP.match(tool.ability):
        return _done(tool, about)
    if result is None or (isinstance(result, str | list) and not result):
        return [f"I found nothing for {about}." if about else "I found nothing."]
    if isinstance(result, str):
        words = result.strip()[: MAX_VALUE * 2]
        if _DONE.match(words.lower()):
            return _done(tool, about)
        return [words if words.endswith((".", "!", "?")) else f"{spoken(words)}."]
    rows = result if isinstance(result, list) else [result]
    entries = [one for one in map(_entry, rows[:LISTED]) if one] or ["done" if rows is not result else "nothing"]
    more = f" and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
    return [f"{_capital(about) or 'There is'}: {listed(entries, 'and')}{more}."]


def _entry(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{spoken(key)} {said(one)}" for key, one in list(value.items())[:3] if spoken(one))
    return said(value)


def _facts(tool: OwnTool, arguments: Mapping[str, Any], about: str, result: Mapping[str, Any]) -> list[str]:
    """Facts in the object `result` that are not among the arguments."""
    echoed = {said(value).lower() for value in arguments.values()}
    facts = []
    for key, value in list(result.items())[:40]:
        name, text = str(key).lower(), _entry(value)
        if text and not _SILENT.search(name) and text.lower() not in echoed and not _DONE.match(text.lower()):
            facts.append(text if name in ("result", "value", "status", "answer") else f"{spoken(name)[:40]}: {text}")
    if not facts:
        return _done(tool, about)
    if len(facts) == 1:
        return [_capital(f"{about}, {facts[0]}." if about else f"{facts[0]}.")]
    return [f"{_capital(one)}." for one in (about, *facts[: MAX_DETAILS + 1]) if one]


def _done(tool: OwnTool, about: str) -> list[str]:
    return [f"That is done: {about or tool.name.replace('_', ' ')}."]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
