"""The job dialer: dials due jobs (callbacks and rows of campaigns) and writes the outcome of each call."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.agents.agents import VariableError
from sipgw.calls.originator import Originator
from sipgw.calls.registry import CallHandle
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import STOPPED
from sipgw.config.config import GatewayConfig
from sipgw.config.outbound import RetryOptions
from sipgw.events import CallAnswered, Disposition, Event, Watchers
from sipgw.outbound.campaign_names import owner
from sipgw.outbound.jobs import LEASE, JobOutcome, Jobs, TooSoonError
from sipgw.outbound.outcomes import Outcomes
from sipgw.outbound.retries import NOT_TRIED, JobResult, next_step
from sipgw.outbound.tables import Campaign, Job
from sipgw.records.store.store import Store
from sipgw.sip.boundaries import bounded, contained, lasting
from sipgw.trunks.route_selector import NoRoom, NotDialled

log = structlog.get_logger()

LOOK = 1.0
"""Seconds between two looks for jobs that are due."""
FULL_PAUSE = 5.0
"""Seconds without further claims of a campaign when this gateway has no room for a call."""
RENEW = LEASE / 4
"""Seconds between two renewals of a lease."""
FAULT = Disposition("failed", "internal error")
"""The ending of a job whose call cannot be made because of an error of ours."""
SETTLING = "outcomes of jobs are not written"


def new_holder() -> str:
    """A name for this process."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Pace:
    """How fast people are called, and when they are called again if they are not reached."""

    retry: RetryOptions = field(default_factory=RetryOptions)
    concurrent: int = 10
    """Calls at the same time."""
    per_second: float = 1.0
    """New calls per second."""
    latest: float = 0.0
    """Seconds after its due time at which a job is too old to be dialled; 0: never."""

    @classmethod
    def of(cls, campaign: Campaign) -> "Pace":
        """The pace of a campaign."""
        retry = RetryOptions(campaign.attempts, campaign.busy, campaign.no_answer)
        return cls(retry, campaign.concurrent, campaign.per_second)


@dataclass
class ClaimedJob:
    """A job that this process has claimed, and the call that is made for it."""

    job: Job
    pace: Pace
    placed: CallHandle | None = None
    answered: bool = False


class CallPlacer(Protocol):
    """The part of `sipgw.gateway.gateway.Gateway` that makes calls."""

    watchers: Watchers[Event]

    def originate(self, request: OriginateRequest) -> CallHandle:
        """See `sipgw.gateway.gateway.Gateway.originate`."""


class CallingGateway(CallPlacer, Protocol):
    """A gateway that makes calls."""

    config: GatewayConfig

    @property
    def store(self) -> Store:
        """The database of the gateway."""
        ...

    @property
    def originator(self) -> Originator:
        """The routes of the gateway to telephone numbers."""
        ...


class JobDialer:
    """Makes the calls of callbacks and of all running campaigns."""

    def __init__(
        self,
        jobs: Jobs,
        places: CallPlacer,
        callbacks: Pace | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        only: str = "",
    ) -> None:
        """`callbacks` is the pace of callbacks; None: they are not dialled. With `only` it dials this campaign only."""
        self._jobs = jobs
        self._outcomes = Outcomes(jobs)
        self._places = places
        self._paces = {"": callbacks} if callbacks and not only else {}
        """The pace of callbacks (``""``) and of each running campaign, as last read."""
        self._now = now
        self._only = only
        self._held: dict[int, ClaimedJob] = {}
        self._look: dict[str, float] = {}
        """When the next job of a campaign, or the next callback (``""``), may be claimed; by the clock of the loop."""
        self._steady = 0.0
        """Earliest time to claim jobs with expired leases after a database outage, in seconds since 1970."""
        self._finishing = False
        self._changed = asyncio.Event()
        """Set when a call has ended, or when `finish` was called."""
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Dial until cancelled or told to `finish`; then wait until the running calls have ended."""
        self._outcomes.take_up()
        stop = self._places.watchers.add(self._watch)
        try:
            async with self._group:
                renewing = self._group.create_task(lasting(self._renew, "leases of jobs are not renewed"))
                await lasting(self._dial_all, "jobs are not dialled")
                await lasting(self._let_end, "campaigns are not read")
                renewing.cancel()
        finally:
            stop()
            await self._outcomes.close()

    def finish(self) -> None:
        """Start no more calls, and let the running calls come to their end."""
        self._finishing = True
        self._changed.set()

    async def _dial_all(self) -> None:
        loop, read = asyncio.get_running_loop(), 0.0
        while not self._finishing:
            if loop.time() >= read:
                await self._read_campaigns()
                read = loop.time() + LOOK
            for campaign, pace in list(self._paces.items()):
                calls = sum(held.job.campaign == campaign for held in self._held.values())
                if calls >= pace.concurrent or loop.time() < self._look.get(campaign, 0.0):
                    continue
                if (job := await self._claim(campaign, pace)) is not None:
                    held = self._held[job.id] = ClaimedJob(job, pace)
                    self._group.create_task(bounded(self._dial(held), None, "a job failed"))
            now = loop.time()
            await self._wait(min((at - now for at in (read, *self._look.values()) if at > now), default=0))

    async def _let_end(self) -> None:
        while self._held:
            await self._wait(LOOK)
            await self._read_campaigns()  # a campaign may be stopped

    async def _wait(self, seconds: float) -> None:
        """Wait for a change, `seconds` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    async def _read_campaigns(self) -> None:
        """Read which campaigns run, and end the calls of campaigns that were stopped."""
        try:
            found = await self._jobs.campaigns(only_open=True)
        except SQLAlchemyError as error:
            _warn(error)
            return
        running = {one.name: Pace.of(one) for one in found if one.state == "running" and self._only in ("", one.name)}
        callbacks = {name: pace for name, pace in self._paces.items() if not name}
        self._paces = callbacks | running
        self._look = {name: at for name, at in self._look.items() if name in self._paces}
        stopped = {one.name for one in found if one.state == "stopped"}
        for held in self._held.values():
            if held.placed and held.job.campaign in stopped:
                held.placed.stop("the campaign was stopped")

    async def _claim(self, campaign: str, pace: Pace) -> Job | None:
        now, job, wait = self._now(), None, LOOK
        with contained("a job is not claimed", campaign=campaign):
            try:
                await self._outcomes.write()  # otherwise a job that is over could be dialled again
                job = await self._jobs.claim(campaign, now, left=now.timestamp() >= self._steady, held=list(self._held))
                wait = LOOK if job is None else 1 / pace.per_second
            except TooSoonError as early:
                wait = min(wait, early.wait)
            except SQLAlchemyError as error:
                self._steady = self._now().timestamp() + 2 * RENEW  # living processes have renewed their leases by then
                _warn(error)
        self._look[campaign] = asyncio.get_running_loop().time() + wait
        return job

    async def _dial(self, held: ClaimedJob) -> None:
        try:
            with contained("the outcome of a job is lost", job=held.job.id):
                await self._attempt(held)
            await lasting(self._settle, SETTLING)  # not when cancelled: `run` writes outcomes then, for a limited time
        finally:
            self._held.pop(held.job.id, None)
            self._changed.set()

    async def _attempt(self, held: ClaimedJob) -> None:
        ending = STOPPED
        try:
            ending = await bounded(self._call(held), FAULT, "the call of a job failed")
        finally:
            placed = held.placed
            if placed is not None and ending is STOPPED:
                placed.stop("the gateway stops")
            settled = self._judge(held, ending)
            self._outcomes.keep(self._jobs.outcome(held.job, settled, placed.id if placed else ""))

    async def _call(self, held: ClaimedJob) -> Disposition:
        """Make the call of a job; returns how it ended, or why it was not made."""
        if refused := self._outdated(held):
            return refused
        request = request_of(held.job)
        try:
            held.placed = self._places.originate(request)
        except VariableError as error:
            return Disposition("failed", str(error))
        except NotDialled as error:
            tenant = self._jobs.tenant(held.job)
            if tenant:  # the job, which the tenant reads, does not have the cause
                log.info("call of a job not made", job=held.job.id, cause=str(error))
            if isinstance(error, NoRoom):
                return self._later(held, Disposition("not_placed", error.told(tenant)))
            return Disposition("failed", error.told(tenant))
        ending = await held.placed.ended()
        return self._later(held, ending) if ending.kind == "not_placed" else ending

    def _later(self, held: ClaimedJob, ending: Disposition) -> Disposition:
        """Claim no job of the same campaign for `FULL_PAUSE`: there is no room for its calls here, but other gateways
        may have room. Other callbacks go on: they may be those of a tenant that has room."""
        if held.job.campaign:
            self._look[held.job.campaign] = asyncio.get_running_loop().time() + FULL_PAUSE
        return ending

    def _outdated(self, held: ClaimedJob) -> Disposition | None:
        """Why a job is not dialled although it is due; None if it is dialled."""
        job, pace = held.job, held.pace
        late = self._now().timestamp() - job.due
        if pace.latest and late > pace.latest:
            return Disposition("too_late", f"it was due {late / 3600:.0f} hours ago")
        if job.attempts > pace.retry.attempts:
            return Disposition("given_up", job.reason or "its process was ended again and again")
        return None

    def _judge(self, held: ClaimedJob, ending: Disposition) -> JobResult:
        job = held.job
        if held.answered and ending.kind in NOT_TRIED:
            settled = JobResult("done", f"answered; {ending.cause}")  # nobody is called twice because we stop
        else:
            settled = next_step(held.pace.retry, ending, job.attempts, self._now())
        log.info("job", job=job.id, campaign=job.campaign, state=settled.state, reason=settled.reason)
        return settled

    async def _settle(self) -> None:
        while True:  # the lease is renewed as long as this lasts
            try:
                await self._outcomes.write()
            except SQLAlchemyError as error:
                _warn(error)
                await asyncio.sleep(LOOK)
            else:
                return

    async def _renew(self) -> None:
        pause = RENEW
        while True:
            await asyncio.sleep(pause)
            ids = list(self._held)
            try:
                ours = await self._jobs.renew(ids, self._now())
            except SQLAlchemyError:
                pause = LOOK
                continue
            pause = RENEW
            for job in set(ids) - ours:  # this process did not run for a while, and another one makes the call now
                if (held := self._held.get(job)) and held.placed:
                    held.placed.stop("another gateway has taken over the job")

    def _watch(self, event: Event) -> None:
        if isinstance(event, CallAnswered):
            for job, held in self._held.items():
                if held.placed is not None and held.placed.id == event.call:
                    held.answered = True
                    # Written now, so that nobody is called twice even if this process is killed.
                    self._outcomes.keep(
                        JobOutcome(job, self._jobs.holder, "done", "answered", call=event.call, over=False)
                    )
                    self._group.create_task(lasting(self._settle, SETTLING))


class OutboundDialer:
    """Dials the jobs of the database. Use it as an async context manager."""

    def __init__(self, gateway: CallingGateway, only: str = "") -> None:
        """With `only` it dials this campaign and nothing else."""
        self._gateway = gateway
        self._only = only
        self._group = asyncio.TaskGroup()
        self._dialling: asyncio.Task[None] | None = None
        self._dialer: JobDialer | None = None
        self._finishing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        # Without a trunk that can dial, jobs wait for a person. They do not fail when they are due.
        if self._gateway.originator.first():
            jobs = Jobs(self._gateway.store, new_holder(), tenants=self._gateway.config.tenants)
            self._dialling = self._group.create_task(lasting(partial(self._dial, jobs), "dialling failed"))
        return self

    async def _dial(self, jobs: Jobs) -> None:
        """Dial until told to finish. An error in one job or step ends no call of another job."""
        if self._finishing:
            return
        options = self._gateway.config.callbacks
        callbacks = Pace(options.retry, options.concurrent, latest=options.latest)
        self._dialer = JobDialer(jobs, self._gateway, callbacks if options.dial else None, only=self._only)
        await self._dialer.run()

    def finish(self) -> None:
        """Start no more calls here: other gateways do. Running calls go on."""
        self._finishing = True
        if self._dialer is not None:
            self._dialer.finish()

    async def __aexit__(self, *error: Any) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        await self._group.__aexit__(*error)


def request_of(job: Job) -> OriginateRequest:
    """The call that a job asks for."""
    return OriginateRequest(
        job.number, job.agent, job.variables, job.trunk, consent=job.consent,
        purpose="campaign" if job.campaign else "callback", campaign=job.campaign,
        tenant=owner(job.campaign),
    )  # fmt: skip


def _warn(error: SQLAlchemyError) -> None:
    log.warning("the jobs cannot be read or written", cause=str(error).splitlines()[0])
