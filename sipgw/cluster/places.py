"""Places in sets of all gateways, each held for a while: for calls at the same time, calls of a day, who registers.

A set is a sorted set of Redis, its members scored with the time at which their places are free again, by the clock of
Redis. Whoever dies with a place does not renew it, and after a while it is free.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sipgw.cluster.shared import Shared

AT_ONCE = 500
"""Places that are renewed in one step."""

_TAKE = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local count, most = redis.call('ZCARD', key), tonumber(ARGV[2 * i])
  if count >= most and not redis.call('ZSCORE', key, ARGV[1]) then
    local first = redis.call('ZRANGE', key, count - most, count - most, 'WITHSCORES')
    return {i, tostring((first[2] or now) - now)}
  end
end
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'GT', now + ARGV[2 * i + 1], ARGV[1])
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', key, math.ceil(last[2] * 1000))
end
return {}
"""
_PUT = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'GT', now + ARGV[2 * i], ARGV[2 * i - 1])
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', key, math.ceil(last[2] * 1000))
end
return {}
"""
_GIVE = "for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end return {}"


class Bound(NamedTuple):
    """A set in which a place is wanted."""

    key: str
    most: int
    """Places that it has."""
    seconds: float
    """For how long the place is held."""


class Full(NamedTuple):
    """There was no place."""

    at: int
    """In which of the sets that were asked for."""
    wait: float
    """Seconds until one is free, if nobody renews."""


class Held(NamedTuple):
    """A place that somebody has."""

    key: str
    member: str
    seconds: float


class Places:
    """The sets. All methods raise `Unreachable`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def take(self, member: str, bounds: Sequence[Bound]) -> Full | None:
        """Take a place in each set, or in none; None if there was one. Who has a place already renews it."""
        arguments: list[str | float] = [member]
        for bound in bounds:
            arguments += [bound.most, bound.seconds]
        found = await self._shared.run(_TAKE, [bound.key for bound in bounds], arguments)
        return Full(int(found[0]) - 1, float(found[1])) if found else None

    async def put(self, places: Sequence[Held]) -> None:
        """Hold these places, whether the sets are full or not: they were taken before, even if Redis forgot it."""
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            arguments: list[str | float] = []
            for one in some:
                arguments += [one.member, one.seconds]
            await self._shared.run(_PUT, [one.key for one in some], arguments)

    async def give(self, member: str, keys: Sequence[str]) -> None:
        """Give places back."""
        await self._shared.run(_GIVE, list(keys), [member])
