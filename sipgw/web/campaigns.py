"""Campaigns by the REST interface, which the page of calls out uses, too: dry run, start, pause, resume, stop."""

import contextlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Security

from agent.pool import Pool
from sipgw.bounds import NoPlace, Places
from sipgw.calls.request import NO_NUMBERS
from sipgw.config.tenants import tenant_named
from sipgw.outbound.campaign import FileError
from sipgw.outbound.jobs import Jobs, TooManyCampaignsError
from sipgw.outbound.planning import CampaignRequest, GateVerdict, Plan, begin, decisions, estimate, plan
from sipgw.outbound.tables import Job
from sipgw.web import campaign_models as models
from sipgw.web.api import BEARER, PREFIX, Reader, problems
from sipgw.web.models import Done
from sipgw.web.principal import Principal, requires_scope
from sipgw.web.state import App, Here, note
from sipgw.web.tenant_view import by_tenant

LONGEST = models.LONGEST
SHOWN = 50
"""Broken rows that are shown one by one."""
LINES = 5
"""Lines that are shown of each decision of the gate."""
FAILURES = 200
"""The latest failed jobs of all campaigns together that are shown."""
FILES = Pool("files of campaigns", workers=1, waiting=2)
DRY_RUNS = Places("dry runs", FILES.workers + FILES.waiting)
ACTIONS = {"paused": "paused a campaign", "running": "resumed a campaign", "stopped": "stopped a campaign"}

Campaigner = Annotated[Principal, Depends(requires_scope("campaigns:run"))]
Name = Annotated[str, Path(max_length=64, description="the campaign's name")]

router = APIRouter(
    prefix=f"{PREFIX}/campaigns", tags=["campaigns"], dependencies=[Security(BEARER)],
    responses=problems(400, 401, 403, 422, 503),
)  # fmt: skip


class CampaignProgress(NamedTuple):
    """The progress of a campaign: its jobs by state."""

    name: str
    state: str
    """See `sipgw.outbound.tables.Campaign.state`; ``over`` if no job is left."""
    states: dict[str, int]
    failures: list[Job]

    @property
    def total(self) -> int:
        """Number of jobs."""
        return sum(self.states.values())

    @property
    def over(self) -> int:
        """Number of jobs that are done or have finally failed."""
        return self.states.get("done", 0) + self.states.get("failed", 0)


async def progress(jobs: Jobs) -> list[CampaignProgress]:
    """All campaigns, by name. May raise `SQLAlchemyError`."""
    failed = await jobs.failures(FAILURES)
    counted = await jobs.states()
    states = {one.name: one.state for one in await jobs.campaigns()}
    found = []
    for name in sorted({*counted, *states}):
        if name:
            counts = counted.get(name, {})
            waits = counts.get("planned", 0) + counts.get("dialling", 0)
            state = states.get(name, "paused") if waits else "over"
            own = [job for job in failed if job.campaign == name]
            found.append(CampaignProgress(jobs.names.shown(name), state, counts, own))
    return found


@router.get("")
@by_tenant
async def campaigns(app: Here, _who: Reader) -> models.AllCampaigns:
    """The campaigns, and how far each is."""
    found = await progress(app.jobs)
    shown = [
        models.CampaignCounts.model_validate({"name": one.name, "state": one.state, **one.states}) for one in found
    ]
    return models.AllCampaigns(campaigns=shown)


@router.post("/dry-run", responses=problems(409, 413))
@by_tenant
async def dry_run(app: Here, who: Campaigner, wanted: models.CampaignFile) -> models.DryRun:
    """Result of a start of this campaign, without the start: rows that are left out, the gate's present decisions, the
    cost. Nothing is kept and nobody is called. A tenant's decisions leave out lists and counts, which are shared by all
    tenants."""
    with _place(who.tenant):
        planned, confirm = await _planned(app, wanted)
        judged = await decisions(app.gateway.gate, planned)
    known = await app.jobs.known(planned.request.full, planned.jobs)
    return models.DryRun(
        confirm=confirm, numbers=len(planned.jobs), known=known, left_out=len(planned.broken),
        broken=[models.BrokenRow(line=one.line, problem=one.problem) for one in planned.broken[:SHOWN]],
        unused=list(planned.unused), trunk="" if who.tenant else planned.trunk, per_second=planned.per_second,
        judged=sum(len(one.lines) for one in judged), decisions=[_shown(one) for one in judged],
        cost=await _cost(app, planned, known, judged),
    )  # fmt: skip


@router.post("", status_code=201, responses=problems(409, 413))
@by_tenant
async def start(request: Request, app: Here, who: Campaigner, wanted: models.CampaignStart) -> models.Started:
    """Start a campaign that was checked by a dry run; the gateways of this database call the numbers."""
    with _place(who.tenant):
        planned, confirm = await _planned(app, wanted)
    if confirm != wanted.confirm:
        raise HTTPException(409, "this is not what was checked: make the dry run again")
    if not planned.jobs:
        raise HTTPException(409, "there is nobody to call in it")
    try:
        new = await begin(app.jobs, planned)
    except TooManyCampaignsError as full:
        raise HTTPException(409, str(full)) from None
    detail = f"{new} new numbers, agent {wanted.agent}"
    await note(request, "started a campaign", planned.request.full, detail)
    return models.Started(name=wanted.name, new=new)


@router.post("/{name:path}/state", responses=problems(404))
@by_tenant
async def change_state(
    request: Request, app: Here, who: Campaigner, name: Name, what: models.ChangeState
) -> Done:  # fmt: skip
    """Pause, resume or stop a campaign."""
    full = app.jobs.names.full(name)
    if not await app.jobs.set_state(full, what.state):
        raise HTTPException(404, "there is no such campaign")
    await note(request, ACTIONS[what.state], full)
    return Done(id=name)


@router.delete("/{name:path}", responses=problems(404, 409))
@by_tenant
async def remove(request: Request, app: Here, who: Campaigner, name: Name) -> Done:
    """Delete a campaign that is over or stopped, with its numbers: a further start with the same file calls them
    again."""
    full = app.jobs.names.full(name)
    if not await app.jobs.has(full):
        raise HTTPException(404, "there is no such campaign")
    if not await app.jobs.remove(full, datetime.now(UTC)):
        raise HTTPException(409, "stop the campaign first, and wait until its calls have ended")
    await note(request, "deleted a campaign", full)
    return Done(id=name)


async def _planned(app: App, wanted: models.CampaignFile) -> tuple[Plan, str]:
    """The plan, and its digest. Raises a 409 for a file or settings that cannot be used."""
    asked = CampaignRequest(**wanted.model_dump(exclude={"file", "confirm"}), tenant=app.jobs.names.tenant)
    if asked.tenant and asked.agent not in app.gateway.agents.all:
        raise HTTPException(409, f"there is no agent {asked.agent!r}; there are {', '.join(app.gateway.agents.all)}")
    if asked.tenant and asked.trunk:
        raise HTTPException(409, "the trunk is chosen by the installation")
    if asked.tenant and not tenant_named(asked.tenant, app.gateway.config.tenants).numbers:
        raise HTTPException(409, NO_NUMBERS)
    agents = {name: one.config for name, one in app.gateway.agents.all.items()}
    lines, now = io.StringIO(wanted.file, newline=""), datetime.now(UTC)

    def planned() -> tuple[Plan, str]:
        made = plan(app.gateway.config, agents, lines, asked, now)
        return made, made.digest()

    try:
        return await FILES.run(planned)
    except FileError as error:
        raise HTTPException(409, str(error)) from None


@contextlib.contextmanager
def _place(tenant: str) -> Iterator[None]:
    """Take a place among the dry runs and starts in progress, until the block ends. Raises a 503 if there is none."""
    try:
        with DRY_RUNS.held(tenant):
            yield
    except NoPlace:
        raise HTTPException(503, "a file of yours is being read; try again in a moment", {"Retry-After": "5"}) from None


def _shown(decision: GateVerdict) -> models.GateDecision:
    return models.GateDecision(
        verdict=decision.verdict, rule=decision.rule, example=decision.example, numbers=len(decision.lines),
        lines=decision.lines[:LINES],
    )  # fmt: skip


async def _cost(app: App, planned: Plan, known: int, judged: list[GateVerdict]) -> models.CostEstimate | None:
    """The cost if everybody answers. If the gate has judged only some numbers, its share of refusals is applied to
    all."""
    earlier = await estimate(app.gateway.store, planned.request.agent)
    if earlier is None:
        return None
    asked = sum(len(one.lines) for one in judged)
    refused = sum(len(one.lines) for one in judged if one.verdict == "never")
    share = 1 - refused / asked if asked else 1.0
    return models.CostEstimate(
        total=round((len(planned.jobs) - known) * share * earlier.per_call, 6), per_call=round(earlier.per_call, 6),
        currency=app.gateway.config.cost.currency, calls=earlier.calls, direction=earlier.direction,
    )  # fmt: skip
