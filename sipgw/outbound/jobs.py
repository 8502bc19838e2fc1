"""Calls that are still to be made: promised callbacks and rows of campaigns. They are rows of the database.

Any number of processes may work on the same jobs. A process that claims a job holds a lease on it and renews the lease.
If the process is killed, the lease ends and another process claims the job.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    cast,
    delete,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.bounds import FULL
from sipgw.config.errors import OperatorError
from sipgw.config.tenants import TenantOptions, tenant_of
from sipgw.events import CallKey
from sipgw.outbound.campaign_names import CampaignNames, owner
from sipgw.outbound.retries import JobResult, JobState
from sipgw.outbound.tables import HELD, OPEN, Campaign, CampaignState, Job
from sipgw.outbound.turns import CallbackTurns
from sipgw.records.store.calls import row_of
from sipgw.records.store.store import Store

LEASE = 60.0
"""Seconds after which another process may claim a job whose lease was not renewed."""
MOST_CALLBACKS = 5000
"""Waiting callbacks of all agents that belong to no tenant. At two calls at a time this is work for days."""
MOST_OF_TENANT = 500
"""Waiting callbacks of each tenant: they take no places of other tenants."""
MOST_OF_ONE = 3
"""Waiting callbacks of one tenant to one number, and waiting callbacks that were promised in one call."""
FORGOTTEN = 86400.0
"""Seconds after which a callback that a person has to make no longer counts: nobody tells us that it was made."""
OVERDUE = 30 * 86400.0
"""Like `FORGOTTEN`, for a callback that is not dialled: `[callbacks] dial` is off, or no trunk dials any more."""
LOCK = 0x51B6A7F
"""Number of the lock that lets one gateway at a time promise a callback in PostgreSQL."""
MOST_CAMPAIGNS = 200
"""Campaigns of a tenant, including those that are over."""
MOST_ROWS = 1_000_000
"""Rows of all campaigns of a tenant together."""
BATCH = 200
"""Jobs that are planned in one step: the loop of a gateway goes on between two."""


@dataclass(frozen=True)
class JobOutcome:
    """The outcome of an attempt, as it is written to the database: perhaps later, and by another process."""

    job: int
    holder: str
    state: JobState
    reason: str
    due: float = 0.0
    counted: bool = True
    call: str = ""
    over: bool = True
    """Whether the call has ended; otherwise it was answered and goes on."""


class TooManyCampaignsError(OperatorError):
    """The campaigns of a tenant would have more rows than they may; the message says what to do."""


class TooSoonError(Exception):
    """The pace of a campaign does not allow a new call yet."""

    def __init__(self, wait: float) -> None:
        """In `wait` seconds the pace allows a call, if no other gateway is faster."""
        super().__init__(wait)
        self.wait = wait


class Jobs:
    """The jobs in the database. Every method may raise `SQLAlchemyError`."""

    def __init__(self, store: Store, holder: str, tenant: str = "", tenants: Sequence[TenantOptions] = ()) -> None:
        """`holder` names this process; no other process ever has the same name. With a `tenant`, these are only its
        campaigns: the database hides the others. `tenants` take turns when callbacks are claimed."""
        self._store = store
        self._view = store.of(tenant) if tenant else store
        self.holder = holder
        self.names = CampaignNames(tenant)
        self._tenants = tenants
        self._turns = CallbackTurns(tenants)

    def tenant(self, job: Job) -> str:
        """Tenant that may read why `job` was not called, by its campaign or its agent; empty for none."""
        return owner(job.campaign) or tenant_of(job.agent, self._tenants)

    def of(self, tenant: str) -> "Jobs":
        """Jobs of `tenant` alone."""
        return Jobs(self._store, self.holder, tenant)

    async def add(self, job: Job) -> tuple[int, bool]:
        """Plan a job. Returns its id, and False if it was planned before."""
        try:
            async with self._store.write() as session:
                session.add(job)
                await session.flush()
                return job.id, True
        except IntegrityError:
            async with self._view.read() as session:
                same = select(Job.id).where(Job.campaign == job.campaign, Job.key == job.key)
                return (await session.scalars(same)).one(), False

    async def promise(
        self, job: Job, now: datetime, tenants: Sequence[TenantOptions] = (), call: CallKey | None = None
    ) -> tuple[int, bool] | None:
        """Plan a callback that was promised in `call`; if it was promised before, plan it again for its new time. None
        if too many callbacks of the same tenant wait already.

        Returns the id of the job, and whether it was planned for another time before. A job that is planned again takes
        no further place, and a process that dials it at this moment loses it.
        """
        mine = or_(Job.number == job.number, Job.key.startswith(job.key.removesuffix(job.number), autoescape=True))
        by_hand = and_(Job.state == "by_hand", Job.due > now.timestamp() - FORGOTTEN)
        dialled = and_(OPEN, Job.due > now.timestamp() - OVERDUE)
        theirs = {one.name: one.agents for one in tenants}
        if tenant := tenant_of(job.agent, tenants):
            own, most = Job.agent.in_(theirs[tenant]), MOST_OF_TENANT
        else:
            own, most = Job.agent.not_in(sum(theirs.values(), ())), MOST_CALLBACKS
        waiting = select(func.count()).where(Job.campaign == "", own, or_(dialled, by_hand), Job.key != job.key)
        values: dict[str, Any] = {"state": job.state or "planned", "due": job.due, "variables": job.variables}
        values |= {"attempts": 0, "reason": job.reason or "", "holder": "", "lease": 0.0}
        async with self._store.write() as session:  # who counts at the same moment waits, or both would find room
            if self._store.options.url:
                await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            all_of_them, of_one = await session.scalar(waiting) or 0, await session.scalar(waiting.where(mine)) or 0
            if all_of_them >= most or of_one >= MOST_OF_ONE:
                if tenant:
                    FULL["callbacks of tenants"] += 1
                else:
                    FULL["callbacks"] += 1
                return None
            there = await session.scalar(select(Job.id).where(Job.campaign == job.campaign, Job.key == job.key))
            if there is None:
                if call:
                    job.call = await row_of(session, call)
                session.add(job)
                await session.flush()
                return job.id, False
            moved = update(Job).where(Job.id == there, Job.due != job.due).values(**values)
            done: Any = await session.execute(moved.execution_options(synchronize_session=False))
            return there, bool(done.rowcount)

    async def start(self, campaign: Campaign, jobs: Sequence[Job]) -> int:
        """Let a campaign run with this pace, and plan those of `jobs` that are not planned yet: all or none.

        Returns how many were new. Raises `TooManyCampaignsError`; `IntegrityError` if another process plans the same
        campaign at the same time: the caller may try again then.
        """
        self.names.check(campaign.name)
        count = 0
        async with self._store.write() as session:
            if self.names.tenant and self._store.options.url:  # who counts at the same moment waits
                mine = {"number": LOCK, "tenant": self.names.tenant}
                await session.execute(text("SELECT pg_advisory_xact_lock(:number, hashtext(:tenant))"), mine)
            await session.merge(campaign)
            for at in range(0, len(jobs), BATCH):
                some = jobs[at : at + BATCH]
                there = await self._keys(session, campaign.name, some)
                new = [job for job in some if job.key not in there]
                session.add_all(new)
                await session.flush()
                count += len(new)
            if self.names.tenant:
                await self._bounded(session)
        return count

    async def _bounded(self, session: AsyncSession) -> None:
        """Raises `TooManyCampaignsError`, which undoes what `session` has added."""
        for rows, most in ((Campaign.name, MOST_CAMPAIGNS), (Job.campaign, MOST_ROWS)):
            mine = rows.startswith(self.names.full(""), autoescape=True)
            if (await session.scalar(select(func.count()).where(mine)) or 0) > most:
                FULL["campaigns of tenants"] += 1
                raise TooManyCampaignsError(
                    f"your campaigns would be more than {MOST_CAMPAIGNS}, or have more than {MOST_ROWS:,} numbers: "
                    "delete one that is over"
                )

    async def known(self, campaign: str, jobs: Sequence[Job]) -> int:
        """How many of `jobs` the campaign has already."""
        async with self._view.read() as session:
            return sum(
                [len(await self._keys(session, campaign, jobs[at : at + BATCH])) for at in range(0, len(jobs), BATCH)]
            )

    @staticmethod
    async def _keys(session: AsyncSession, campaign: str, jobs: Sequence[Job]) -> set[str]:
        """The keys of `jobs` that the campaign has already."""
        there = select(Job.key).where(Job.campaign == campaign, Job.key.in_([job.key for job in jobs]))
        return set(await session.scalars(there))

    async def set_state(self, campaign: str, state: CampaignState) -> bool:
        """Set the state of a campaign. Returns False if there is no such campaign."""
        self.names.check(campaign)
        async with self._store.write() as session:
            done: Any = await session.execute(update(Campaign).where(Campaign.name == campaign).values(state=state))
            return bool(done.rowcount)

    async def remove(self, campaign: str, now: datetime) -> bool:
        """Delete a campaign and its rows, so its file may be called again. Returns False if there is no such campaign,
        if it has calls, or if it is neither stopped nor over."""
        self.names.check(campaign)
        mine = Job.campaign == campaign
        async with self._store.write() as session:
            state = await session.scalar(select(Campaign.state).where(Campaign.name == campaign).with_for_update())
            waits = state != "stopped" and await session.scalar(select(exists().where(mine, OPEN)))
            if state is None or waits or await session.scalar(self._calls(campaign, now)):
                return False
            await session.execute(delete(Job).where(mine))
            await session.execute(delete(Campaign).where(Campaign.name == campaign))
            return True

    async def has(self, campaign: str) -> bool:
        """Whether there is such a campaign."""
        async with self._view.read() as session:
            return await session.scalar(select(Campaign.name).where(Campaign.name == campaign)) is not None

    async def campaigns(self, *, only_open: bool = False) -> list[Campaign]:
        """The campaigns by name; with `only_open` those that have jobs that are not over, or calls that go on."""
        query = select(Campaign).order_by(Campaign.name)
        if only_open:
            mine = select(Job.id).where(Job.campaign == Campaign.name)
            query = query.where(or_(exists(mine.where(OPEN)), exists(mine.where(HELD))))
        async with self._view.read() as session:
            return list(await session.scalars(query))

    @property
    def folder(self) -> Path:
        """The folder in which `JobOutcome`s wait for the database."""
        return self._store.options.spool_folder / "jobs"

    async def claim(self, campaign: str, now: datetime, *, left: bool = True, held: Collection[int] = ()) -> Job | None:
        """Claim the job that is due first, so that no other process has it; of callbacks, the first of the tenant whose
        turn it is. None if no job may be dialled now.

        A campaign must be ``running``, with fewer calls than it may have at the same time. Raises `TooSoonError` if its
        pace does not allow a new call yet. With `left` a job whose lease has ended is claimed, too, except the jobs
        `held` by this process: a clock that jumps must not cause a second call.
        """
        at = now.timestamp()
        run_out = and_(Job.state == "dialling", Job.lease < self._clock(now), Job.id.not_in(held))
        free = or_(Job.state == "planned", run_out) if left else Job.state == "planned"
        waiting = Job.campaign == campaign, Job.due <= at, OPEN, free
        turns = () if campaign else self._turns.order()
        due = select(Job.id).where(*waiting).order_by(*turns, Job.due, Job.id).limit(1)
        due = due.with_for_update(skip_locked=True)  # PostgreSQL: a second claimer takes the next job
        # The condition is checked again when the row is written, so a second claimer finds it no longer free.
        taken = (
            update(Job)
            .where(Job.id == due.scalar_subquery(), free)
            .values(state="dialling", holder=self.holder, lease=self._clock(now) + LEASE, attempts=Job.attempts + 1)
            .returning(Job)
            .execution_options(synchronize_session=False)
        )
        async with self._store.write() as session:
            if campaign and not await self._may_dial(session, campaign, now, held):
                return None
            job = (await session.scalars(taken)).one_or_none()
            if job is not None and not campaign:
                self._turns.took(job.agent)
            elif job is not None:
                begins = self._clock(now) + 1 / Campaign.per_second
                await session.execute(update(Campaign).where(Campaign.name == campaign).values(next=begins))
            return job

    async def _may_dial(self, session: AsyncSession, campaign: str, now: datetime, held: Collection[int]) -> bool:
        """Whether the campaign may have another call. Others that claim its jobs wait for us. Raises `TooSoonError`."""
        query = select(Campaign, self._clock(now)).where(Campaign.name == campaign).with_for_update()
        if (found := (await session.execute(query)).one_or_none()) is None:
            return False
        pace, clock = found
        wait = pace.next - float(clock)
        calls = int(await session.scalar(self._calls(campaign, now, held)) or 0)
        if pace.state != "running" or calls >= pace.concurrent:
            return False
        if 0 < wait <= 1 / pace.per_second + LEASE:  # if it is longer, the clock was set back
            raise TooSoonError(wait)
        return True

    def _calls(self, campaign: str, now: datetime, held: Collection[int] = ()) -> Select[int]:
        """The query for the number of calls of a campaign, ringing or answered, in all processes that live."""
        alive = or_(Job.lease >= self._clock(now), Job.id.in_(held))
        return select(func.count()).select_from(Job).where(Job.campaign == campaign, HELD, alive)

    async def calls(self, campaign: str, now: datetime) -> int:
        """How many calls of a campaign ring or are answered, in all processes that live."""
        async with self._view.read() as session:
            return int(await session.scalar(self._calls(campaign, now)) or 0)

    async def renew(self, ids: Sequence[int], now: datetime) -> set[int]:
        """Renew the leases of these jobs. Returns the jobs that are still ours; other processes have the rest."""
        renewed = (
            update(Job)
            .where(Job.id.in_(ids), Job.holder == self.holder, Job.lease > 0)  # 0: the call is just over
            .values(lease=self._clock(now) + LEASE)
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        async with self._store.write() as session:
            return set(await session.scalars(renewed))

    def outcome(self, job: Job, settled: JobResult, call: str = "") -> JobOutcome:
        """The outcome of an attempt of this process."""
        reason = settled.reason[:500]
        return JobOutcome(job.id, self.holder, settled.state, reason, settled.due, settled.counted, call)

    async def put_down(self, outcome: JobOutcome) -> None:
        """Write an outcome, unless another process has claimed the job since. A second time it changes nothing."""
        values: dict[str, Any] = {"state": outcome.state, "reason": outcome.reason}
        values |= {"due": outcome.due} if outcome.state == "planned" else {}
        values |= {"call": outcome.call} if outcome.call else {}
        values |= {"lease": 0.0} if outcome.over else {}
        values |= {} if outcome.counted else {"attempts": Job.attempts - 1}
        theirs = Job.holder == outcome.holder, Job.state.in_(("dialling", "done"))
        async with self._store.write() as session:
            await session.execute(
                update(Job)
                .where(Job.id == outcome.job, *theirs)
                .values(**values)
                .execution_options(synchronize_session=False)
            )

    def _clock(self, now: datetime) -> ColumnElement[float]:
        """The clock of leases and of the pace: the database server's, which all machines share; with SQLite `now`."""
        if self._store.options.url:
            return cast(extract("epoch", func.now()), Float)
        return literal(now.timestamp())

    async def all(self, campaign: str) -> list[Job]:
        """The jobs of a campaign, or the callbacks (``""``), in the order in which they were planned."""
        async with self._view.read() as session:
            return list(await session.scalars(select(Job).where(Job.campaign == campaign).order_by(Job.id)))

    async def callbacks(self, most: int) -> list[Job]:
        """The callbacks that were promised last, newest first."""
        query = select(Job).where(Job.campaign == "").order_by(Job.id.desc()).limit(most)
        async with self._view.read() as session:
            return list(await session.scalars(query))

    async def forget(self, numbers: Sequence[str]) -> int:
        """Delete all jobs of these numbers. Returns how many there were."""
        async with self._store.write() as session:
            gone = await session.execute(delete(Job).where(Job.number.in_(numbers)))
            return int(getattr(gone, "rowcount", 0))

    async def purge(self, before: datetime) -> int:
        """Delete callbacks that are over or by hand and were due before `before`. Returns how many there were.

        Rows of campaigns stay: without them the same file would be called again.
        """
        over = Job.campaign == "", Job.state.in_(("done", "failed", "by_hand")), Job.due < before.timestamp()
        async with self._store.write() as session:
            gone = await session.execute(delete(Job).where(*over))
            return int(getattr(gone, "rowcount", 0))

    async def states(self) -> dict[str, dict[str, int]]:
        """How many jobs each campaign has in each state. The callbacks have the name ``""``."""
        found: dict[str, dict[str, int]] = {}
        async with self._view.read() as session:
            counted = select(Job.campaign, Job.state, func.count()).group_by(Job.campaign, Job.state)
            for campaign, state, count in await session.execute(counted):
                found.setdefault(campaign, {})[state] = count
        return found

    async def failures(self, most: int) -> list[Job]:
        """The latest jobs of campaigns that have failed and are not tried again."""
        query = select(Job).where(Job.campaign != "", Job.state == "failed").order_by(Job.id.desc()).limit(most)
        async with self._view.read() as session:
            return list(await session.scalars(query))

    async def open(self, campaign: str) -> tuple[int, float]:
        """How many jobs are not over, and when the first of them is due (seconds since 1970; 0 if there is none)."""
        query = select(func.count(), func.min(Job.due)).where(Job.campaign == campaign, OPEN)
        async with self._view.read() as session:
            count, first = (await session.execute(query)).one()
        return int(count), float(first or 0.0)
