"""Slots that all gateways share, each held for a while: for simultaneous calls, calls of a day, and registrations.

A sorted set of Redis holds the slots; the score of a member is the time at which its slot expires, by the clock of
Redis. A gateway that died does not renew its slots, so they expire.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sipgw.cluster.shared import Shared

AT_ONCE = 500
"""Slots that are renewed in one step."""

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


class SlotLimit(NamedTuple):
    """A set in which a slot is requested, and its limit."""

    key: str
    most: int
    """The number of slots in the set."""
    seconds: float = 0.0
    """Seconds for which the slot is held; 0: for the duration of the call (`sipgw.cluster.call_slots`)."""


class NoFreeSlot(NamedTuple):
    """The result if a set had no free slot."""

    at: int
    """Index of the full set among the requested sets."""
    wait: float
    """Seconds until a slot is free, if no holder renews its slot."""


class HeldSlot(NamedTuple):
    """A slot that is in use."""

    key: str
    member: str
    seconds: float


class SharedSlots:
    """The shared sets of slots in Redis. All methods raise `Unreachable`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def take(self, member: str, bounds: Sequence[SlotLimit]) -> NoFreeSlot | None:
        """Take a slot in each set, or in none; None on success. If `member` has a slot already, it is renewed."""
        arguments: list[str | float] = [member]
        for bound in bounds:
            arguments += [bound.most, bound.seconds]
        found = await self._shared.run(_TAKE, [bound.key for bound in bounds], arguments)
        return NoFreeSlot(int(found[0]) - 1, float(found[1])) if found else None

    async def put(self, places: Sequence[HeldSlot]) -> None:
        """Hold these slots even if the sets are full: they were taken before, and Redis may have lost them."""
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            arguments: list[str | float] = []
            for one in some:
                arguments += [one.member, one.seconds]
            await self._shared.run(_PUT, [one.key for one in some], arguments)

    async def give(self, member: str, keys: Sequence[str]) -> None:
        """Give the slots of `member` in the sets `keys` back."""
        await self._shared.run(_GIVE, list(keys), [member])
