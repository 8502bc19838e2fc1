"""Limits of a trunk over all gateways: simultaneous calls in both directions, and outgoing calls per second. Without
Redis each gateway counts its own calls.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

from sipgw.cluster.call_slots import CallSlots
from sipgw.cluster.cluster import Cluster
from sipgw.cluster.shared import Unreachable
from sipgw.cluster.slots import NoFreeSlot, SlotLimit
from sipgw.config.trunks import TrunkOptions
from sipgw.trunks.route_selector import LONGEST_WAIT, NotDialled


class TrunkCapacity(NamedTuple):
    """How many calls a trunk may have at once, in and out, over all gateways."""

    key: str
    """Name of the count that the gateways share."""
    most: int
    reason: str
    """Why one more call is refused."""


def room_of(trunk: TrunkOptions) -> TrunkCapacity:
    """How many calls the `max_calls` of a trunk allow."""
    reason = "all gateways together have as many calls of the trunk as its max_calls allow"  # its tenant reads it too
    return TrunkCapacity(f"trunk:{trunk.name}", trunk.max_calls, reason)


class TrunkSlots:
    """The calls of this gateway on each trunk, and the outgoing calls of all gateways."""

    def __init__(self, calls: Counter[str], cluster: Cluster | None = None) -> None:
        """`calls` are those of this gateway, in and out, by the name of their trunk."""
        self.calls = calls
        self._cluster = cluster
        self._slots = CallSlots(cluster)

    @contextlib.asynccontextmanager
    async def held(self, trunk: TrunkOptions) -> AsyncIterator[None]:
        """Count an outgoing call on its trunk until the block ends. Raises `NotDialled` if all gateways have too
        many."""
        call, capacity = f"out {secrets.token_hex(8)}", room_of(trunk)
        if await self._slots.take(call, [SlotLimit(capacity.key, capacity.most)]):
            raise NotDialled(f"{trunk.name}: {capacity.reason}")
        self.calls[trunk.name] += 1
        try:
            yield
        finally:
            self.calls[trunk.name] -= 1
            await self._slots.give(call)

    async def turn(self, trunk: TrunkOptions) -> None:
        """Wait until the calls per second of all gateways allow another call. Raises `NotDialled` if that takes too
        long."""
        most = max(1, int(trunk.calls_per_second))
        bound = SlotLimit(f"turns:{trunk.name}", most, most / trunk.calls_per_second)
        call, now = secrets.token_hex(8), asyncio.get_running_loop().time
        until = now() + LONGEST_WAIT
        while full := await self._take(call, bound):
            if now() + full.wait > until:
                raise NotDialled(f"{trunk.name}: all gateways make more than {trunk.calls_per_second:g} calls a second")
            await asyncio.sleep(full.wait)

    async def _take(self, call: str, bound: SlotLimit) -> NoFreeSlot | None:
        with contextlib.suppress(Unreachable):
            return await self._cluster.places.take(call, [bound]) if self._cluster is not None else None
        return None
