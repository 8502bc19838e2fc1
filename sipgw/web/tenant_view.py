"""Reach of a tenant's people and programs: the routes that are open to them, and the gateway with its own calls only.

`App.of` gives every route of a tenant's request this view instead of the gateway, and `within_tenant` stands before
every route. So a new route is closed to tenants until it has `by_tenant`, and then cannot reach data of others.
"""

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from sipgw.calls.registry import CallHandle
from sipgw.calls.request import OriginateRequest, for_tenant
from sipgw.calls.session import CallSession
from sipgw.config.tenants import tenant_named
from sipgw.outbound.campaign_names import CampaignNames, owner
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.found_call import find
from sipgw.web.gateway_view import GatewayView
from sipgw.web.principal import Principal
from sipgw.web.security import is_public

F = TypeVar("F", bound=Callable[..., Any])
OPEN = set[Callable[..., Any]]()
"""The endpoints that tenants reach."""
CALL = ("call", "id")
"""Names of parameters in paths that stand for a call."""
CAMPAIGN = "name"
"""Name of the path parameter that stands for a campaign."""


def by_tenant(endpoint: F) -> F:
    """Open a route to tenants. The route must reach calls and campaigns only through its `App`, and name a call or
    campaign only in its path, as `CALL` or `CAMPAIGN`."""
    OPEN.add(endpoint)
    return endpoint


async def within_tenant(connection: HTTPConnection) -> None:
    """A dependency of every route. Raises 404 for a tenant if the route is not open, or the call or campaign is not its
    own."""
    who = Principal.of(connection)
    if not who.tenant or is_public(connection.url.path):
        return
    if connection.scope["endpoint"] not in OPEN:
        raise HTTPException(404, "there is no such page")
    app = connection.app.state.app
    view = cast(GatewayView, TenantGateway(app.gateway, who.tenant))
    for name in CALL:
        call = connection.path_params.get(name)
        if call is not None and await find(view, call) is None:
            raise HTTPException(404, "nothing is known of this call")
    jobs = app.jobs.of(who.tenant)
    if (campaign := connection.path_params.get(CAMPAIGN)) is not None and not await jobs.has(jobs.names.full(campaign)):
        raise HTTPException(404, "there is no such campaign")


async def holder(connection: HTTPConnection, call: str = "") -> str:
    """The tenant of `call`, or else of the call or campaign that the path of a request names; empty: the installation
    itself, or nothing is known."""
    named = connection.path_params
    if (campaign := named.get(CAMPAIGN)) is not None:
        return owner(campaign)
    name = call or next((named[name] for name in CALL if name in named), "")
    found = await find(connection.app.state.app.gateway, name) if name else None
    return found.tenant if found else ""


class TenantGateway:
    """A `GatewayView` of one tenant. Routes that need more cannot be opened to tenants."""

    def __init__(self, gateway: GatewayView, tenant: str) -> None:
        self._gateway = gateway
        self._tenant = tenant
        self.store = gateway.store.of(tenant)
        self.evidence, self.admission = gateway.evidence, gateway.admission  # used only for calls that `find` has found
        self.gate = gateway.gate
        self.options = tenant_named(tenant, gateway.config.tenants)
        alarms = replace(gateway.config.alarms, cost=0, mail_to=())
        self.config = replace(gateway.config, people=(), alarms=alarms)
        self.agents = copy.copy(gateway.agents)
        self.agents.all = {name: one for name, one in self.agents.all.items() if name in self.options.agents}

    @property
    def calls(self) -> Mapping[str, CallSession]:
        """The tenant's running calls."""
        return {call: one for call, one in self._gateway.calls.items() if one.info.tenant == self._tenant}

    def status(self) -> list[TrunkStatus]:
        """The states of the trunks that routes name for the tenant's agents alone, without counts of all calls."""
        routes = [one for one in self.agents.routes if one.trunk]
        own = {one.trunk for one in routes if one.agent in self.options.agents}
        own -= {one.trunk for one in routes if one.agent not in self.options.agents}
        calls = Counter(one.info.trunk.name for one in self.calls.values())
        return [replace(one, calls=calls[one.name], sound=()) for one in self._gateway.status() if one.name in own]

    @property
    def numbers(self) -> list[str]:
        """The numbers at which the tenant's agents answer, and the numbers of its outgoing calls."""
        routes = [one for one in self.agents.routes if one.agent in self.options.agents]
        return list(dict.fromkeys([*(number for one in routes for number in one.called), *self.options.numbers]))

    def stop(self, call: str, cause: str) -> None:
        """End a call of the tenant."""
        if call in self.calls:
            self._gateway.stop(call, cause)

    def originate(self, request: OriginateRequest) -> CallHandle:
        """Make a call with one of the tenant's agents and numbers. Raises `VariableError`, `NotDialled`."""
        campaign = CampaignNames(self._tenant).full(request.campaign) if request.campaign else ""
        return self._gateway.originate(for_tenant(replace(request, campaign=campaign), self.options))
