"""The calls of all gateways, available at each of them. Each gateway publishes its own at every beat."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from sipgw.cluster.cluster import BEAT, Cluster

KEPT = 5 * BEAT
"""Seconds without news after which a gateway is no longer listed."""
_TELL = """
local t = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2] * 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', t[1] - ARGV[2])
redis.call('ZADD', KEYS[2], t[1], KEYS[1])
return {}
"""
_ALL = """
local found = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  found[#found + 1] = redis.call('GET', key) or nil
end
return found
"""

Row = dict[str, Any]


class GatewayCalls(NamedTuple):
    """The running calls of one gateway."""

    name: str
    draining: bool
    calls: dict[str, Row]


class SharedCalls:
    """The running calls of all gateways; `here` returns those of this gateway."""

    def __init__(self, cluster: Cluster | None, here: Callable[[], GatewayCalls]) -> None:
        self.cluster = cluster
        self._here = here
        if cluster is not None:
            cluster.parts.append(lambda: self._tell(cluster))

    async def all(self) -> list[GatewayCalls]:
        """All gateways, this one as it is now, by name. Raises `Unreachable`."""
        if self.cluster is None:
            return [self._here()]
        told = [json.loads(one) for one in await self.cluster.shared.run(_ALL, ["gateways"], [])]
        others = [one for one in told if one["id"] != self.cluster.id]
        there = [GatewayCalls(one["name"], one["draining"], one["calls"]) for one in others]
        return sorted([*there, self._here()], key=lambda one: one.name)

    async def _tell(self, cluster: Cluster) -> None:
        told = json.dumps({"id": cluster.id} | self._here()._asdict())
        await cluster.shared.run(_TELL, [f"calls:{cluster.id}", "gateways"], [told, KEPT])
