"""What a tenant's people and programs reach: the routes that are open to them, and the gateway with its own calls only.

`App.of` gives every route of a tenant's request this view instead of the gateway, and `within_tenant` stands before
every route. So a new route is closed to tenants until it has `by_tenant`, and then has nothing of others in its hands.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import HTTPException
from sqlalchemy import select
from starlette.requests import HTTPConnection

from sipgw.calls.registry import CallHandle
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import CallSession
from sipgw.config.tenants import TenantOptions
from sipgw.records.store.tables import CallRecord
from sipgw.trunks.route_selector import NotDialled
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.gateway_view import GatewayView
from sipgw.web.principal import Principal
from sipgw.web.security import is_public

F = TypeVar("F", bound=Callable[..., Any])
OPEN = set[Callable[..., Any]]()
"""The endpoints that tenants reach."""
CALL = ("call", "id")
"""Names of parameters in paths that stand for a call."""


def by_tenant(endpoint: F) -> F:
    """Open a route to tenants: it must reach calls by its `App` alone, and name one only in its path, as `CALL`."""
    OPEN.add(endpoint)
    return endpoint


async def within_tenant(connection: HTTPConnection) -> None:
    """Stands before every route. Raises 404 for a tenant who has nothing there."""
    who = Principal.of(connection)
    if not who.tenant or is_public(connection.url.path):
        return
    if connection.scope["endpoint"] not in OPEN:
        raise HTTPException(404, "there is no such page")
    view = TenantGateway(connection.app.state.app.gateway, who.tenant)
    for name in CALL:
        if (call := connection.path_params.get(name)) is not None and not await view.has(call):
            raise HTTPException(404, "nothing is known of this call")


class TenantGateway:
    """A `GatewayView` of one tenant. Routes that need more cannot be opened to tenants."""

    def __init__(self, gateway: GatewayView, tenant: str) -> None:
        self._gateway = gateway
        self._tenant = tenant
        self.store = gateway.store.of(tenant)
        self.evidence, self.admission = gateway.evidence, gateway.admission  # asked of the call in the path only
        named = [one for one in gateway.config.tenants if one.name == tenant]
        self._options = named[0] if named else TenantOptions(tenant, ())
        self.config = replace(gateway.config, people=())
        self.agents = copy.copy(gateway.agents)
        self.agents.all = {name: one for name, one in self.agents.all.items() if name in self._options.agents}

    async def has(self, call: str) -> bool:
        """Whether the call is one of the tenant, now or in the records."""
        if (live := self._gateway.calls.get(call)) is not None:
            return live.info.tenant == self._tenant
        # The evidence is that of the last call with this identity here; after a restart it may be a second one.
        evidence = await self.evidence.timelines.of(call)
        if evidence is not None and "tenant" in evidence:
            return bool(evidence["tenant"] == self._tenant)
        async with self.store.read() as session:
            return await session.scalar(select(CallRecord.id).where(CallRecord.id == call)) is not None

    @property
    def calls(self) -> Mapping[str, CallSession]:
        """Its calls that are going on."""
        return {call: one for call, one in self._gateway.calls.items() if one.info.tenant == self._tenant}

    def status(self) -> list[TrunkStatus]:
        """Trunks are those of the installation."""
        return []

    def stop(self, call: str, cause: str) -> None:
        """End one of its calls."""
        if call in self.calls:
            self._gateway.stop(call, cause)

    def originate(self, request: OriginateRequest) -> CallHandle:
        """Make a call with one of its agents and one of its numbers. Raises `VariableError`, `NotDialled`."""
        numbers = self._options.numbers
        if request.agent not in self.agents.all:
            raise NotDialled(f"there is no agent {request.agent!r}")
        if not numbers or (request.caller_id and request.caller_id not in numbers):
            raise NotDialled("this is none of your numbers ([[tenants]] numbers)")
        if request.trunk or request.campaign:
            raise NotDialled("trunk and campaign are chosen by the installation")
        return self._gateway.originate(replace(request, caller_id=request.caller_id or numbers[0]))
