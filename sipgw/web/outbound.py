"""Calls out: one at once, those that were promised, and what the gate has decided."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.audit import latest
from sipgw.jobs import Job, Jobs
from sipgw.web.state import Here, page
from sipgw.web.who import Viewer

router = APIRouter()

DECISIONS = 50
"""Of the gate, the latest, that are shown."""


@router.get("/outbound")
async def outbound(request: Request, app: Here, _who: Viewer) -> Response:
    """The page."""
    problem, callbacks = "", list[Job]()
    try:
        callbacks = await Jobs(app.house.store, "").all("")
    except SQLAlchemyError:
        problem = "The database does not answer."
    decisions = await asyncio.to_thread(latest, app.house.config.audit_folder, DECISIONS)
    return page(
        request, "outbound.html", title="Outbound", problem=problem, callbacks=list(reversed(callbacks))[:200],
        decisions=decisions, agents=list(app.house.agents.all), trunks=[status.name for status in app.house.status()],
    )  # fmt: skip
