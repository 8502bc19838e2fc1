"""The page of calls out: a call now, promised callbacks, campaigns, and the decisions of the gate."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.tables import Job
from sipgw.policy.gate.audit import latest
from sipgw.web.campaigns import LONGEST, CampaignProgress, progress
from sipgw.web.principal import ViewerRole
from sipgw.web.state import READING, Here, page
from sipgw.web.tenant_view import by_tenant

router = APIRouter()

DECISIONS = 50
"""The latest decisions of the gate that are shown."""
CALLBACKS = 200
"""The latest callbacks that are shown."""


@router.get("/outbound")
@by_tenant
async def outbound(request: Request, app: Here, who: ViewerRole) -> Response:
    """The page. The gate's decisions concern the calls of all tenants, so a tenant does not see them."""
    problem, callbacks, campaigns = "", list[Job](), list[CampaignProgress]()
    try:
        callbacks = await app.jobs.callbacks(CALLBACKS)
        campaigns = await progress(app.jobs)
    except SQLAlchemyError:
        problem = "The database does not answer."
    decisions = [] if who.tenant else await READING.run(latest, app.gateway.config.audit_folder, DECISIONS)
    ways = [] if who.tenant else [trunk.name for trunk in app.gateway.config.trunks if trunk.domain_uri is not None]
    return page(
        request, "outbound.html", title="Outbound", problem=problem, callbacks=callbacks,
        campaigns=campaigns, decisions=decisions, agents=list(app.gateway.agents.all),
        trunks=[] if who.tenant else [status.name for status in app.gateway.status()], longest=LONGEST, ways=ways,
    )  # fmt: skip
