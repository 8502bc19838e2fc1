"""Hours of the week, as ``"mon-fri 09:00-17:30"``, and time zones by their names. Sans-IO."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.rules.rule_error import RuleError

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
MIDNIGHT = 24 * 60
_SPAN = re.compile(r"(?:([a-z, -]+?)\s+)?(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")


@lru_cache(maxsize=1000)
def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of that name; None if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of(time_zone: str) -> ZoneInfo:
    """The zone that an option `time_zone` names. Raises `RuleError`."""
    if (zone := zone_named(time_zone)) is None:
        raise RuleError(f"there is no {time_zone!r}; write it like Europe/Berlin", "time_zone")
    return zone


@dataclass(frozen=True)
class WeeklyHours:
    """A span of hours, the same on some days of the week. If `end` is not after `begin`, it is on the next day."""

    days: frozenset[int]
    """The days on which the span begins; 0 is Monday."""
    begin: int
    """Minutes after midnight."""
    end: int
    """Minutes after midnight."""

    @classmethod
    def parse(cls, text: str, days: Collection[Day] | None = None) -> Self:
        """Read ``"mon-fri 09:00-17:30"``, ``"sat,sun 22:00-06:00"`` or, for every day, ``"09:00-17:30"``.

        If `days` are given, the text has no days. Raises `RuleError` for the option `hours`.
        """
        found = _SPAN.fullmatch(text.strip().lower())
        if found is None or (days is not None and found[1]):
            example = "09:00-17:30" if days is not None else "mon-fri 09:00-17:30"
            raise RuleError(f'{text!r} must be written like "{example}"', "hours")
        begin, end = (60 * int(found[at]) + int(found[at + 1]) for at in (2, 4))
        if begin >= MIDNIGHT or end > MIDNIGHT or max(int(found[3]), int(found[5])) > 59:
            raise RuleError(f"{text!r} has a time that does not exist", "hours")
        if begin == end:
            raise RuleError(f"{text!r} is no time at all; all day is 00:00-24:00", "hours")
        if days is not None:
            return cls(frozenset(map(DAYS.index, days)), begin, end)
        return cls(frozenset(range(7)) if found[1] is None else _days(found[1], text), begin, end)

    def began(self, local: datetime) -> date | None:
        """The day on which the span that covers `local` began; None if the span does not cover it. `local` is a local
        time of the place."""
        minute, day = 60 * local.hour + local.minute, local.date()
        if self.begin < self.end:
            covered = self.begin <= minute < self.end
        else:
            covered = minute >= self.begin or minute < self.end
            day -= timedelta(days=1 if minute < self.end else 0)
        return day if covered and day.weekday() in self.days else None


def on_duty(spans: Sequence[WeeklyHours], local: datetime, holidays: str = "") -> bool:
    """Whether one of `spans` covers `local`, a local time of the place; without spans, always. No span begins on the
    public `holidays` of a place (see `check_holidays`).
    """
    days = [span.began(local) for span in spans] if spans else [local.date()]
    return any(day and not (holidays and day in _holidays(holidays, day.year)) for day in days)


def check_holidays(place: str) -> None:
    """Raises `RuleError` unless the public holidays of `place`, a country or one of its regions (ISO 3166: ``"US"``,
    ``"DE-BY"``), are known here."""
    if not place:
        return
    if find_spec("holidays") is None:
        raise RuleError("needs the library of that name: pip install 'sipgw[holidays]'", "holidays")
    try:
        _holidays(place, 2026)
    except (NotImplementedError, AttributeError, TypeError):  # its classes are the countries
        raise RuleError(f"{place!r} is no country or region such as 'US' or 'DE-BY'", "holidays") from None


@lru_cache(maxsize=100)
def _holidays(place: str, year: int) -> frozenset[date]:
    import holidays  # 50 ms, and 14 MB of disk that few gateways need

    country, _, region = place.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year))


def _days(text: str, whole: str) -> frozenset[int]:
    days, names = set[int](), list[str](DAYS)
    for part in text.split(","):
        first, _, last = (one.strip() for one in part.partition("-"))
        if first not in names or (last or first) not in names:
            raise RuleError(f"{whole!r} names a day that is none of {', '.join(DAYS)}", "hours")
        begin, end = names.index(first), names.index(last or first)
        days.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return frozenset(days)
