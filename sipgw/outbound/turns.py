"""Turns of callbacks: tenants take turns, however many callbacks of one are due. Each process has its own turns."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, case

from sipgw.config.tenants import TenantOptions, tenant_of
from sipgw.outbound.tables import Job


class CallbackTurns:
    """The tenants and the operator, in the order in which they are served."""

    def __init__(self, tenants: Sequence[TenantOptions]) -> None:
        self._tenants = tenants
        self._waiting = ["", *(one.name for one in tenants)]
        """Names of the tenants, the one served longest ago first; the operator has an empty name."""

    def order(self) -> Sequence[ColumnElement[int]]:
        """Columns that sort callbacks before their due time does."""
        ranks = [(Job.agent.in_(one.agents), self._waiting.index(one.name)) for one in self._tenants]
        return [case(*ranks, else_=self._waiting.index(""))] if ranks else []

    def took(self, agent: str) -> None:
        """Note that a callback of `agent` was claimed: the other tenants come first now."""
        tenant = tenant_of(agent, self._tenants)
        self._waiting.remove(tenant)
        self._waiting.append(tenant)
