"""Limits on incoming calls for one caller, one network and one day, and the answers to calls beyond them. Sans-IO.

`sipgw.policy.inbound.admission` decides which requests are accepted at all, how fast, and how many calls a trunk and
the gateway hold at once. These limits apply to the calls that it accepted.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

from sipgw.bounds import FULL
from sipgw.config.inbound import Answer, LimitOptions
from sipgw.config.networks import Networks, site

WITHHELD = "withheld"
REMEMBERED = 20_000
"""Number of counted callers and networks; the least recent are forgotten first."""


class Declined(NamedTuple):
    """The reason and the answer of a refused call."""

    answer: Answer
    rule: str
    reason: str
    """In plain words."""

    @property
    def status(self) -> int:
        """The SIP status of the answer; 200 for a spoken answer."""
        return {"busy": 486, "overload": 503, "decline": 603, "spoken": 200}[self.answer]


class LimitRule(NamedTuple):
    """How many calls of one kind there may be."""

    key: str
    """The counted kind of calls."""
    most: int
    window: float
    """Seconds for which a call counts; 0: the duration of the call."""
    declined: Declined
    """The answer to a call beyond the limit."""


class SpentToday(NamedTuple):
    """Minutes and money of the day so far."""

    minutes: float = 0.0
    money: float = 0.0

    def plus(self, other: "SpentToday") -> "SpentToday":
        """The sum of both."""
        return SpentToday(self.minutes + other.minutes, self.money + other.money)


class Caller(NamedTuple):
    """Caller, called number and source of a call."""

    number: str
    """The caller's number; empty if it is withheld."""
    dialled: str
    host: str
    """The address that the call comes from."""


class InboundLimits:
    """Judges incoming calls; `spent` returns the minutes and money of the day."""

    def __init__(self, options: LimitOptions, spent: Callable[[], SpentToday] = SpentToday) -> None:
        self._options = options
        self._spent = spent
        self._blocked = Networks((network, True) for network in options.blocked_networks)
        self._recent: OrderedDict[str, deque[float]] = OrderedDict()
        self._going: Counter[str] = Counter()

    def admit(self, caller: Caller, now: float) -> Declined | None:
        """Why the call is declined, or None if it is accepted: then it counts until `over`. `now` is in seconds."""
        declined = self._refusal(caller, now)
        if declined is None:
            for rule in self.rules(caller):
                if not rule.window:
                    self._going[rule.key] += 1
                    continue
                self._recent.setdefault(rule.key, deque()).append(now)
                self._recent.move_to_end(rule.key)
            while len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
                FULL["callers whose calls are counted"] += 1
        return declined

    def over(self, caller: Caller) -> None:
        """Note that an admitted call is over."""
        for rule in self.rules(caller):
            if not rule.window:
                self._going[rule.key] -= 1
                if not self._going[rule.key]:
                    del self._going[rule.key]

    def _refusal(self, caller: Caller, now: float) -> Declined | None:
        options, number = self._options, caller.number or WITHHELD
        if self._blocked.match(caller.host) is not None:
            why = f"calls from {caller.host} are blocked ([limits] blocked)"
            return Declined(options.answer_blocked, "blocked", why)
        names = (number, number.removeprefix("+"))  # some carriers send it without +
        if pattern := next((one for one in options.blocked if any(fnmatchcase(name, one) for name in names)), ""):
            return Declined(options.answer_blocked, "blocked", f"calls from {pattern} are blocked ([limits] blocked)")
        full = (rule.declined for rule in self.rules(caller) if self._count(rule, now) >= rule.most)
        return next(full, None) or self.budget()

    def _count(self, rule: LimitRule, now: float) -> int:
        if not rule.window:
            return self._going[rule.key]
        calls = self._recent.get(rule.key, deque())
        while calls and calls[0] <= now - rule.window:
            calls.popleft()
        return len(calls)

    def rules(self, caller: Caller) -> list[LimitRule]:
        """How many calls like this one there may be, at the same time and within the window."""
        options, number, found = self._options, caller.number, []
        person = next((one for one in options.people if fnmatchcase(caller.dialled, one.number)), None)
        if person is not None:
            reason = f"{person.at_once} at once speak at {person.number} already ([[limits.people]])"
            found.append(
                LimitRule(f"person:{person.number}", person.at_once, 0, Declined(person.answer, "busy", reason))
            )
        if number and options.at_once_per_number:
            name, most = "at_once_per_number", options.at_once_per_number
            reason = f"{number} has {most} calls at the same time ([limits] {name})"
            found.append(LimitRule(f"{name}:{number}", most, 0, Declined(options.answer_too_often, name, reason)))
        for who, name in ((number, "per_number"), (site(caller.host), "per_network")):
            most, window = getattr(options, name), options.window
            if who and most:
                reason = f"{who} has called {most} times within {window:.0f} s ([limits] {name})"
                found.append(LimitRule(f"{name}:{who}", most, window, Declined(options.answer_too_often, name, reason)))
        return found

    def spent(self) -> str:
        """Why nothing more may be paid for today; empty if something may."""
        over = self.budget()
        return over.reason if over else ""

    def budget(self) -> Declined | None:
        """Why no more calls are admitted today, or None."""
        options = self._options
        if not (options.minutes_per_day or options.money_per_day):
            return None  # the sum over all calls takes time
        spent = self._spent()
        for name, used in (("minutes_per_day", spent.minutes), ("money_per_day", spent.money)):
            if 0 < getattr(options, name) <= used:
                why = f"the calls of today have taken all that they may ([limits] {name})"  # the sum is of all tenants
                return Declined(options.answer_spent, name, why)
        return None
