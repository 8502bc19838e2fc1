"""The providers of each agent: their latency, and their last failures."""

import contextlib
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.config.words import PARTS
from sipgw.records.store.calls import row_of
from sipgw.web.lights import LastFailure, ProviderState, provider_states
from sipgw.web.overview import Overview
from sipgw.web.principal import ViewerRole
from sipgw.web.state import App, Here, page

router = APIRouter()


class ProviderRow(NamedTuple):
    """A row of the page: a part of an agent."""

    state: ProviderState
    call: str
    """The identity of the call record with the part's last failure; empty for none."""


@router.get("/providers")
async def providers(request: Request, app: Here, _who: ViewerRole) -> Response:
    """The page."""
    found: Overview | None = None
    with contextlib.suppress(SQLAlchemyError):  # without it only this process knows failures
        found = await app.overviews.of(app.gateway.store, "day")
    parts = {name: list[ProviderRow]() for name in app.gateway.agents.all}
    for one in provider_states(app, found):
        parts[one.agent].append(ProviderRow(one, await _record(app, one.failure) if one.failure else ""))
    agents = [
        (name, parts[name], app.provider_stats.latency(name, "total"), agent.notes)
        for name, agent in app.gateway.agents.all.items()
    ]
    return page(request, "providers.html", title="Providers", agents=agents, words=PARTS)


async def _record(app: App, failure: LastFailure) -> str:
    if isinstance(failure.call, str):
        return failure.call
    try:
        async with app.gateway.store.read() as session:
            return await row_of(session, failure.call)
    except (SQLAlchemyError, OSError):
        return failure.call.call
