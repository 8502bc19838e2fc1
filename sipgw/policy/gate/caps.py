"""How often people are called: counts of the calls that were permitted within the last day and week. Sans-IO."""

import itertools
from collections import Counter, deque
from datetime import datetime, timedelta

from sipgw.config.gate import GateOptions
from sipgw.policy.gate.rules import GateRefusal

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
SLACK = timedelta(minutes=5)
"""How far the clock may be set back, as time servers do, before the gate distrusts it."""


class Caps:
    """The calls of the last week."""

    def __init__(self) -> None:
        self._calls: deque[tuple[datetime, str]] = deque()
        self._today: deque[tuple[datetime, str]] = deque()
        self._of = Counter[str]()
        """How many calls of the last day each tenant made."""
        self._numbers: dict[str, deque[datetime]] = {}
        self._latest: datetime | None = None

    def note(self, number: str, at: datetime, tenant: str) -> None:
        """Count a call of `tenant` (empty: the operator) that was permitted."""
        self._calls.append((at, number))
        self._today.append((at, tenant))
        self._of[tenant] += 1
        self._numbers.setdefault(number, deque()).append(at)
        self.seen(at)

    def seen(self, at: datetime) -> None:
        """Note the time of a decision. A later decision at an earlier time shows that the clock is wrong."""
        if self._latest is None or at > self._latest:
            self._latest = at

    def refusal(self, number: str, options: GateOptions, now: datetime, tenant: str) -> GateRefusal | None:
        """The reason why `tenant` (empty: the operator) must not call `number` again, or None. A tenant may use half
        of the day's calls that the others leave, so some are always left for another tenant.
        """
        if self._latest is not None and now < self._latest - SLACK:
            return GateRefusal(
                "clock", f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, but the last decision was made at "
                f"{self._latest:%Y-%m-%d %H:%M}: nobody is called until the clock is right", self._latest
            )  # fmt: skip
        self._forget(now)
        calls = self._numbers.get(number, deque())
        for most, span, name in (
            (options.per_number_per_day, DAY, "24 hours"),
            (options.per_number_per_week, WEEK, "7 days"),
        ):
            made = [at for at in calls if at > now - span]
            if len(made) >= most:
                key = "per_number_per_day" if span is DAY else "per_number_per_week"
                return GateRefusal(
                    "cap_number", f"{number} was called {len(made)} times within {name}, and [gate] {key} is {most}",
                    made[-most] + span,
                )  # fmt: skip
        today, own = len(self._today), self._of[tenant] if tenant else 0
        if today + own >= options.per_day:
            share = f", {own} of them by {tenant}, which may use half of what others leave" if own else ""
            return GateRefusal(
                "cap_day", f"{today} calls were made within 24 hours{share}; [gate] per_day is {options.per_day}",
                self._room(tenant, today + own - options.per_day) + DAY,
            )  # fmt: skip
        return None

    def _room(self, tenant: str, over: int) -> datetime:
        """The time of the call that leaves room for `tenant` when it is a day old. A call of `tenant` itself leaves two
        places."""
        places = itertools.accumulate(2 if tenant and whose == tenant else 1 for _, whose in self._today)
        return next(at for (at, _), left in zip(self._today, places, strict=True) if left > over)

    def _forget(self, now: datetime) -> None:
        while self._today and self._today[0][0] <= now - DAY:
            self._of[self._today.popleft()[1]] -= 1
        while self._calls and self._calls[0][0] <= now - WEEK:
            _, number = self._calls.popleft()
            calls = self._numbers[number]
            calls.popleft()
            if not calls:
                del self._numbers[number]
