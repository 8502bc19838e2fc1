"""Limits of tenants: calls at the same time, and what the calls of a day may cost. Sans-IO."""

from collections.abc import Sequence

from sipgw.config.tenants import TenantOptions
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.inbound.limits import Declined


def refusal(tenant: str, tenants: Sequence[TenantOptions], expenses: Expenses) -> Declined | None:
    """Why no other call of `tenant` is taken or made, or None. What is not a tenant has no such limits."""
    options = next((one for one in tenants if one.name == tenant), None)
    if options is None:
        return None
    if options.max_calls and expenses.calls_of(tenant) >= options.max_calls:
        why = f"the tenant {tenant} has {options.max_calls} calls ([[tenants]] max_calls)"
        return Declined("overload", "max_calls", why)
    return budget(tenant, tenants, expenses)


def budget(tenant: str, tenants: Sequence[TenantOptions], expenses: Expenses) -> Declined | None:
    """Why no call of `tenant` may go on today, or None."""
    most = next((one.money_per_day for one in tenants if one.name == tenant), 0)
    if most and (spent := expenses.spent_by(tenant)) >= most:
        why = f"the calls of the tenant {tenant} have cost {spent:.2f} today ([[tenants]] money_per_day)"
        return Declined("overload", "money_per_day", why)
    return None
