"""How much of us one caller, one network or one day may take: who is turned away, and with which words. Sans-IO.

`sipgw.admission` says who may come in at all, how fast, and how many at once on a trunk and in total; this is about the
calls that it let in.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from sipgw.networks import Networks, check_networks, site

Answer = Literal["busy", "overload", "decline", "spoken"]
"""486, 503 with Retry-After (carriers then try their next destination), 603, or a sentence that is spoken."""
WITHHELD = "withheld"
REMEMBERED = 20_000
"""Callers and networks whose calls are counted; the longest silent are forgotten first."""


@dataclass(frozen=True)
class PersonOptions:
    """A dialled number behind which there is one person, or a few."""

    number: str
    """As it is dialled; ``*`` stands for anything."""
    at_once: int = 1
    """Calls at the same time."""
    answer: Answer = "busy"
    """For one more."""


@dataclass(frozen=True)
class LimitOptions:
    """Limits on calls that come in; 0 is none."""

    window: float = 3600
    """Seconds in which calls are counted."""
    per_number: int = 0
    """Calls from one number within `window`. Those who withhold theirs are not counted."""
    per_network: int = 0
    """Calls from one IPv4 address, or IPv6 network of 64 bits, within `window`: for phones rather than carriers."""
    at_once_per_number: int = 0
    """Calls from one number at the same time."""
    minutes_per_day: float = 0
    """Minutes of all calls, in and out, from midnight to midnight by this machine's clock."""
    money_per_day: float = 0
    """What all calls may cost in a day, in the currency of the prices."""
    people: tuple[PersonOptions, ...] = ()
    """Numbers that are busy when somebody speaks there."""
    blocked: tuple[str, ...] = ()
    """Callers that are turned away: ``"+1900*"``, ``"withheld"``."""
    blocked_networks: tuple[str, ...] = ()
    """Networks that are turned away, even if a trunk or account names them."""
    answer_blocked: Answer = "decline"
    answer_too_often: Answer = "decline"
    """For `per_number`, `per_network` and `at_once_per_number`."""
    answer_spent: Answer = "overload"
    """For `minutes_per_day` and `money_per_day`."""
    retry_after: float = 60
    """Seconds after which it is worth trying again, told with 503."""
    sentence: str = "I am sorry, we cannot take your call now. Please try again later. Goodbye."
    """What is said for ``"spoken"``."""

    def __post_init__(self) -> None:
        check_networks(self.blocked_networks)
        if self.window <= 0 or self.retry_after < 1:
            raise ValueError("window must be more than 0, retry_after at least 1 s")
        for name in ("per_number", "per_network", "at_once_per_number", "minutes_per_day", "money_per_day"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be less than 0")
        if any(person.at_once < 1 for person in self.people):
            raise ValueError("at_once must be at least 1")


class Declined(NamedTuple):
    """Why a call is turned away, and how."""

    answer: Answer
    rule: str
    reason: str
    """In plain words."""

    @property
    def status(self) -> int:
        """The SIP answer; 200 for one that is spoken."""
        return {"busy": 486, "overload": 503, "decline": 603, "spoken": 200}[self.answer]


class Spent(NamedTuple):
    """What the calls of a day have taken so far."""

    minutes: float = 0.0
    money: float = 0.0


class Caller(NamedTuple):
    """Who calls whom, and from where."""

    number: str
    """Empty if it is withheld."""
    dialled: str
    host: str
    """The address that the call comes from."""


class Limits:
    """Judges the calls that come in; `spent` tells what the day has taken."""

    def __init__(self, options: LimitOptions, spent: Callable[[], Spent] = Spent) -> None:
        self._options = options
        self._spent = spent
        self._blocked = Networks((network, True) for network in options.blocked_networks)
        self._recent: OrderedDict[str, deque[float]] = OrderedDict()
        self._callers: Counter[str] = Counter()
        self._called: Counter[int] = Counter()

    def admit(self, caller: Caller, now: float) -> Declined | None:
        """None to take the call: then it counts, until `over`. `now` is in seconds."""
        declined = self._refusal(caller, now)
        if declined is None:
            for key, _ in self._counted(caller):
                calls = self._recent.setdefault(key, deque())
                calls.append(now)
                self._recent.move_to_end(key)
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
            self._callers[caller.number] += 1
            self._called[self._person(caller)] += 1
        return declined

    def over(self, caller: Caller) -> None:
        """A call that was admitted is over."""
        self._called[self._person(caller)] -= 1
        self._callers[caller.number] -= 1
        if not self._callers[caller.number]:
            del self._callers[caller.number]

    def _refusal(self, caller: Caller, now: float) -> Declined | None:
        options, number = self._options, caller.number or WITHHELD
        if self._blocked.match(caller.host) is not None:
            return Declined(options.answer_blocked, "blocked", f"calls from {caller.host} are blocked ([limits])")
        if pattern := next((one for one in options.blocked if fnmatchcase(number, one)), ""):
            return Declined(options.answer_blocked, "blocked", f"calls from {pattern} are blocked ([limits] blocked)")
        at = self._person(caller)
        if at >= 0 and self._called[at] >= options.people[at].at_once:
            person = options.people[at]
            return Declined(
                person.answer, "busy", f"{person.at_once} at once speak at {person.number} already ([[limits.people]])"
            )
        if caller.number and 0 < options.at_once_per_number <= self._callers[caller.number]:
            return Declined(
                options.answer_too_often, "at_once_per_number",
                f"{number} has {options.at_once_per_number} calls at the same time ([limits] at_once_per_number)",
            )  # fmt: skip
        for key, name in self._counted(caller):
            most = getattr(options, name)
            calls = self._recent.get(key, deque())
            while calls and calls[0] <= now - options.window:
                calls.popleft()
            if len(calls) >= most:
                return Declined(
                    options.answer_too_often, name,
                    f"{key} has called {most} times within {options.window:.0f} s ([limits] {name})",
                )  # fmt: skip
        return self.budget()

    def budget(self) -> Declined | None:
        """Why nobody is let in any more today, or None."""
        options = self._options
        if not (options.minutes_per_day or options.money_per_day):
            return None  # the sum over all calls is not for nothing
        spent = self._spent()
        for name, used in (("minutes_per_day", spent.minutes), ("money_per_day", spent.money)):
            if 0 < getattr(options, name) <= used:
                return Declined(
                    options.answer_spent, name, f"the calls of today have taken {used:.2f} ([limits] {name})"
                )
        return None

    def _counted(self, caller: Caller) -> list[tuple[str, str]]:
        found = []
        if self._options.per_number and caller.number:
            found.append((caller.number, "per_number"))
        if self._options.per_network:
            found.append((site(caller.host), "per_network"))
        return found

    def _person(self, caller: Caller) -> int:
        """Which of `people` was dialled; -1 for none."""
        people = self._options.people
        return next((at for at, one in enumerate(people) if fnmatchcase(caller.dialled, one.number)), -1)
