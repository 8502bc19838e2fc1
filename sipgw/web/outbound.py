"""Calls out: one at once, those that were promised, campaigns, and what the gate has decided."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.jobs import Job, Jobs
from sipgw.policy.gate.audit import latest
from sipgw.web.state import READING, Here, page
from sipgw.web.who import Viewer

router = APIRouter()

DECISIONS = 50
"""Of the gate, the latest, that are shown."""
CALLBACKS = 200
FAILURES = 200
"""Of all campaigns together, the latest."""


class Campaign(NamedTuple):
    """How far a campaign is."""

    name: str
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
async def outbound(request: Request, app: Here, _who: Viewer) -> Response:
    """The page."""
    problem, callbacks, campaigns = "", list[Job](), list[Campaign]()
    jobs = Jobs(app.house.store, "")
    try:
        callbacks = await jobs.all("")
        campaigns = await _campaigns(jobs)
    except SQLAlchemyError:
        problem = "The database does not answer."
    decisions = await READING.run(latest, app.house.config.audit_folder, DECISIONS)
    return page(
        request, "outbound.html", title="Outbound", problem=problem, callbacks=list(reversed(callbacks))[:CALLBACKS],
        campaigns=campaigns, decisions=decisions, agents=list(app.house.agents.all),
        trunks=[status.name for status in app.house.status()],
    )  # fmt: skip


async def _campaigns(jobs: Jobs) -> list[Campaign]:
    failed = await jobs.failures(FAILURES)
    states = await jobs.states()
    return [
        Campaign(name, counts, [job for job in failed if job.campaign == name])
        for name, counts in sorted(states.items())
        if name
    ]
