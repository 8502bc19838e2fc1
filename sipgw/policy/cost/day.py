"""Minutes and money of a day over all gateways: at every beat each writes its own and reads the sums of the others."""

import json

from sipgw.cluster.cluster import Cluster
from sipgw.policy.cost.cost import NOTHING, Expenses
from sipgw.policy.inbound.limits import SpentToday

KEPT = 2 * 24 * 3600
"""Seconds after which a day is forgotten."""
_TELL = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return redis.call('HGETALL', KEYS[1])
"""


class SharedSpent:
    """The sums of the day over all gateways. While Redis is away, and after it has lost its data, these are the present
    sums of this gateway and the last known sums of the others."""

    def __init__(self, own: Expenses, cluster: Cluster | None) -> None:
        self._own = own
        self._day = ""
        self._others: dict[str, dict[str, SpentToday]] = {}
        """For each other process, the sums of its tenants on that day. A process that has ended does not tell its sums
        again, so sums that Redis forgets stay here."""
        if cluster is not None:
            cluster.parts.append(lambda: self._beat(cluster))

    def spent(self, tenant: str = "") -> SpentToday:
        """The sum of all gateways for `tenant`, or for all calls (""), up to two seconds old.

        It consists of this process since its start, the others from Redis, and earlier calls from the records, from
        Redis, or from both.
        """
        whole = self._own.spent(tenant)
        if self._day != self._own.day:
            return whole
        processes = self._own.since_start(), *self._others.values()
        minutes, money = map(sum, zip(*(one.get(tenant, NOTHING) for one in processes), strict=True))
        return SpentToday(max(whole.minutes, minutes), max(whole.money, money))

    @property
    def today(self) -> tuple[str, float]:
        """The day, and the money of all its calls."""
        money = self.spent().money
        return self._own.day, money

    async def _beat(self, cluster: Cluster) -> None:
        ours, day = self._own.since_start(), self._own.day
        told = await cluster.shared.run(_TELL, [f"spending:{day}"], [cluster.id, json.dumps(ours), KEPT])
        others = {
            process: {tenant: SpentToday(*spent) for tenant, spent in json.loads(sums).items()}
            for process, sums in zip(told[::2], told[1::2], strict=True)
            if process != cluster.id
        }
        self._day, self._others = day, others if day != self._day else self._others | others
