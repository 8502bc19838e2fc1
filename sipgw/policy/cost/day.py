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
local sums, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    for tenant, spent in pairs(cjson.decode(all[i + 1])) do
      local sum = sums[tenant] or {0, 0}
      sums[tenant] = {sum[1] + spent[1], sum[2] + spent[2]}
    end
  end
end
return {cjson.encode(sums)}
"""


class SharedSpent:
    """The sums of the day. While Redis is away: the present sums of this gateway, and the last known sums of the
    others."""

    def __init__(self, own: Expenses, cluster: Cluster | None) -> None:
        self._own = own
        self._others: tuple[str, dict[str, SpentToday]] = ("", {})
        """The day, and what the other processes of that day have taken, also those that have ended, by tenant."""
        if cluster is not None:
            cluster.parts.append(lambda: self._beat(cluster))

    def spent(self, tenant: str = "") -> SpentToday:
        """The sum of all gateways for `tenant`, or for all calls (""), up to two seconds old.

        It consists of this process since its start, the others from Redis, and earlier calls from the records, from
        Redis, or from both.
        """
        whole = self._own.spent(tenant)
        day, sums = self._others
        if day != self._own.day:
            return whole
        ours, others = self._own.since_start().get(tenant, NOTHING), sums.get(tenant, NOTHING)
        return SpentToday(
            max(whole.minutes, ours.minutes + others.minutes), max(whole.money, ours.money + others.money)
        )

    @property
    def today(self) -> tuple[str, float]:
        """The day, and the money of all its calls."""
        money = self.spent().money
        return self._own.day, money

    async def _beat(self, cluster: Cluster) -> None:
        ours, day = self._own.since_start(), self._own.day
        (told,) = await cluster.shared.run(_TELL, [f"spending:{day}"], [cluster.id, json.dumps(ours), KEPT])
        self._others = (day, {tenant: SpentToday(*spent) for tenant, spent in json.loads(told).items()})
