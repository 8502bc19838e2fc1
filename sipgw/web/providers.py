"""The providers of each agent: their latency, and their last failures."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.records.store.calls import row_of
from sipgw.web.principal import ViewerRole
from sipgw.web.provider_stats import PARTS, Failure, Latency
from sipgw.web.state import App, Here, page

router = APIRouter()


class ProviderRow(NamedTuple):
    """A part of an agent."""

    name: str
    providers: str
    latency: Latency | None
    failure: Failure | None
    call: str
    """The identity of the record of the call in which it failed."""


@router.get("/providers")
async def providers(request: Request, app: Here, _who: ViewerRole) -> Response:
    """The page."""
    agents = []
    for name, agent in app.gateway.agents.all.items():
        parts = []
        for part in agent.choice.parts:
            failure, latency = app.provider_stats.failure(name, part), app.provider_stats.latency(name, PARTS[part])
            call = await _record(app, failure) if failure else ""
            parts.append(ProviderRow(part, agent.choice.of(part), latency, failure, call))
        agents.append((name, parts, app.provider_stats.latency(name, "total"), agent.notes))
    return page(request, "providers.html", title="Providers", agents=agents)


async def _record(app: App, failure: Failure) -> str:
    try:
        async with app.gateway.store.read() as session:
            return await row_of(session, failure.call)
    except (SQLAlchemyError, OSError):
        return failure.call.call
