"""Calls out: one at once, and those that were promised."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.web.state import Here, page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/outbound")
async def outbound(request: Request, app: Here, _who: Viewer) -> Response:
    """The page."""
    problem, callbacks = "", []
    try:
        callbacks = await app.house.store.callbacks()
    except SQLAlchemyError:
        problem = "The database does not answer."
    return page(
        request, "outbound.html", title="Outbound", problem=problem, callbacks=list(reversed(callbacks))[:200],
        agents=list(app.house.agents.all), trunks=[status.name for status in app.house.status()],
    )  # fmt: skip
