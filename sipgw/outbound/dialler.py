"""The dialler: works through the jobs that are due, a few at a time, and puts down what became of each."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.agents.agents import VariableError
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import STOPPED
from sipgw.config.outbound import RetryOptions
from sipgw.events import CallAnswered, Disposition, Event, Watchers
from sipgw.outbound.jobs import LEASE, Job, Jobs, Outcome
from sipgw.outbound.outcomes import Outcomes
from sipgw.outbound.retries import NOT_TRIED, next_step
from sipgw.outbound.settled import Settled
from sipgw.trunks.route_selector import NoRoom, NotDialled

log = structlog.get_logger()

LOOK = 1.0
"""Seconds between looks for jobs that are due."""
RENEW = LEASE / 4
"""Seconds between two renewals of a lease."""


def new_holder() -> str:
    """A name for this process."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Pace:
    """How fast people are called, and what follows when they are not reached."""

    retry: RetryOptions = field(default_factory=RetryOptions)
    concurrent: int = 10
    """Calls at the same time."""
    per_second: float = 1.0
    """New calls."""
    latest: float = 0.0
    """Seconds after which a job is too old to be dialled; 0: never."""


class Made(Protocol):
    """A call that is made: a `sipgw.calls.registry.CallHandle`, or one of `sipgw.cli.elsewhere`."""

    @property
    def id(self) -> str:
        """The identity of the call; empty as long as it has none."""
        ...

    async def ended(self) -> Disposition:
        """See `sipgw.calls.registry.CallHandle.ended`."""
        ...

    def stop(self, cause: str = "") -> None:
        """See `sipgw.calls.registry.CallHandle.stop`."""


class Places(Protocol):
    """What makes calls: a `sipgw.gateway.gateway.Gateway`, or a `sipgw.cli.elsewhere.Elsewhere`."""

    watchers: Watchers[Event]

    def originate(self, request: OriginateRequest) -> Made:
        """See `sipgw.gateway.gateway.Gateway.originate`."""


class Dialler:
    """Calls for the jobs of one campaign, or for the callbacks (campaign ``""``)."""

    def __init__(
        self,
        jobs: Jobs,
        places: Places,
        campaign: str,
        pace: Pace,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._jobs = jobs
        self._outcomes = Outcomes(jobs)
        self._places = places
        self._campaign = campaign
        self._pace = pace
        self._now = now
        self._room = asyncio.Semaphore(pace.concurrent)
        self._held: dict[int, Made | None] = {}
        self._reached: set[int] = set()
        """The jobs for which somebody has answered, of those that are held."""
        self._steady = 0.0
        """Seconds since 1970 at which the database has been there for so long that who lives has renewed."""
        self._finishing = asyncio.Event()
        self._group = asyncio.TaskGroup()

    async def run(self, *, until_done: bool = False) -> None:
        """Dial until cancelled or told to `finish`; with `until_done` until no job is open."""
        self._outcomes.take_up()
        stop = self._places.watchers.add(self._watch)
        try:
            async with self._group:
                renewing = self._group.create_task(self._renew())
                while True:
                    await self._room.acquire()
                    if self._finishing.is_set():
                        self._room.release()
                        break
                    job = await self._claim()
                    if job is not None:
                        self._held[job.id] = None
                        self._group.create_task(self._dial(job))
                        await self._sleep(1 / self._pace.per_second)
                        continue
                    self._room.release()
                    if until_done and not self._held and await self._open() == 0:
                        break
                    await self._sleep(LOOK)
                for _ in range(self._pace.concurrent):  # until the last call has made room
                    await self._room.acquire()
                renewing.cancel()
        finally:
            stop()
            await self._outcomes.close()

    @property
    def finishing(self) -> bool:
        """Whether it was told to `finish`."""
        return self._finishing.is_set()

    def finish(self) -> None:
        """Dial nobody any more, and let the calls that are up come to their end."""
        self._finishing.set()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._finishing.wait()

    async def _claim(self) -> Job | None:
        now = self._now()
        try:
            await self._outcomes.write()  # or one would be dialled that is over
            return await self._jobs.claim(
                self._campaign, now, left=now.timestamp() >= self._steady, held=list(self._held)
            )
        except SQLAlchemyError as error:
            self._steady = self._now().timestamp() + 2 * RENEW  # no lease could be renewed
            _told(error)
            return None

    async def _open(self) -> int:
        try:
            return (await self._jobs.open(self._campaign))[0]
        except SQLAlchemyError as error:
            _told(error)
            return 1

    async def _dial(self, job: Job) -> None:
        try:
            await self._attempt(job)
            await self._settle()  # not when cancelled: `run` does it, for as long as may be
        finally:
            self._held.pop(job.id, None)
            self._reached.discard(job.id)
            self._room.release()

    async def _attempt(self, job: Job) -> None:
        placed: Made | None = None
        ending = STOPPED
        try:
            refused = self._outdated(job)
            if refused is None:
                placed = self._held[job.id] = self._places.originate(request_of(job))
                ending = await placed.ended()
            else:
                ending = refused
        except NoRoom as error:
            ending = Disposition("not_placed", str(error))
        except (NotDialled, VariableError) as error:
            ending = Disposition("failed", str(error))
        finally:
            if placed is not None and ending is STOPPED:
                placed.stop("the gateway stops")
            self._outcomes.keep(self._jobs.outcome(job, self._judge(job, ending), placed.id if placed else ""))

    def _outdated(self, job: Job) -> Disposition | None:
        """Why a job is not dialled although it is due."""
        late = self._now().timestamp() - job.due
        if self._pace.latest and late > self._pace.latest:
            return Disposition("too_late", f"it was due {late / 3600:.0f} hours ago")
        if job.attempts > self._pace.retry.attempts:
            return Disposition("given_up", job.reason or "its process was ended again and again")
        return None

    def _judge(self, job: Job, ending: Disposition) -> Settled:
        if job.id in self._reached and ending.kind in NOT_TRIED:
            settled = Settled("done", f"answered; {ending.cause}")  # nobody is called twice for our stopping
        else:
            settled = next_step(self._pace.retry, ending, job.attempts, self._now())
        log.info("job", job=job.id, campaign=job.campaign, state=settled.state, reason=settled.reason)
        return settled

    async def _settle(self) -> None:
        while True:  # the lease is renewed as long as this lasts
            try:
                await self._outcomes.write()
            except SQLAlchemyError as error:
                _told(error)
                await asyncio.sleep(LOOK)
            else:
                return

    async def _renew(self) -> None:
        pause = RENEW
        while True:
            await asyncio.sleep(pause)
            held = list(self._held)
            try:
                ours = await self._jobs.renew(held, self._now())
            except SQLAlchemyError:
                pause = LOOK
                continue
            pause = RENEW
            for job in set(held) - ours:  # this process stood still, and somebody else makes the call now
                if placed := self._held.get(job):
                    placed.stop("another gateway has taken over the job")

    def _watch(self, event: Event) -> None:
        if isinstance(event, CallAnswered):
            for job, placed in self._held.items():
                if placed is not None and placed.id == event.call:
                    self._reached.add(job)
                    answered = Outcome(job, self._jobs.holder, "done", "answered", call=event.call)
                    self._outcomes.keep(answered)  # so that nobody is called twice, whatever happens to us
                    self._group.create_task(self._settle())


def request_of(job: Job) -> OriginateRequest:
    """What a job asks for."""
    return OriginateRequest(
        job.number, job.agent, job.variables, job.trunk, consent=job.consent,
        purpose="campaign" if job.campaign else "callback", campaign=job.campaign,
    )  # fmt: skip


def _told(error: SQLAlchemyError) -> None:
    log.warning("the jobs cannot be read or written", cause=str(error).splitlines()[0])
