"""Minutes and money of a day over all gateways: at every beat each writes its own and reads the sum of the others."""

from sipgw.cluster.cluster import Cluster
from sipgw.policy.cost.cost import NOTHING, Expenses
from sipgw.policy.inbound.limits import SpentToday

KEPT = 2 * 24 * 3600
"""Seconds after which a day is forgotten."""
_TELL = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
local minutes, money, all = 0, 0, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    local one, other = string.match(all[i + 1], '(%S+) (%S+)')
    minutes, money = minutes + one, money + other
  end
end
return {tostring(minutes), tostring(money)}
"""


class SharedSpent:
    """The sum of the day. While Redis is away: the present sum of this gateway, and the last known sum of the
    others."""

    def __init__(self, own: Expenses, cluster: Cluster | None) -> None:
        self._own = own
        self._others = ("", NOTHING)
        """The day, and what the other processes of that day have taken, also those that have ended."""
        if cluster is not None:
            cluster.parts.append(lambda: self._beat(cluster))

    def spent(self) -> SpentToday:
        """The sum of all gateways, up to two seconds old. It consists of this process since its start, the others from
        Redis, and earlier calls from the records, from Redis, or from both.
        """
        whole, ours = self._own.spent(), self._own.since_start()
        day, others = self._others
        if day != self._own.day:
            return whole
        return SpentToday(
            max(whole.minutes, ours.minutes + others.minutes), max(whole.money, ours.money + others.money)
        )

    async def _beat(self, cluster: Cluster) -> None:
        ours, day = self._own.since_start(), self._own.day
        told: list[str | float] = [cluster.id, ours.minutes, ours.money, KEPT]
        minutes, money = await cluster.shared.run(_TELL, [f"spent:{day}"], told)
        self._others = (day, SpentToday(float(minutes), float(money)))
