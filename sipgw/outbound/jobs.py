"""Calls that are still to be made: callbacks that were promised, rows of campaigns. Kept in the database.

Any number of processes may work through the same jobs. One that takes a job holds it by a lease that it renews; when
the process is killed the lease runs out, and the next one takes it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Float,
    Index,
    String,
    UniqueConstraint,
    and_,
    cast,
    delete,
    extract,
    func,
    literal,
    or_,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from sipgw.bounds import FULL
from sipgw.outbound.settled import Settled, State
from sipgw.records.store import Base
from sipgw.records.store.engine import Database

LEASE = 60.0
"""Seconds after which a job is free again if its process does not renew the lease."""
MOST_CALLBACKS = 5000
"""Callbacks that wait, of all callers together: with two at a time that is days of work already."""
MOST_OF_ONE = 3
"""Of these, to one number, and promised in one call: nobody can have us ring all day."""
FORGOTTEN = 86400.0
"""Seconds after which a callback counts no more that a person has to make: nobody tells us that it was made."""
OVERDUE = 30 * 86400.0
"""The same of one that nobody dials, because `[callbacks] dial` is off or no trunk dials any more."""
LOCK = 0x51B6A7F
"""Number of the lock that lets one gateway at a time promise a callback in PostgreSQL."""
OPEN = text("state IN ('planned', 'dialling')")
"""Jobs that are dialled and not over; as text, for a database uses the index only where the condition stands word for
word."""


class Job(Base):
    """A call to be made. Times are seconds since 1970, so that every database compares them alike."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("campaign", "key"),
        # What is over is never looked at again: only what is open is in the order of its turn.
        Index("jobs_open", "campaign", "due", "id", sqlite_where=OPEN, postgresql_where=OPEN),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(64), index=True)
    """Empty for callbacks."""
    key: Mapped[str] = mapped_column(String(320))
    """What makes it the same job when it is planned again."""
    line: Mapped[int] = mapped_column(default=0)
    """In the campaign's file."""
    number: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(40))
    trunk: Mapped[str] = mapped_column(String(64), default="")
    variables: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    consent: Mapped[bool] = mapped_column(default=False)
    due: Mapped[float] = mapped_column(Float, index=True)
    state: Mapped[str] = mapped_column(String(16), default="planned")
    """``planned``, ``dialling``, ``done`` or ``failed``; ``by_hand`` if a person makes the call, no gateway does."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Calls that were made for it."""
    reason: Mapped[str] = mapped_column(String(500), default="")
    """How the last call ended, or why there was none."""
    call: Mapped[str] = mapped_column(String(255), default="")
    """The identity of the last call, as in the records."""
    holder: Mapped[str] = mapped_column(String(40), default="")
    lease: Mapped[float] = mapped_column(Float, default=0.0)


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt, as it is put down: maybe later, and by another process."""

    job: int
    holder: str
    state: State
    reason: str
    due: float = 0.0
    counted: bool = True
    call: str = ""


class Jobs:
    """The jobs in the database; every method may raise `SQLAlchemyError`."""

    def __init__(self, store: Database, holder: str) -> None:
        """`holder` is the name of this process, different for each that ever runs."""
        self._store = store
        self.holder = holder

    async def add(self, job: Job) -> tuple[int, bool]:
        """Plan a job; returns its id, and False if it was planned before."""
        try:
            async with self._store.write() as session:
                session.add(job)
                await session.flush()
                return job.id, True
        except IntegrityError:
            async with self._store.read() as session:
                same = select(Job.id).where(Job.campaign == job.campaign, Job.key == job.key)
                return (await session.scalars(same)).one(), False

    async def promise(self, job: Job, now: datetime) -> tuple[int, bool] | None:
        """Plan a callback, or plan it anew for when it is due if it was promised before; None if too many wait already.

        Returns its id, and whether it was planned for another time before. One that is planned anew takes no further
        place, and whoever dials for it at this moment loses it.
        """
        mine = or_(Job.number == job.number, Job.key.startswith(f"{job.call} ", autoescape=True))
        by_hand = and_(Job.state == "by_hand", Job.due > now.timestamp() - FORGOTTEN)
        dialled = and_(OPEN, Job.due > now.timestamp() - OVERDUE)
        waiting = select(func.count()).where(Job.campaign == "", or_(dialled, by_hand), Job.key != job.key)
        values: dict[str, Any] = {"state": job.state or "planned", "due": job.due, "variables": job.variables}
        values |= {"attempts": 0, "reason": job.reason or "", "holder": "", "lease": 0.0}
        async with self._store.write() as session:  # who counts at the same moment waits, or both would find room
            if self._store.options.url:
                await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            all_of_them, of_one = await session.scalar(waiting) or 0, await session.scalar(waiting.where(mine)) or 0
            if all_of_them >= MOST_CALLBACKS or of_one >= MOST_OF_ONE:
                FULL["callbacks"] += 1
                return None
            there = await session.scalar(select(Job.id).where(Job.campaign == job.campaign, Job.key == job.key))
            if there is None:
                session.add(job)
                await session.flush()
                return job.id, False
            moved = update(Job).where(Job.id == there, Job.due != job.due).values(**values)
            done: Any = await session.execute(moved.execution_options(synchronize_session=False))
            return there, bool(done.rowcount)

    async def add_all(self, campaign: str, jobs: Sequence[Job]) -> int:
        """Plan those of `jobs` that are not planned yet, all or none; returns how many they were.

        Raises `IntegrityError` if another process plans the same at the same time; then it may be tried again.
        """
        async with self._store.write() as session:
            there = set(await session.scalars(select(Job.key).where(Job.campaign == campaign)))
            new = [job for job in jobs if job.key not in there]
            session.add_all(new)
        return len(new)

    @property
    def folder(self) -> Path:
        """Where `Outcome`s wait for the database."""
        return self._store.options.spool_folder / "jobs"

    async def claim(self, campaign: str, now: datetime, *, left: bool = True, held: Collection[int] = ()) -> Job | None:
        """Take the job that is due first, or None. Nobody else has it then, whatever they do at the same time.

        With `left` also one whose holder has let its lease run out, but none of those that are `held` here: a clock
        that jumps is no reason to call twice.
        """
        at = now.timestamp()
        run_out = and_(Job.state == "dialling", Job.lease < self._clock(now), Job.id.not_in(held))
        free = or_(Job.state == "planned", run_out) if left else Job.state == "planned"
        waiting = Job.campaign == campaign, Job.due <= at, OPEN, free
        due = select(Job.id).where(*waiting).order_by(Job.due, Job.id).limit(1)
        due = due.with_for_update(skip_locked=True)  # PostgreSQL: who comes second takes the next
        # Who comes second finds it no longer free: the condition is looked at again when the row is written.
        taken = (
            update(Job)
            .where(Job.id == due.scalar_subquery(), free)
            .values(state="dialling", holder=self.holder, lease=self._clock(now) + LEASE, attempts=Job.attempts + 1)
            .returning(Job)
            .execution_options(synchronize_session=False)
        )
        async with self._store.write() as session:
            return (await session.scalars(taken)).one_or_none()

    async def renew(self, ids: Sequence[int], now: datetime) -> set[int]:
        """Go on holding these; returns which of them are ours: the others somebody else has taken."""
        renewed = (
            update(Job)
            .where(Job.id.in_(ids), Job.holder == self.holder)
            .values(lease=self._clock(now) + LEASE)
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        async with self._store.write() as session:
            return set(await session.scalars(renewed))

    def outcome(self, job: Job, settled: Settled, call: str = "") -> Outcome:
        """What became of an attempt of ours."""
        reason = settled.reason[:500]
        return Outcome(job.id, self.holder, settled.state, reason, settled.due, settled.counted, call)

    async def put_down(self, outcome: Outcome) -> None:
        """Put it down, unless somebody else has taken the job since; a second time it changes nothing."""
        values: dict[str, Any] = {"state": outcome.state, "reason": outcome.reason}
        values |= {"due": outcome.due} if outcome.state == "planned" else {}
        values |= {"call": outcome.call} if outcome.call else {}
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
        """The time by which leases are told: the one clock that all machines share, where there is one."""
        if self._store.options.url:
            return cast(extract("epoch", func.now()), Float)
        return literal(now.timestamp())

    async def all(self, campaign: str) -> list[Job]:
        """The jobs of a campaign, or the callbacks, in the order of their planning."""
        async with self._store.read() as session:
            return list(await session.scalars(select(Job).where(Job.campaign == campaign).order_by(Job.id)))

    async def forget(self, numbers: Sequence[str]) -> int:
        """Delete all jobs of these numbers; returns how many there were."""
        async with self._store.write() as session:
            gone = await session.execute(delete(Job).where(Job.number.in_(numbers)))
            return int(getattr(gone, "rowcount", 0))

    async def purge(self, before: datetime) -> int:
        """Delete callbacks that are over or by hand and were due before; rows of campaigns stay, or they would be
        called again."""
        over = Job.campaign == "", Job.state.in_(("done", "failed", "by_hand")), Job.due < before.timestamp()
        async with self._store.write() as session:
            gone = await session.execute(delete(Job).where(*over))
            return int(getattr(gone, "rowcount", 0))

    async def states(self) -> dict[str, dict[str, int]]:
        """How many jobs each campaign has in each state; the callbacks have the name ``""``."""
        found: dict[str, dict[str, int]] = {}
        async with self._store.read() as session:
            counted = select(Job.campaign, Job.state, func.count()).group_by(Job.campaign, Job.state)
            for campaign, state, count in await session.execute(counted):
                found.setdefault(campaign, {})[state] = count
        return found

    async def failures(self, most: int) -> list[Job]:
        """The latest jobs of campaigns that have failed for good."""
        query = select(Job).where(Job.campaign != "", Job.state == "failed").order_by(Job.id.desc()).limit(most)
        async with self._store.read() as session:
            return list(await session.scalars(query))

    async def open(self, campaign: str) -> tuple[int, float]:
        """How many jobs are not over, and when the first of them is due (seconds since 1970; 0 if there is none)."""
        query = select(func.count(), func.min(Job.due)).where(Job.campaign == campaign, OPEN)
        async with self._store.read() as session:
            count, first = (await session.execute(query)).one()
        return int(count), float(first or 0.0)
