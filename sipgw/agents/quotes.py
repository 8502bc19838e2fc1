"""Checks whether quoted words state a value, because a model that obeys the caller finds a quote for anything.
Sans-IO."""

import re
import unicodedata
from datetime import date, datetime
from itertools import groupby

from agent.forms.moments import moments, weekdays_in
from agent.forms.spoken import SIGNS, tokens

_LANGUAGES = tuple(SIGNS)
_NUMBER = re.compile(r"-?\d+(?:[.,'’]\d+)*")
_GROUPED = re.compile(r"-?\d{1,3}(?:[.,'’]\d{2,3})*[.,'’]\d{3}")
_RELATIVE = {
    0: "today|tonight|heute|aujourd'hui|ce soir|hoy|hoje|oggi|stasera|आज",
    1: "(?<!day after )tomorrow|morgen|(?<!après-)demain|(?<!pasado )mañana|(?<!depois de )amanhã|domani|कल",
    2: "day after tomorrow|übermorgen|après-demain|pasado mañana|depois de amanhã|dopodomani|परसों",
    -1: "yesterday|gestern|hier|ayer|ontem|ieri|कल",
}
_DAYS = {days: re.compile(rf"(?<!\w)(?:{words})(?!\w)") for days, words in _RELATIVE.items()}
"""Common expressions for a day, by its number of days from that of the call."""


def states(quote: str, value: object, began: datetime | None = None) -> bool:
    """Whether `quote` contains `value`: as written, or as people say it in a call that began at `began`."""
    match value:
        case bool():
            found = {one for one in (True, False) if f" {str(one).lower()} " in words(quote)}
            return found == {value}
        case int() | float():
            return value in _numbers(quote)
        case datetime():
            clock = f"{value:%H:%M}" in quote or bool({value.hour, value.hour % 12 or 12} & _numbers(quote))
            return clock and _names_day(quote, value.date(), began)
        case date():
            return _names_day(quote, value, began)
    text = str(value)
    return words(text) in words(quote) or f" {re.sub(r'[ -]', '', text)} " in f" {' '.join(_spelled(quote))} "


def words(text: str) -> str:
    """The words of `text`, each with a space before and after it. Marks, such as vowel signs of Indian scripts, belong
    to words."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = (one if one.isalnum() or unicodedata.category(one)[0] == "M" else " " for one in plain)
    return f" {' '.join(''.join(kept).split())} "


def _numbers(quote: str) -> set[float]:
    """The numbers in `quote`: in figures, in each reading of their signs, and single digits in words."""
    found: set[float] = set()
    for one in (match[0] for match in _NUMBER.finditer(quote)):
        if _GROUPED.fullmatch(one) or not re.search(r"\D", one[1:]):
            found.add(float(re.sub(r"[.,'’]", "", one)))
        if re.fullmatch(r"(.*)[.,](\d+)", one):
            whole, cents = re.split(r"[.,](?=\d+$)", one)
            found.add(float(f"{re.sub(r'[.,’]', '', whole)}.{cents}"))
    return found | {float(one) for one in _spelled(quote) if re.fullmatch(r"\d+", one)}


def _spelled(quote: str) -> list[str]:
    """The words of `quote`, in which digits that are said one by one are joined."""
    rows = groupby(tokens(quote, _LANGUAGES), lambda one: len(one) == 1 and one.isdigit())
    return [word for digits, row in rows for word in (["".join(row)] if digits else row)]


def _names_day(quote: str, value: date, began: datetime | None) -> bool:
    plain = quote.casefold()
    if value.isoformat() in quote or value.weekday() in weekdays_in(plain):
        return True
    if any((one.month, one.day) == (value.month, value.day) for one in moments(quote)) or _written(quote, value):
        return True
    away = [days for days, one in _DAYS.items() if one.search(plain)]
    # The caller's date differs from the date in UTC by one day at most.
    return began is not None and any(abs((value - began.date()).days - days) <= 1 for days in away)


def _written(quote: str, value: date) -> bool:
    """Whether `quote` has the number of the day alone ("the 24th"), or day and month ("24.11.", "11/24")."""
    pairs = [{int(one), int(other)} for one, other in re.findall(r"(?<!\d)(\d{1,2})[./-](\d{1,2})(?!\d)", quote)]
    if pairs:
        return {value.day, value.month} in pairs
    return (
        not moments(quote)
        and re.search(rf"(?<![\d:.,]){value.day}(?:st|nd|rd|th|\.|er|º)?(?![\d:.,]*\d)", quote) is not None
    )
