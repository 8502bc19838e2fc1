"""Leases for work that only one gateway of a cluster may do at a time, like the registration of a trunk."""

from collections.abc import Callable

import structlog

from sipgw.cluster.cluster import BEAT, Cluster
from sipgw.cluster.shared import Unreachable
from sipgw.cluster.slots import SlotLimit

log = structlog.get_logger()

LEASE = 3.0
"""Seconds that a lease lasts. After the death of its holder another gateway takes over within this time plus one
beat."""


class Leases:
    """The leases that this gateway wants."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._wanted: dict[str, Callable[[bool], None]] = {}
        self._ours: dict[str, bool] = {}
        """Whether we have each lease, by the last answer of Redis; empty before the first answer."""
        self._waited = 0.0
        self._given_up = False
        cluster.parts.append(self._beat)

    def want(self, name: str, changed: Callable[[bool], None]) -> None:
        """Try to get the lease `name` at each beat, and renew it; `changed` is called when we get or lose it."""
        self._wanted[name] = changed
        self._cluster.hurry()

    def give_up(self) -> None:
        """Release all leases, and request none any more."""
        self._given_up = True
        self._cluster.hurry()

    async def _beat(self) -> None:
        if self._given_up:
            held = [_key(name) for name, ours in self._ours.items() if ours]
            self._ours.clear()
            if held:
                await self._cluster.places.give(self._cluster.id, held)
            return
        if not self._cluster.shared.up:
            self._waited += BEAT
        for name in self._wanted:
            try:
                full = await self._cluster.places.take(self._cluster.id, [SlotLimit(_key(name), 1, LEASE)])
            except Unreachable:
                # Calls matter more than order. Without Redis a holder keeps its lease, and an unknown lease is held by
                # all.
                if name not in self._ours and self._waited > LEASE:
                    self._is(name, ours=True)
            else:
                self._is(name, ours=full is None)

    def _is(self, name: str, *, ours: bool) -> None:
        before, self._ours[name] = self._ours.get(name, False), ours
        if before is not ours and not self._given_up:  # after `give_up` the next beat gives it back
            log.info("lease", name=name, ours=ours)
            self._wanted[name](ours)


def _key(name: str) -> str:
    return f"owner:{name}"
