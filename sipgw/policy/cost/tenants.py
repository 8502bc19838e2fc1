"""Limits of tenants over all gateways: calls at the same time, and what the calls of a day may cost; and at each
gateway the new calls out of a second.
"""

from collections.abc import Callable, Sequence

from sipgw.bounds import FULL
from sipgw.cluster.call_slots import CallSlots
from sipgw.cluster.cluster import Cluster
from sipgw.cluster.slots import SlotLimit
from sipgw.config.tenants import TenantOptions, pace_of_tenant
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.inbound.limits import Declined, SpentToday

BURST = 2.5
"""Seconds by which calls out of a tenant may be earlier than its pace: half of the time for which calls wait for their
turn on a trunk (`sipgw.trunks.route_selector.LONGEST_WAIT`)."""


class TenantLimits:
    """The limits of tenants. Without Redis each gateway counts its own calls."""

    def __init__(self, expenses: Expenses, spent: Callable[[str], SpentToday], cluster: Cluster | None = None) -> None:
        """`spent` returns what the calls of a tenant have taken today at all gateways."""
        self._expenses = expenses
        self._spent = spent
        self._slots = CallSlots(cluster)
        self._due: dict[str, float] = {}
        """When the next call out of each tenant is due."""

    async def admit(self, call: str, tenant: str, tenants: Sequence[TenantOptions]) -> Declined | None:
        """Why the call of `tenant` is declined, or None if it is accepted: then it counts until `over`."""
        options = _options(tenant, tenants)
        bounds = [SlotLimit(f"tenant:{tenant}", options.max_calls)] if options and options.max_calls else []
        if options and await self._slots.take(call, bounds):
            return _full(options)
        declined = self.refusal(tenant, tenants)
        if declined is not None:
            await self._slots.give(call)
        return declined

    async def over(self, call: str) -> None:
        """Note that a call is over, whether it was admitted or not."""
        await self._slots.give(call)

    def refusal(self, tenant: str, tenants: Sequence[TenantOptions]) -> Declined | None:
        """Why this gateway takes or makes no other call of `tenant`, or None. Without a tenant there are no limits."""
        options = _options(tenant, tenants)
        if options and 0 < options.max_calls <= self._expenses.calls_of(tenant):
            return _full(options)
        return self.budget(tenant, tenants)

    def turn(self, tenant: str, calls_per_second: float, now: float) -> Declined | None:
        """Why `tenant` may not make one more call out on a trunk with `calls_per_second`, or None: then the call
        counts. `now` is in seconds."""
        pace = pace_of_tenant(calls_per_second)
        due = max(self._due.get(tenant, now), now)
        if due - now > BURST:
            FULL["calls of tenants"] += 1
            return Declined("overload", "pace", f"you may make {pace:g} new calls in a second, and have made more")
        self._due[tenant] = due + 1 / pace
        return None

    def budget(self, tenant: str, tenants: Sequence[TenantOptions]) -> Declined | None:
        """Why no call of `tenant` may go on today, or None."""
        options = _options(tenant, tenants)
        if options and 0 < options.money_per_day <= (spent := self._spent(tenant).money):
            why = f"the calls of the tenant {tenant} have cost {spent:.2f} today ([[tenants]] money_per_day)"
            return Declined("overload", "money_per_day", why)
        return None


def _options(tenant: str, tenants: Sequence[TenantOptions]) -> TenantOptions | None:
    return next((one for one in tenants if one.name == tenant), None)


def _full(options: TenantOptions) -> Declined:
    why = f"the tenant {options.name} has {options.max_calls} calls ([[tenants]] max_calls)"
    return Declined("overload", "max_calls", why)
