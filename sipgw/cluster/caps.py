"""The caps of the gate, counted over all gateways. While Redis is gone nobody is called: no guessing at the law.

Redis may forget. What is true stands in the audits of the gateways, so each tells Redis its calls of the last week when
it meets one that it does not know; until all had time for that, nobody is called.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sipgw.call_caps import DAY, WEEK, Caps
from sipgw.cluster.cluster import BEAT, Cluster
from sipgw.cluster.places import Bound, Held
from sipgw.cluster.shared import Unreachable
from sipgw.gate_rules import GateOptions, Refused

SETTLE = 3 * BEAT
"""Seconds that all gateways have to tell a Redis that has forgotten."""
AGAIN = timedelta(seconds=30)
_MEMORY = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
redis.call('SET', KEYS[1], tostring(now), 'NX')
local since = redis.call('GET', KEYS[1])
return {since, tostring(now - since)}
"""
_DAY, _WEEK = DAY.total_seconds(), WEEK.total_seconds()


class SharedCaps:
    """What Redis knows of the calls of all gateways; `own` are those of this one."""

    def __init__(self, cluster: Cluster, own: Caps, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._own = own
        self._now = now
        self._told = ("", -1)
        """The memory of Redis that knows our calls, and how often it had been lost then."""
        self._settled = False
        cluster.parts.append(self._beat)

    async def refusal(self, number: str, options: GateOptions, at: datetime) -> Refused | None:
        """Why `number` must not be called once more, or None: then the call counts."""
        shared = self._cluster.shared
        if not (shared.up and self._settled and self._told[1] == shared.lost):
            return _unknown(at)
        wanted = [
            Bound(f"day:{number}", options.per_number_per_day, _DAY),
            Bound(f"week:{number}", options.per_number_per_week, _WEEK),
            Bound("day", options.per_day, _DAY),
        ]
        try:
            full = await self._cluster.places.take(_member(number, at), wanted)
        except Unreachable:
            return _unknown(at)
        if full is None:
            return None
        most, again = wanted[full.at].most, at + timedelta(seconds=full.wait)
        key = ("per_number_per_day", "per_number_per_week", "per_day")[full.at]
        whom = "people were" if full.at == 2 else f"{number} was"
        rule = "cap_day" if full.at == 2 else "cap_number"
        return Refused(rule, f"{whom} called {most} times by all gateways together; [gate] {key} is {most}", again)

    async def _beat(self) -> None:
        lost = self._cluster.shared.lost
        since, age = await self._cluster.shared.run(_MEMORY, ["memory"], [])
        if self._told != (since, lost):  # what comes back may have forgotten
            self._settled = False
            await self._cluster.places.put(self._known(self._now()))
            self._told = since, lost
        self._settled = float(age) >= SETTLE

    def _known(self, now: datetime) -> list[Held]:
        found = []
        for at, number in self._own.calls:
            age, member = (now - at).total_seconds(), _member(number, at)
            found.append(Held(f"week:{number}", member, _WEEK - age))
            if age < _DAY:
                found += [Held(f"day:{number}", member, _DAY - age), Held("day", member, _DAY - age)]
        return found


def _member(number: str, at: datetime) -> str:
    return f"{at.isoformat()} {number}"


def _unknown(at: datetime) -> Refused:
    return Refused(
        "shared", "Redis does not answer, or has just begun to: nobody is called until all gateways' calls are known",
        at + AGAIN,
    )  # fmt: skip
