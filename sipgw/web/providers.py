"""The providers of each agent: their latency, and their last failures."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.principal import ViewerRole
from sipgw.web.provider_stats import PARTS, Failure, Latency
from sipgw.web.state import Here, page

router = APIRouter()


class ProviderRow(NamedTuple):
    """A part of an agent."""

    name: str
    providers: str
    latency: Latency | None
    failure: Failure | None


@router.get("/providers")
async def providers(request: Request, app: Here, _who: ViewerRole) -> Response:
    """The page."""
    agents = []
    for name, agent in app.gateway.agents.all.items():
        parts = [
            ProviderRow(
                part,
                agent.choice.of(part),
                app.provider_stats.latency(name, PARTS[part]),
                app.provider_stats.failure(name, part),
            )
            for part in agent.choice.parts
        ]
        agents.append((name, parts, app.provider_stats.latency(name, "total"), agent.notes))
    return page(request, "providers.html", title="Providers", agents=agents)
