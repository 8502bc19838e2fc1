"""When people may be called: by the clock on their wall, in every time zone that their number may be in. Sans-IO."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
LOOK_AHEAD = 8
"""Days in which the next opening is looked for."""
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)\s*-\s*([01]\d|2[0-4]):([0-5]\d)")
_HOLIDAY = re.compile(r"(?:([A-Z]{2}):)?(?:(\d{4})-)?(\d{2})-(\d{2})")


@dataclass(frozen=True)
class WindowOptions:
    """Hours of the week in which people may be called, by their own clock."""

    hours: str = "09:00-20:00"
    """From and to, as ``"09:00-20:00"``; ``"22:00-02:00"`` ends on the next day, ``"00:00-24:00"`` is all day."""
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat")
    """The days on which it begins."""
    countries: tuple[str, ...] = ()
    """Two letters each: whose numbers it is for. Empty: those of every country that no window names."""

    def __post_init__(self) -> None:
        match = _HOURS.fullmatch(self.hours)
        if match is None or ("24" in (match[1], match[3]) and (match[1] == "24" or match[4] != "00")):
            raise ValueError(f'hours {self.hours!r} must be written like "09:00-20:00"')
        if self.begins == self.ends:
            raise ValueError(f"hours {self.hours!r} are none; all day is 00:00-24:00")

    @cached_property
    def _minutes(self) -> tuple[int, int]:
        numbers = [int(text) for text in re.findall(r"\d+", self.hours)]
        return numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]

    @property
    def begins(self) -> int:
        """Minutes after midnight."""
        return self._minutes[0]

    @property
    def ends(self) -> int:
        """Minutes after midnight; on the next day if it is not after `begins`."""
        return self._minutes[1]

    def began(self, local: datetime) -> date | None:
        """The day on which the window began that is open at `local`; None if it is closed."""
        minute, today = local.hour * 60 + local.minute, local.date()
        if self.begins < self.ends:
            begun = today if self.begins <= minute < self.ends else None
        elif minute >= self.begins:
            begun = today
        else:
            begun = today - timedelta(days=1) if minute < self.ends else None
        return begun if begun is not None and DAYS[begun.weekday()] in self.days else None

    def __str__(self) -> str:
        return f"{self.hours} on {', '.join(self.days)}"


def check_holidays(holidays: Sequence[str]) -> None:
    """Raises `ValueError` for what is no holiday: ``"2026-11-26"``, ``"12-25"`` (each year), ``"US:2026-11-26"``."""
    for text in holidays:
        match = _HOLIDAY.fullmatch(text)
        try:
            date(int(match[2] or 2024), int(match[3]), int(match[4])) if match else date.fromisoformat("none")
        except ValueError:
            raise ValueError(f'holiday {text!r} must be written like "2026-11-26", "12-25" or "US:07-04"') from None


def _is_holiday(day: date, country: str, holidays: Sequence[str]) -> bool:
    dates = (f"{day:%Y-%m-%d}", f"{day:%m-%d}")
    return any(text in holidays or f"{country}:{text}" in holidays for text in dates)


@lru_cache(maxsize=1000)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, or None if it is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@dataclass(frozen=True)
class Hours:
    """The windows that hold for the numbers of one country, and its holidays."""

    windows: tuple[WindowOptions, ...]
    holidays: tuple[str, ...]
    country: str

    @classmethod
    def of(cls, windows: Sequence[WindowOptions], holidays: Sequence[str], country: str) -> "Hours":
        """Those of `windows` that name the country; if none does, those that name no country."""
        named = tuple(window for window in windows if country in window.countries)
        return cls(named or tuple(one for one in windows if not one.countries), tuple(holidays), country)

    def closed(self, now: datetime, zones: Sequence[ZoneInfo]) -> str:
        """Why nobody may be called `now` in one of `zones`, in words; empty if it is a good time in all of them."""
        for zone in zones:
            local = now.astimezone(zone)
            there = f"it is {local:%H:%M} on {local:%A} in {zone.key}"
            # In the hour that the clocks are set back the same time comes twice: nobody can say which one is meant.
            if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
                return f"{there}, where the clocks are just being set back"
            begun = [day for window in self.windows if (day := window.began(local)) is not None]
            if not begun:
                return there
            if all(_is_holiday(day, self.country, self.holidays) for day in begun) or _is_holiday(
                local.date(), self.country, self.holidays
            ):
                return f"{there}, and {local.day} {local:%B} is a holiday"
        return ""

    def opens(self, now: datetime, zones: Sequence[ZoneInfo]) -> datetime | None:
        """The next time from `now` at which it is a good time in all of `zones`; None within a week."""
        different = list({zone.utcoffset(now): zone for zone in zones}.values())
        begins = set()
        for zone in different:
            midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            for day in range(LOOK_AHEAD):
                for window in self.windows:
                    local = midnight + timedelta(days=day, minutes=window.begins)
                    begins.add(local.replace(tzinfo=zone).astimezone(UTC))
        return next((at for at in sorted(begins) if at > now and not self.closed(at, different)), None)
