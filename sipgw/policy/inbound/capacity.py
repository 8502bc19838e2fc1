"""The capacity of the gateway for another incoming or outgoing call. Sans-IO."""

from collections import Counter
from collections.abc import Callable
from typing import Literal

from sipgw.policy.inbound.headroom import Headroom

RELIEF = 5.0
"""Seconds without delay after which calls are accepted again: the delay shows only after new calls have begun."""


class Capacity:
    """The present calls, and the reasons against another one."""

    def __init__(self, max_calls: int | Literal["auto"], delay_limit: float) -> None:
        """`max_calls` at once; none more while sound is over `delay_limit` seconds late."""
        self.headroom = Headroom()
        self.calls: Counter[str] = Counter()
        """The number of present calls of each trunk."""
        self.starting = set[str]()
        """Calls, by their identity, that take a place but are not among `calls` yet, e.g. while the gate judges an
        outgoing call."""
        self.draining = False
        """Whether the gateway is stopping."""
        self.delay: Callable[[], float] = lambda: 0.0
        """Tells by how many seconds sound is late now."""
        self._max_calls = max_calls
        self._delay_limit = delay_limit
        self._late: tuple[float, float] | None = None
        """The last time at which sound was too late, and its delay."""

    def full(self, now: float) -> str:
        """Why no further call is taken; empty if one can be taken."""
        if self.draining:
            return "the gateway is stopping"
        calls = self._taken
        if self._max_calls != "auto" and calls >= self._max_calls:
            return f"the gateway has {self._max_calls} calls, [admission] max_calls"
        if self._max_calls == "auto" and calls and (fullest := self.headroom.fullest(calls)) and not fullest[2]:
            name, part, _ = fullest
            return f"the gateway has no headroom for another call: {name} is busy {part:.0%} of the time"
        if (delay := self.delay()) > self._delay_limit:
            self._late = now, delay
        # Without any call one is accepted: slow service is better than none.
        if calls and self._late and now < self._late[0] + RELIEF:
            return f"the gateway is overloaded: sound was {self._late[1]:.1f} s late, [admission] delay_limit"
        return ""

    @property
    def _taken(self) -> int:
        return self.calls.total() + len(self.starting)

    def room(self) -> int | None:
        """How many further calls can be taken, as far as is known: the headroom, but no more than `max_calls` leaves.

        None before the headroom was measured.
        """
        calls = self._taken
        found = self.headroom.calls(calls)
        return found if found is None or self._max_calls == "auto" else max(0, min(found, self._max_calls - calls))
