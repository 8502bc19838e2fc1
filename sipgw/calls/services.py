"""The services of the gateway for every call."""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.tools import Tool
from media.process.engine import MediaEngine
from sipgw.agents.agents import AgentDefinition, Agents
from sipgw.agents.knowledge.knowledge_base import KnowledgeBase
from sipgw.agents.providers import Providers
from sipgw.calls.context import CallContext
from sipgw.calls.originator import Originator
from sipgw.calls.transfer_dialer import TransferDialer
from sipgw.events import Event, Watchers
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.cost.tenants import TenantLimits
from sipgw.policy.inbound.limits import Declined
from sipgw.policy.inbound.shared_limits import SharedLimits
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.sip.endpoint import Endpoint
from sipgw.trunks.route_selector import NO_ROOM

if TYPE_CHECKING:
    from sipgw.policy.stir.verifier import StirVerifier

CallTools = Callable[[CallContext, AgentDefinition], list[Tool]]
"""Makes the tools that one feature of the gateway gives to an agent in a call."""


async def _appended() -> None:
    """Return at once: this gateway keeps no records."""


@dataclass(frozen=True)
class CallServices:
    """The services for every call; the gateway creates them once."""

    agents: Agents
    providers: dict[str, Providers]
    """The providers of each agent, by the agent's name."""
    engine: MediaEngine
    endpoint: Endpoint
    originator: Originator
    transfer_dialer: TransferDialer
    limits: SharedLimits
    tenants: TenantLimits
    expenses: Expenses
    watchers: Watchers[Event]
    """The watchers, which are told every event of every call."""
    tools: tuple[CallTools, ...] = ()
    """The tools of the gateway's features, in the order in which agents get them."""
    stir: "StirVerifier | None" = None
    """Verifies the signed numbers of callers."""
    knowledge: KnowledgeBase | None = None
    """The documents of all agents."""
    artifacts: Artifacts = field(default_factory=Artifacts)
    """Begins the rows of recordings in the database."""
    appended: Callable[[], Awaitable[None]] = _appended
    """Waits until a kill cannot lose the events told until now: see `sipgw.records.cdr.spool_feed.SpoolFeed`."""

    async def admit(self, call: str, tenant: str) -> Declined | None:
        """See `sipgw.policy.cost.tenants.TenantLimits.admit`. Begin the call before any other wait."""
        return await self.tenants.admit(call, tenant, self.agents.config.tenants)

    def refusal(self, tenant: str) -> Declined | None:
        """See `sipgw.policy.cost.tenants.TenantLimits.refusal`."""
        return self.tenants.refusal(tenant, self.agents.config.tenants)

    def turn(self, tenant: str, calls_per_second: float, now: float) -> Declined | None:
        """See `sipgw.policy.cost.tenants.TenantLimits.turn`; None without a tenant."""
        return self.tenants.turn(tenant, calls_per_second, now) if tenant else None

    def budget(self, tenant: str = "") -> Declined | None:
        """Why no call, or no call of `tenant`, may go on today; None if calls may. A tenant does not learn the cost of
        all calls."""
        if (spent := self.limits.own.budget()) is not None:
            return spent._replace(reason=NO_ROOM) if tenant else spent
        return self.tenants.budget(tenant, self.agents.config.tenants)

    def snapshot(self) -> "CallServices":
        """A copy for one call: a reload does not change its agents."""
        return replace(self, agents=copy.copy(self.agents), providers=dict(self.providers))
