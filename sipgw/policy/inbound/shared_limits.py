"""The limits on incoming calls, counted over all gateways. Without Redis each counts its own calls."""

import asyncio

from sipgw.cluster.call_slots import CallSlots
from sipgw.cluster.cluster import Cluster
from sipgw.cluster.slots import SlotLimit
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.limits import Caller, Declined, InboundLimits, LimitRule
from sipgw.trunks.trunk_slots import TrunkCapacity, room_of


class SharedLimits:
    """The limits of this gateway, and in a cluster of all gateways together."""

    def __init__(self, own: InboundLimits, cluster: Cluster | None) -> None:
        self.own = own
        self._slots = CallSlots(cluster)

    async def admit(self, caller: Caller, call: str, trunk: TrunkOptions) -> Declined | None:
        """Why the call is declined, or None if it is accepted: then it counts until `over`. While Redis is away only
        the limits of this gateway apply."""
        rules = [*self.own.rules(caller), _rule_of(room_of(trunk))]
        bounds = [SlotLimit(rule.key, rule.most, rule.window) for rule in rules]
        if full := await self._slots.take(call, bounds):
            return rules[full.at].declined
        declined = self.own.admit(caller, asyncio.get_running_loop().time())
        if declined is not None:
            await self._slots.give(call, bounds)
        return declined

    async def over(self, caller: Caller, call: str) -> None:
        """Note that an admitted call is over."""
        self.own.over(caller)
        await self._slots.give(call)


def _rule_of(capacity: TrunkCapacity) -> LimitRule:
    return LimitRule(capacity.key, capacity.most, 0, Declined("overload", "max_calls", capacity.reason))
