"""Plans a campaign: a file becomes jobs, with the gate's present decisions and an estimate of the cost. Nothing is
dialled or stored; `sipgw.outbound.jobs.Jobs.start` does that with the plan. The command line and the dashboard use it.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import chain
from typing import Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from sipgw.calls.originator import OutboundGate
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.tenants import pace_of_tenant, tenant_named
from sipgw.outbound.campaign import CampaignRow, FileError, InvalidRow, columns, read, unused
from sipgw.outbound.campaign_names import LONGEST, CampaignNames
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Campaign, Job
from sipgw.policy.gate.rules import GateRequest, Permit
from sipgw.records.store.engine import Database
from sipgw.records.store.tables import CallRecord

CALLBACKS = "callbacks"
"""The name under which callbacks are shown."""
NAME = re.compile(r"(?=.*\w)[\w .@+-]{1,64}")
JUDGED = 1000
"""Most numbers of a plan that the gate is asked about."""
AT_ONCE = 100
"""Numbers of one question to the gate."""
JUDGING = 5.0
"""Seconds for all questions to the gate together."""
LATEST, EARLIER = 2000, 200
"""How many of the latest calls of an agent are searched for answered ones, and how many of these give the mean cost."""
Verdict = Literal["now", "later", "never"]


@dataclass(frozen=True)
class CampaignRequest:
    """A campaign that somebody wants to start, without its file."""

    name: str
    agent: str = DEFAULT
    trunk: str = ""
    """The trunk to call through; empty: all, in their order."""
    consent: bool = False
    """Whether the people have asked to be called."""
    concurrent: int = 5
    per_second: float = 0.0
    """New calls per second; 0: as many as the trunk allows."""
    attempts: int = 3
    busy: float = 300.0
    no_answer: float = 1800.0
    tenant: str = ""
    """Tenant whose campaign it is; empty: that of the installation itself."""

    @property
    def full(self) -> str:
        """The name of the campaign in the database."""
        return CampaignNames(self.tenant).full(self.name)


@dataclass(frozen=True)
class Plan:
    """A campaign that can be started."""

    request: CampaignRequest
    trunk: str
    """The trunk that is tried first."""
    per_second: float
    jobs: Sequence[Job] = field(repr=False)
    broken: Sequence[InvalidRow]
    unused: Sequence[str]
    """Columns that the agent has no variable for."""
    caller_id: str = ""
    """The number that the calls show; empty: that of the trunk."""

    def campaign(self) -> Campaign:
        """The row of the campaign in the database, in the state ``running``."""
        wanted = self.request
        return Campaign(
            name=wanted.full, state="running", concurrent=wanted.concurrent, per_second=self.per_second,
            attempts=wanted.attempts, busy=wanted.busy, no_answer=wanted.no_answer,
        )  # fmt: skip

    def digest(self) -> str:
        """A hash that is the same for plans that make the same calls, and for no others."""
        calls = [(job.key, job.line, job.variables) for job in self.jobs]
        planned = asdict(self.request) | {"per_second": self.per_second, "first": self.trunk, "calls": calls}
        return hashlib.sha256(json.dumps(planned, sort_keys=True).encode()).hexdigest()


def plan(
    config: GatewayConfig,
    agents: Mapping[str, AgentConfig],
    lines: Iterable[str],
    wanted: CampaignRequest,
    now: datetime,
) -> Plan:
    """The calls to the people in `lines` of a CSV file, due `now`. Raises `FileError`."""
    if not NAME.fullmatch(wanted.name) or wanted.name == CALLBACKS:
        raise FileError(f"{wanted.name[:80]!r} is no name for a campaign; use letters, digits, spaces and . @ + - _")
    if len(wanted.full) > LONGEST:
        raise FileError(
            f"the name of the campaign has more than {LONGEST - len(wanted.full) + len(wanted.name)} letters"
        )
    definition = {**agents, DEFAULT: agents.get(DEFAULT, config)}.get(wanted.agent)
    if definition is None:
        raise FileError(f"there is no agent {wanted.agent!r}; there are {', '.join(sorted({*agents, DEFAULT}))}")
    only = wanted.trunk
    way = next((one for one in config.trunks if one.domain_uri is not None and only in ("", one.name)), None)
    if way is None:
        raise FileError(f"there is no trunk {only!r} to call through" if only else "there is no trunk to call through")
    most = _within_share(config, wanted, way.calls_per_second) if wanted.tenant else way.calls_per_second
    options, source = definition.agent, iter(lines)
    header = next(source, "")
    names, _ = columns(header.lstrip("\ufeff").rstrip("\r\n"))
    found = list(read(chain([header], source), options, way))
    jobs = [
        Job(
            campaign=wanted.full, key=row.number, line=row.line, number=row.number, agent=wanted.agent, trunk=only,
            variables=dict(row.variables), consent=wanted.consent, due=now.timestamp(),
        )
        for row in found if isinstance(row, CampaignRow)
    ]  # fmt: skip
    broken = [row for row in found if isinstance(row, InvalidRow)]
    shown = next(iter(tenant_named(wanted.tenant, config.tenants).numbers), "") if wanted.tenant else ""
    return Plan(wanted, way.name, wanted.per_second or most, jobs, broken, unused(names, options), shown)


def _within_share(config: GatewayConfig, wanted: CampaignRequest, calls_per_second: float) -> float:
    """New calls in a second that a tenant may ask for. Raises `FileError` if it asks for more than it may."""
    most, calls = pace_of_tenant(calls_per_second), tenant_named(wanted.tenant, config.tenants).max_calls
    if wanted.per_second > most:
        raise FileError(f"per_second is {wanted.per_second:g}; you may make {most:g} new calls in a second")
    if calls and wanted.concurrent > calls:
        raise FileError(f"concurrent is {wanted.concurrent}; you may have {calls} calls at the same time")
    return most


async def begin(jobs: Jobs, planned: Plan) -> int:
    """Let the planned campaign run; returns how many of its rows are new. May raise `SQLAlchemyError`."""
    try:
        return await jobs.start(planned.campaign(), planned.jobs)
    except IntegrityError:  # another process has just planned the same campaign
        return await jobs.start(planned.campaign(), planned.jobs)


@dataclass
class GateVerdict:
    """Present decision of the gate on some numbers of a plan, by one rule."""

    verdict: Verdict
    """``later``: the gateway asks again by itself, for example when the calling hours begin."""
    rule: str
    """The rule; empty if every rule permits the call."""
    example: str
    """The reason of the first refusal; empty if every rule permits the call."""
    lines: list[int] = field(default_factory=list)
    """The lines of the file."""


async def decisions(gate: OutboundGate, planned: Plan) -> list[GateVerdict]:
    """The gate's present decisions, which are neither counted nor audited; the hook is not asked. About the calls of a
    tenant, only the number, the hour and the configuration decide, because lists and counts are of all tenants.

    At most `JUDGED` numbers are asked about, evenly over the file, and within `JUDGING` seconds. Raises what
    `sipgw.policy.gate.gate.Gate.judge_all` raises.
    """
    wanted, found = planned.request, dict[tuple[Verdict, str], GateVerdict]()
    step, until = -(-len(planned.jobs) // JUDGED) or 1, asyncio.get_running_loop().time() + JUDGING
    asked = planned.jobs[::step]
    for at in range(0, len(asked), AT_ONCE):
        if asyncio.get_running_loop().time() > until:
            break
        some = asked[at : at + AT_ONCE]
        dials = [
            GateRequest(
                job.number, planned.trunk, wanted.agent, "campaign", wanted.consent or None, wanted.full,
                planned.caller_id,
            )
            for job in some
        ]  # fmt: skip
        for job, told in zip(some, await gate.judge_all(dials, alone=bool(wanted.tenant)), strict=True):
            if isinstance(told, Permit):
                decision = GateVerdict("now", "", "")
            else:
                later = told.again or told.unable
                decision = GateVerdict("later" if later else "never", told.rule, told.told(wanted.tenant))
            found.setdefault((decision.verdict, decision.rule), decision).lines.append(job.line)
    return list(found.values())


class Estimate(NamedTuple):
    """The mean cost of earlier answered calls of an agent."""

    per_call: float
    calls: int
    """The number of earlier calls that the mean comes from."""
    direction: Literal["out", "in"]
    """Their direction: incoming calls, if there was no call out yet."""


async def estimate(store: Database, agent: str) -> Estimate | None:
    """Cost of an answered call of the agent; None if there was none with a cost. May raise `SQLAlchemyError`."""
    call = CallRecord
    needed = call.direction, call.cost, call.answered, call.ended, call.began
    latest = select(*needed).where(call.agent == agent).order_by(call.began.desc()).limit(LATEST).subquery()
    async with store.read() as session:
        for direction in ("out", "in"):
            some = (
                select(latest.c.cost)
                .where(
                    latest.c.direction == direction,
                    latest.c.cost.is_not(None),
                    latest.c.answered.is_not(None),
                    latest.c.ended.is_not(None),
                )
                .order_by(latest.c.began.desc())
                .limit(EARLIER)
                .subquery()
            )
            mean, count = (await session.execute(select(func.avg(some.c.cost), func.count()).select_from(some))).one()
            if count:
                return Estimate(float(mean), int(count), "out" if direction == "out" else "in")
    return None
