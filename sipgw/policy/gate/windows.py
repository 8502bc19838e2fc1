"""Calling windows: in local time, in every possible time zone of the number. Sans-IO."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sipgw.config.gate import WindowOptions

LOOK_AHEAD = 62
"""Days in which the next opening is looked for, because holidays may last weeks. A number without one is given up."""


def _is_holiday(day: date, country: str, holidays: Sequence[str]) -> bool:
    dates = (f"{day:%Y-%m-%d}", f"{day:%m-%d}")
    return any(text in holidays or f"{country}:{text}" in holidays for text in dates)


@dataclass(frozen=True)
class Hours:
    """The windows that apply to the numbers of one country, and its holidays."""

    windows: tuple[WindowOptions, ...]
    holidays: tuple[str, ...]
    country: str

    @classmethod
    def of(cls, windows: Sequence[WindowOptions], holidays: Sequence[str], country: str) -> "Hours":
        """The `windows` that name the country; if none does, the windows without a country."""
        named = tuple(window for window in windows if country in window.countries)
        return cls(named or tuple(one for one in windows if not one.countries), tuple(holidays), country)

    def closed(self, now: datetime, zones: Sequence[ZoneInfo]) -> str:
        """The reason why calls are not allowed `now` in one of `zones`; empty if they are allowed in all."""
        for zone in zones:
            local = now.astimezone(zone)
            there = f"it is {local:%H:%M} on {local:%A} in {zone.key}"
            # When the clocks are set back, an hour occurs twice, so its times are ambiguous.
            if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
                return f"{there}, where the clocks are just being set back"
            begun = [day for window in self.windows if (day := window.span.began(local)) is not None]
            if not begun:
                return there
            if all(_is_holiday(day, self.country, self.holidays) for day in begun) or _is_holiday(
                local.date(), self.country, self.holidays
            ):
                return f"{there}, and {local.day} {local:%B} is a holiday"
        return ""

    def opens(self, now: datetime, zones: Sequence[ZoneInfo]) -> datetime | None:
        """The next time from `now` at which calls are allowed in all of `zones`; None if there is none within
        `LOOK_AHEAD`."""
        different = list({zone.utcoffset(now): zone for zone in zones}.values())
        begins = heapq.merge(*(_begins(window, zone, now) for window in self.windows for zone in different))
        return next((at for at in begins if at > now and not self.closed(at, different)), None)


def _begins(window: WindowOptions, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """When `window` begins in `zone` on each day from `now` on, as if it applied to all days of the week."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for day in range(LOOK_AHEAD):
        local = midnight + timedelta(days=day, minutes=window.span.begin)
        yield local.replace(tzinfo=zone).astimezone(UTC)
