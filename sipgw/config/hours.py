"""When somebody is on duty: ``"mon-fri 09:00-17:30"``, in a time zone of their own. Sans-IO."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
_SPAN = re.compile(r"(?:([a-z, -]+?)\s+)?(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")


@dataclass(frozen=True)
class Span:
    """The same hours on some days; an end before the beginning is on the next day."""

    days: frozenset[int]
    """0 is Monday."""
    begin: int
    """Minutes since midnight."""
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"mon-fri 09:00-17:30"``, ``"sat,sun 22:00-06:00"`` or, for every day, ``"09:00-17:30"``.

        Raises `ValueError`.
        """
        found = _SPAN.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f'hours: {text!r} is not like "mon-fri 09:00-17:30"')
        begin, end = (60 * int(found[at]) + int(found[at + 1]) for at in (2, 4))
        if max(begin, end) > MIDNIGHT or begin == end or max(int(found[3]), int(found[5])) > 59:
            raise ValueError(f"hours: {text!r} has a time that is none")
        days = frozenset(range(7)) if found[1] is None else _days(found[1], text)
        return cls(days, begin, end)

    def covers(self, local: datetime) -> bool:
        """Whether the time on the clock of the place is within."""
        minute = 60 * local.hour + local.minute
        if self.begin < self.end:
            return local.weekday() in self.days and self.begin <= minute < self.end
        yesterday = (local - timedelta(days=1)).weekday()
        return (local.weekday() in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)


def on_duty(spans: Sequence[Span], local: datetime) -> bool:
    """Whether one of `spans` covers the time on the clock of the place; none at all means always."""
    return not spans or any(span.covers(local) for span in spans)


def _days(text: str, whole: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = (one.strip() for one in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"hours: {whole!r} names a day that is none of {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return frozenset(days)
