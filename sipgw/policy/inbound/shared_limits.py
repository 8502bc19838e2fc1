"""The limits on incoming calls, counted over all gateways. Without Redis each counts its own calls."""

import asyncio
import contextlib

from sipgw.cluster.cluster import Cluster
from sipgw.cluster.shared import Unreachable
from sipgw.cluster.slots import HeldSlot, SlotLimit
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.limits import Caller, Declined, InboundLimits, LimitRule
from sipgw.trunks.trunk_slots import HELD, TrunkCapacity, room_of


class SharedLimits:
    """The limits of this gateway, and in a cluster of all gateways together."""

    def __init__(self, own: InboundLimits, cluster: Cluster | None) -> None:
        self.own = own
        self._cluster = cluster
        self._held: dict[str, list[str]] = {}
        """The sets in which each call holds a slot for its duration."""
        if cluster is not None:
            cluster.parts.append(self._beat)

    async def admit(self, caller: Caller, call: str, trunk: TrunkOptions) -> Declined | None:
        """None if the call is accepted: then it counts until `over`. While Redis is away only the limits of this
        gateway apply."""
        if self._cluster is None:
            return self._own(caller)
        rules = [*self.own.rules(caller), _rule_of(room_of(trunk))]
        full = None
        with contextlib.suppress(Unreachable):
            bounds = [SlotLimit(rule.key, rule.most, rule.window or HELD) for rule in rules]
            full = await self._cluster.places.take(call, bounds)
        if full is not None:
            return rules[full.at].declined
        declined = self._own(caller)
        if declined is None:
            self._held[call] = [rule.key for rule in rules if not rule.window]
        else:
            await self._give(call, [rule.key for rule in rules])
        return declined

    async def over(self, caller: Caller, call: str) -> None:
        """A call that was admitted is over."""
        self.own.over(caller)
        await self._give(call, self._held.pop(call, []))

    def _own(self, caller: Caller) -> Declined | None:
        return self.own.admit(caller, asyncio.get_running_loop().time())

    async def _give(self, call: str, keys: list[str]) -> None:
        with contextlib.suppress(Unreachable):  # then they are free after a while
            if self._cluster is not None and keys:
                await self._cluster.places.give(call, keys)

    async def _beat(self) -> None:
        if self._cluster is not None:
            held = [HeldSlot(key, call, HELD) for call, keys in self._held.items() for key in keys]
            await self._cluster.places.put(held)


def _rule_of(capacity: TrunkCapacity) -> LimitRule:
    return LimitRule(capacity.key, capacity.most, 0, Declined("overload", "max_calls", capacity.reason))
