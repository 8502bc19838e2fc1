"""Who hears, thinks and speaks for each agent: how quickly they begin, and what failed last."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.fared import PARTS, Failure, Latency
from sipgw.web.state import Here, page
from sipgw.web.who import Viewer

router = APIRouter()


class Part(NamedTuple):
    """A part of an agent."""

    name: str
    providers: str
    latency: Latency | None
    failure: Failure | None


@router.get("/providers")
async def providers(request: Request, app: Here, _who: Viewer) -> Response:
    """The page."""
    agents = []
    for name, agent in app.house.agents.all.items():
        parts = [
            Part(part, agent.choice.of(part), app.fared.latency(name, PARTS[part]), app.fared.failure(name, part))
            for part in agent.choice.parts
        ]
        agents.append((name, parts, app.fared.latency(name, "total"), agent.notes))
    return page(request, "providers.html", title="Providers", agents=agents)
