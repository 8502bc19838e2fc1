"""Finds dates and times of day in a caller's words. Sans-IO."""

import re
from datetime import date, time, timedelta

from agent.providers.local.brain.numbers import DIGITS, runs

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty first", "twenty second", "twenty third", "twenty fourth", "twenty fifth", "twenty sixth",
    "twenty seventh", "twenty eighth", "twenty ninth", "thirtieth", "thirty first",
)  # fmt: skip
_ORDINAL = "|".join(sorted((one.replace(" ", "[ -]") for one in _ORDINALS), key=len, reverse=True))
_MONTH = "|".join(MONTHS)
_NUMBERED = rf"(?:[0-9]{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL})"
DATED = rf"(?:(?:the )?{_NUMBERED}(?: of)? (?:{_MONTH})|(?:{_MONTH}) (?:the )?{_NUMBERED})(?:,? [0-9]{{4}})?"
"""A day of a month, as a regular expression on lower-case text."""
_CLOCK = re.compile(
    r"(?:(?P<part>half past|quarter past|quarter to) )?"
    r"(?<![0-9])(?P<hour>[0-9]{1,2})(?::?(?P<minute>[0-9]{2}))?(?![0-9])"
    r"\s?(?P<half>[ap]\.? ?m\b|o'?clock|in the (?:morning|afternoon|evening)|at night)?"
)


def day_of(text: str, today: date) -> date | None:
    """The day that lower-case `text` names; None without a day. Weekdays and dates without a year are the next ones
    from `today` on."""
    if found := re.search(r"\b([0-9]{4})-([0-9]{2})-([0-9]{2})\b", text):
        return _date(*map(int, found.groups()))
    if found := re.search(rf"\b{DATED}\b", text):
        return _dated(found.group(), today)
    for words, days in (("day after tomorrow", 2), ("tomorrow", 1), ("today", 0), ("tonight", 0), ("this evening", 0)):
        if words in text:
            return today + timedelta(days)
    if found := re.search(r"\bin ([0-9]+|[a-z]+) (day|week)s?\b", text):
        count = int(found.group(1)) if found.group(1).isdigit() else {"a": 1, **DIGITS}.get(found.group(1), 0)
        if 0 < count <= 366:
            return today + timedelta(count * (7 if found.group(2) == "week" else 1))
    for number, weekday in enumerate(WEEKDAYS):
        if re.search(rf"\b{weekday}s?\b", text):
            ahead = (number - today.weekday()) % 7 or 7
            return today + timedelta(ahead)
    return None


def _dated(text: str, today: date) -> date | None:
    month = next(at for at, name in enumerate(MONTHS, 1) if name in text)
    rest = text.replace(MONTHS[month - 1], " ").replace("-", " ")
    year = re.search(r"\b[0-9]{4}\b", rest)
    number = re.search(r"\b[0-9]{1,2}(?=st|nd|rd|th|\b)", rest)
    if number:
        day = int(number.group())
    else:
        named = [at for at, name in enumerate(_ORDINALS, 1) if re.search(rf"\b{name}\b", rest)]
        day = max(named, default=0)
    found = _date(int(year.group()) if year else today.year, month, day)
    return _date(today.year + 1, month, day) if found and not year and found < today else found


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def clock_of(text: str) -> time | None:
    """The time of day in lower-case `text`; None without one. The hours one to six are in the afternoon, unless the
    text says otherwise."""
    if re.search(r"\b(?:noon|midday)\b", text):
        return time(12)
    for run in reversed(runs(text)):  # "nine thirty" is 930
        text = text[: run.start] + run.digits + text[run.end :]
    candidates = list(_CLOCK.finditer(text))
    sure = [one for one in candidates if one["part"] or one["half"] or ":" in one.group()]
    after = [one for one in candidates if re.search(r"\b(?:at|after|around|about|by) $", text[: one.start()])]
    for found in (*sure, *after, *candidates):
        hour, minute = int(found["hour"]), int(found["minute"] or 0)
        if found["part"]:
            minute = {"half past": 30, "quarter past": 15, "quarter to": 45}[found["part"]]
            hour -= minute == 45
        half = (found["half"] or "").replace(".", "")
        late = half.startswith("p") or "afternoon" in half or "evening" in half or "night" in half
        early = half.startswith("a") or "morning" in half
        if (late and hour < 12) or (not early and not late and 1 <= hour <= 6):
            hour += 12
        if early and hour == 12:
            hour = 0
        if hour < 24 and minute < 60:
            return time(hour, minute)
    return None
