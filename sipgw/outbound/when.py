"""The time of a callback, from ISO 8601 or from words of callers ("tomorrow at five"), as an aware time. Sans-IO.

The words are needed: the scripted demo model passes them as they were said, and no model knows the time zone of the
caller's number. A text that can mean two times is refused, so that the agent asks again; so is a time in the past or
too far ahead.
"""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

FARTHEST = timedelta(days=62)
"""Latest time of a callback, from now."""
PARTS = {"morning": time(10), "afternoon": time(15), "evening": time(18), "tonight": time(19)}
"""The hour of a part of the day if no hour is said."""

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
_NUMBERS = {word: str(number) for number, word in enumerate(_ONES + _TEENS)} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
}
_NOW = re.compile(r"(?:right )?now|right away|immediately|as soon as possible|asap")
_IN = re.compile(
    r"in (?P<count>half an?|an?|[0-9]{1,3})(?P<half> and a half)? (?P<unit>minute|hour|day)s?(?P<more> and a half)?"
)
_DAY = re.compile(
    r"\b(?:(?P<near>today|tonight|the day after tomorrow|tomorrow)"
    rf"|(?:(?:next|this|on) )*(?P<day>{'|'.join(_DAYS)}))\b"
)
_PART = re.compile(r"\b(?:in the )?(morning|afternoon|evening)\b")
_PAST = re.compile(r"\b(half|quarter) (past|to) ([0-9]{1,2})\b")
_TIME = re.compile(
    r"\b(?:noon|midday|(?P<hour>[0-9]{1,2})(?:[: ](?P<minute>[0-5][0-9]))?(?: ?(?P<half>[ap])m\b| ?o'clock\b)?)"
)
_WINDOW = re.compile(r"\b(?:between|from) ([0-9: apm]{1,8}?) (?:and|to|till|until) [0-9: ]{1,6}")
_FILLER = {"at", "on", "in", "the", "around", "about", "after", "please", "sometime", "maybe", ",", "and", "of"}


class WhenError(ValueError):
    """The text gives no definite time; the message says what to ask."""


def due(text: str, now: datetime, zone: ZoneInfo | None = None, told: ZoneInfo | None = None) -> datetime:
    """The time in `zone` that `text` means, said at the aware time `now`; None for the machine's own zone.

    Words of callers are in `zone`, the caller's zone. ISO 8601 without an offset is in `told`, the zone of the clock
    that the model is given. Raises `WhenError`.
    """
    here = now.astimezone(zone)
    found = _iso(text, zone, told) or _spoken(" ".join(text.lower().replace("’", "'").split()), here)
    ahead = found.astimezone(UTC) - here.astimezone(UTC)
    if ahead < -timedelta(minutes=1):
        raise WhenError("that time has passed; ask for the day and the hour")
    if ahead > FARTHEST:
        raise WhenError(f"that is more than {FARTHEST.days} days ahead; ask for an earlier time")
    return found


def local(naive: datetime, zone: ZoneInfo | None) -> datetime:
    """A time of the wall clock as an aware time. Raises `WhenError` for a time that the clock shows twice or never."""
    either = [naive.replace(fold=fold).replace(tzinfo=zone) if zone else naive.replace(fold=fold).astimezone()
              for fold in (0, 1)]  # fmt: skip
    if either[0].utcoffset() != either[1].utcoffset():
        raise WhenError("the clocks change just then; ask for another hour")
    return either[0]


def spoken(at: datetime) -> str:
    """A time as it is spoken: ``Friday 20 November at 17:00``."""
    return f"{at:%A} {at.day} {at:%B} at {at:%H:%M}"


def _iso(text: str, zone: ZoneInfo | None, told: ZoneInfo | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if len(text.strip()) <= len("2026-11-20"):
        raise WhenError("the hour is missing; ask for it")
    return (found if found.tzinfo else local(found, told)).astimezone(zone)


def _spoken(text: str, here: datetime) -> datetime:
    text = re.sub(r"\b([ap])\.? ?m\b\.?", r"\1m", text).strip(" .!?,")
    text = re.sub(r"\boh (\w+)", r"0\1", re.sub(r"[a-z]+", lambda word: _NUMBERS.get(word[0], word[0]), text))
    text = re.sub(r"\b([2-5]0)[ -]([1-9])\b", lambda pair: str(int(pair[1]) + int(pair[2])), text)
    if _NOW.fullmatch(text):
        return here
    zone = here.tzinfo if isinstance(here.tzinfo, ZoneInfo) else None
    if ahead := _IN.fullmatch(text):
        return _ahead(ahead, here, zone)
    day, text = _cut(_DAY, text)
    part, text = _cut(_PART, text)
    at, text = _clock(text, (part[1] if part else "") or ("tonight" if day and day["near"] == "tonight" else ""))
    if left := set(re.findall(r"[^\s,]+", text)) - _FILLER:
        raise WhenError(f"{min(left)!r} is not clear; ask for the day and the hour")
    if at is None:
        raise WhenError("the hour is missing; ask for it")
    found = local(datetime.combine(_date(day, here), at), zone)
    if day is None and found < here:
        raise WhenError("that hour has passed today; ask for the day")
    return found


def _cut(pattern: re.Pattern[str], text: str) -> tuple[re.Match[str] | None, str]:
    found = pattern.search(text)
    return (None, text) if found is None else (found, f"{text[: found.start()]} {text[found.end() :]}")


def _ahead(ahead: re.Match[str], here: datetime, zone: ZoneInfo | None) -> datetime:
    """The time of e.g. "in two hours". Whole days keep the hour of the clock; hours and minutes are exact, even if the
    clocks change."""
    count = 0.5 if ahead["count"].startswith("half") else 1.0 if ahead["count"][0] == "a" else float(ahead["count"])
    count += 0.5 if ahead["half"] or ahead["more"] else 0.0
    if ahead["unit"] == "day" and count.is_integer():
        return local((here + timedelta(days=count)).replace(tzinfo=None, fold=0), zone)
    return (here.astimezone(UTC) + timedelta(**{f"{ahead['unit']}s": count})).astimezone(here.tzinfo)


def _date(day: re.Match[str] | None, here: datetime) -> datetime:
    if day is None or day["near"] in ("today", "tonight"):
        return here
    if day["near"]:
        return here + timedelta(days=2 if "after" in day["near"] else 1)
    ahead = (_DAYS.index(day["day"]) - here.weekday()) % 7
    if ahead == 0:
        raise WhenError(f"today is {day['day'].capitalize()}; ask whether today is meant, or in a week")
    return here + timedelta(days=ahead)


def _clock(text: str, part: str) -> tuple[time | None, str]:
    """The time of day and the rest of the text; "between two and four" gives two."""
    if window := _WINDOW.search(text):
        text = f"{text[: window.start()]} {window[1]} {text[window.end() :]}"
    if past := _PAST.search(text):
        minutes = (30 if past[1] == "half" else 15) * (1 if past[2] == "past" else -1)
        hour = _hour(int(past[3]), 0, "", part)
        total = (hour.hour * 60 + minutes) % (24 * 60)
        return time(total // 60, total % 60), f"{text[: past.start()]} {text[past.end() :]}"
    found, text = _cut(_TIME, text)
    if found is None:
        return PARTS.get(part), text
    if found["hour"] is None:
        return time(12), text
    return _hour(int(found["hour"]), int(found["minute"] or 0), found["half"] or "", part), text


def _hour(hour: int, minute: int, half: str, part: str) -> time:
    """The time of day. An hour from 1 to 7 without "am", "pm" or a part of the day is in the afternoon."""
    if hour > 23 or (half and not 1 <= hour <= 12):
        raise WhenError(f"there is no hour {hour}; ask for it")
    if half == "p" or (not half and (part in ("afternoon", "evening", "tonight") or (not part and hour <= 7))):
        hour = hour % 12 + 12 if hour <= 12 else hour
    elif half == "a":
        hour %= 12
    return time(hour, minute)
