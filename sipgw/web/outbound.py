"""The page of calls out: a call now, promised callbacks, campaigns, and the decisions of the gate."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.jobs import Job, Jobs
from sipgw.policy.gate.audit import latest
from sipgw.web.principal import ViewerRole
from sipgw.web.state import READING, Here, page

router = APIRouter()

DECISIONS = 50
"""The latest decisions of the gate that are shown."""
CALLBACKS = 200
"""The latest callbacks that are shown."""
FAILURES = 200
"""The latest failed jobs of all campaigns together that are shown."""


class CampaignProgress(NamedTuple):
    """How far a campaign is."""

    name: str
    state: str
    """See `sipgw.outbound.jobs.Campaign.state`; ``over`` if no job is left."""
    states: dict[str, int]
    failures: list[Job]

    @property
    def total(self) -> int:
        """Jobs."""
        return sum(self.states.values())

    @property
    def over(self) -> int:
        """Jobs that are done or have failed for good."""
        return self.states.get("done", 0) + self.states.get("failed", 0)


@router.get("/outbound")
async def outbound(request: Request, app: Here, _who: ViewerRole) -> Response:
    """The page."""
    problem, callbacks, campaigns = "", list[Job](), list[CampaignProgress]()
    jobs = Jobs(app.gateway.store, "")
    try:
        callbacks = await jobs.all("")
        campaigns = await _campaigns(jobs)
    except SQLAlchemyError:
        problem = "The database does not answer."
    decisions = await READING.run(latest, app.gateway.config.audit_folder, DECISIONS)
    return page(
        request, "outbound.html", title="Outbound", problem=problem, callbacks=list(reversed(callbacks))[:CALLBACKS],
        campaigns=campaigns, decisions=decisions, agents=list(app.gateway.agents.all),
        trunks=[status.name for status in app.gateway.status()],
    )  # fmt: skip


async def _campaigns(jobs: Jobs) -> list[CampaignProgress]:
    failed = await jobs.failures(FAILURES)
    counted = await jobs.states()
    states = {one.name: one.state for one in await jobs.campaigns()}
    found = []
    for name, counts in sorted(counted.items()):
        if name:
            waits = counts.get("planned", 0) + counts.get("dialling", 0)
            state = states.get(name, "paused") if waits else "over"
            found.append(CampaignProgress(name, state, counts, [job for job in failed if job.campaign == name]))
    return found
