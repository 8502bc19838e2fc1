"""The page of calls out: a call now, promised callbacks, campaigns, and the decisions of the gate."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.jobs import Job, Jobs
from sipgw.policy.gate.audit import latest
from sipgw.web.campaigns import LONGEST, CampaignProgress, progress
from sipgw.web.principal import ViewerRole
from sipgw.web.state import READING, Here, page

router = APIRouter()

DECISIONS = 50
"""The latest decisions of the gate that are shown."""
CALLBACKS = 200
"""The latest callbacks that are shown."""


@router.get("/outbound")
async def outbound(request: Request, app: Here, _who: ViewerRole) -> Response:
    """The page."""
    problem, callbacks, campaigns = "", list[Job](), list[CampaignProgress]()
    jobs = Jobs(app.gateway.store, "")
    try:
        callbacks = await jobs.all("")
        campaigns = await progress(jobs)
    except SQLAlchemyError:
        problem = "The database does not answer."
    decisions = await READING.run(latest, app.gateway.config.audit_folder, DECISIONS)
    return page(
        request, "outbound.html", title="Outbound", problem=problem, callbacks=list(reversed(callbacks))[:CALLBACKS],
        campaigns=campaigns, decisions=decisions, agents=list(app.gateway.agents.all),
        trunks=[status.name for status in app.gateway.status()], longest=LONGEST,
        ways=[trunk.name for trunk in app.gateway.config.trunks if trunk.domain_uri is not None],
    )  # fmt: skip
