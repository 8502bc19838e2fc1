"""Slots that the calls of this gateway hold for their duration, renewed at every beat."""

import contextlib
from collections.abc import Sequence

from sipgw.cluster.cluster import Cluster
from sipgw.cluster.shared import Unreachable
from sipgw.cluster.slots import HeldSlot, NoFreeSlot, SlotLimit

HELD = 10.0
"""Seconds after which the calls of a killed gateway do not count any more."""


class CallSlots:
    """The slots of this gateway's calls in sets that all gateways share.

    Without a cluster, and while Redis does not answer, each request succeeds; the caller of the method also counts the
    calls of this gateway.
    """

    def __init__(self, cluster: Cluster | None) -> None:
        self._cluster = cluster
        self._held: dict[str, list[str]] = {}
        """The sets in which each call holds a slot for its duration."""
        if cluster is not None:
            cluster.parts.append(lambda: self._beat(cluster))

    async def take(self, call: str, bounds: Sequence[SlotLimit]) -> NoFreeSlot | None:
        """Take a slot in each set, or in none; None on success."""
        if self._cluster is None or not bounds:
            return None
        with contextlib.suppress(Unreachable):
            timed = [bound._replace(seconds=bound.seconds or HELD) for bound in bounds]
            if full := await self._cluster.places.take(_member(self._cluster, call), timed):
                return full
        self._held[call] = [bound.key for bound in bounds if not bound.seconds]
        return None

    async def give(self, call: str, bounds: Sequence[SlotLimit] = ()) -> None:
        """Give back the slots that the call holds for its duration, and those in `bounds`."""
        keys = {*self._held.pop(call, ()), *(bound.key for bound in bounds)}
        with contextlib.suppress(Unreachable):  # otherwise the slots expire after a while
            if self._cluster is not None and keys:
                await self._cluster.places.give(_member(self._cluster, call), sorted(keys))

    async def _beat(self, cluster: Cluster) -> None:
        held = [(key, _member(cluster, call)) for call, keys in self._held.items() for key in keys]
        await cluster.places.put([HeldSlot(key, member, HELD) for key, member in held])


def _member(cluster: Cluster, call: str) -> str:
    """Unique name of a call among those of all gateways: a caller may use the same Call-ID at several gateways."""
    return f"{cluster.id} {call}"
