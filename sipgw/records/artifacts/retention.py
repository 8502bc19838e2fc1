"""Retention and forgetting. Files are only marked here; `work` deletes them.

Gateways may share one database, each with its own options: a gateway deletes the old data of its own calls. Forgetting
a number applies to all gateways at once; each then deletes the files on its own disk.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.bounds import FULL
from sipgw.config.numbers import spellings
from sipgw.config.records import RetentionOptions
from sipgw.records.artifacts import artifact, hosts
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.store.artifact_states import FILES, SOUND, WORDS, ArtifactKind, ArtifactState, before
from sipgw.records.store.calls import of_number
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from sipgw.records.store.tables import (
    ArtifactRecord,
    CallRecord,
    DeliveryRecord,
    EventRecord,
    ReportRecord,
    ToolCallRecord,
    TurnRecord,
)
from sipgw.records.store.writing import interrupted

SOME = 500
"""Calls in one transaction; it is short so that ending calls can be written meanwhile."""
LONGEST = timedelta(days=7)
"""Time that is longer than any call. An older call that is still open will not be closed by its gateway."""
TOLD_WITHIN = timedelta(days=4)
"""A day longer than the retries of a webhook. A webhook that waits longer has a target that is no longer configured at
any gateway."""
GIVEN_UP_KEPT = timedelta(days=30)
"""Time for which the row of a given-up webhook is kept, without its text."""
LOST = "its gateway did not come back"
Erase = Callable[[AsyncSession, Sequence[str]], Awaitable[None]]
"""Erases some data of the given calls in the database."""


@dataclass
class Removed:
    """Counts of deleted data."""

    calls: int = 0
    transcripts: int = 0
    recordings: int = 0
    callbacks: int = 0
    undeleted: int = 0
    """Files that could not be deleted: see `sipgw.records.artifacts.work`. They are tried again."""


async def purge(
    store: Store, options: RetentionOptions, now: datetime, worker: ArtifactWorker | None = None
) -> Removed:
    """Delete data past its retention time. Raises the errors of the database, and `StoreError` if too many files could
    not be deleted (`MOST_UNDELETED`). Then the records of further calls stay, but their words and recordings are
    deleted.
    """
    worker = worker or ArtifactWorker(store)
    removed = Removed(recordings=await worker.work(now, again=True))
    rules: tuple[tuple[int, tuple[ArtifactKind, ...], ColumnElement[bool], Erase], ...] = (
        (options.recordings, SOUND, CallRecord.recording != "", _blank),
        (options.transcripts, WORDS, or_(_in(TurnRecord), _in(ToolCallRecord), _in(ReportRecord)), _delete_words),
        (options.calls, FILES, true(), _delete_calls),
    )
    for days, kinds, there, erase in rules:
        if days:
            limit = now - timedelta(days=days)
            old = hosts.ours(store, now, CallRecord.gateway), CallRecord.began < limit, or_(there, _kept(kinds))
            await _erase(store, worker, now, old, kinds, erase, removed)
            async with store.write() as session:  # files of unknown calls
                lost = ArtifactRecord.created < limit, ArtifactRecord.call.not_in(select(CallRecord.id))
                await artifact.delete(session, now, hosts.ours(store, now, ArtifactRecord.gateway), *lost, kinds=kinds)
    removed.recordings += await worker.work(now)
    if removed.transcripts or removed.calls:
        await store.scrub()
    return await _counted(store, removed, now)


async def forget(store: Store, number: str, now: datetime, worker: ArtifactWorker | None = None) -> Removed:
    """Delete all data of the calls from and to `number`, at all gateways, except running calls.

    Raises as `purge`.
    """
    worker = worker or ArtifactWorker(store)
    which = of_number(spellings(number))
    async with store.read() as session:
        theirs = list(await session.scalars(select(CallRecord.id).where(CallRecord.ended.is_not(None), which)))
    for at in range(0, len(theirs), SOME):  # first, because records may have to wait for an absent disk
        async with store.write() as session:
            await _delete_words(session, theirs[at : at + SOME])
    removed = Removed()
    await worker.work(now, again=True)
    try:
        await _erase(store, worker, now, (which,), FILES, _delete_calls, removed)
    finally:
        await store.scrub()
    return await _counted(store, removed, now)


async def mask(store: Store, number: str, now: datetime, worker: ArtifactWorker) -> tuple[str, int]:
    """Mask a number in the gate's audits: here at once if that is possible, and by the other gateways. Returns the
    reason why it is not masked here yet, or "", and the number of other gateways.
    """
    row, here = ArtifactRecord, hosts.here(store)
    ours = min(here, default="")
    columns = {"kind": ArtifactKind.AUDIT.value, "call": "", "created": now, "state": ArtifactState.TO_REDACT.value}
    async with store.write() as session:
        others = set(await session.scalars(hosts.alive(now))) - here if store.options.url else set[str]()
        for one in (ours, *others):  # a gateway that runs here leaves our row to `worker` for this time
            due = now + artifact.SETTLED if one == ours else now
            await session.merge(row(path=number, gateway=one, next_try=due, **columns))
    await worker.work(now, early=[number])
    async with store.read() as session:
        left = await session.get(row, (number, ours))
        return left.problem or "it waits" if left else "", len(others)


async def prune(store: Store, kept: int, now: datetime) -> None:
    """Delete the oldest timelines beyond the limit."""
    row = ArtifactRecord
    these = row.kind == ArtifactKind.TIMELINE, row.state == ArtifactState.FINISHED, hosts.ours(store, now, row.gateway)
    older = select(row.path).where(*these).order_by(row.created.desc()).offset(kept).limit(SOME)
    async with store.write() as session:
        while paths := list(await session.scalars(older)):
            await artifact.delete(session, now, *these, row.path.in_(paths), kinds=(ArtifactKind.TIMELINE,))


async def close_lost(store: Store, now: datetime) -> int:
    """Close calls whose gateway is gone, so that they can be purged; returns how many."""
    async with store.write() as session:
        lost = select(CallRecord.id).where(CallRecord.ended.is_(None), CallRecord.began < now - LONGEST).limit(SOME)
        calls = list(await session.scalars(lost))
        for call in calls:
            ended = await interrupted(session, call, LOST)
            await session.execute(update(CallRecord).where(CallRecord.id == call).values(**ended))
    return len(calls)


async def expire_webhooks(store: Store, now: datetime) -> None:
    """Delete webhooks that will not be sent any more: they were given up, or their target is gone."""
    row = DeliveryRecord
    left = {"given_up": now, "body": "", "problem": "no gateway tells this target any more"}
    async with store.write() as session:
        lost = row.given_up.is_(None), row.made < now - TOLD_WITHIN
        await session.execute(update(row).where(*lost).values(**left))
        await session.execute(update(row).where(row.given_up.is_not(None), row.body != "").values(body=""))
        await session.execute(delete(row).where(row.given_up < now - GIVEN_UP_KEPT))


def _in(table: type[TurnRecord | ToolCallRecord | ReportRecord]) -> ColumnElement[bool]:
    return select(table.call).where(table.call == CallRecord.id).exists()


def _kept(kinds: Sequence[ArtifactKind]) -> ColumnElement[bool]:
    """Whether undeleted artifacts of these kinds exist."""
    row = ArtifactRecord
    alive = row.call == CallRecord.id, row.kind.in_(kinds), row.state.in_(before(ArtifactState.TO_DELETE))
    return select(row.path).where(*alive).exists()


async def _erase(
    store: Store,
    worker: ArtifactWorker,
    now: datetime,
    which: Sequence[ColumnElement[bool]],
    kinds: Sequence[ArtifactKind],
    erase: Erase,
    removed: Removed,
) -> None:
    """Delete data of these calls, with their artifacts of these `kinds`."""
    while True:
        async with store.write() as session:
            query = select(CallRecord.id).where(CallRecord.ended.is_not(None), *which).limit(SOME)
            if not (calls := list(await session.scalars(query))):
                return
            await artifact.delete(session, now, ArtifactRecord.call.in_(calls), kinds=kinds)
            await erase(session, calls)
        removed.calls += len(calls) * (erase is _delete_calls)
        removed.transcripts += len(calls) * (erase is _delete_words)
        removed.recordings += await worker.work(now)


async def _blank(session: AsyncSession, calls: Sequence[str]) -> None:
    for call in await session.scalars(select(CallRecord).where(CallRecord.id.in_(calls))):
        call.recording, call.media = "", {name: value for name, value in call.media.items() if name != "recording"}


async def _delete_words(session: AsyncSession, calls: Sequence[str]) -> None:
    for table in (TurnRecord, ToolCallRecord, EventRecord, ReportRecord, DeliveryRecord):
        await session.execute(delete(table).where(table.call.in_(calls)))


async def _delete_calls(session: AsyncSession, calls: Sequence[str]) -> None:
    """Delete the rows of `calls`. Raises `StoreError` if too many files wait for deletion: only rows tell to which call
    a file belongs."""
    if await artifact.count_undeleted(session) >= artifact.MOST_UNDELETED:
        FULL["files to delete"] += len(calls)
        (first,) = await artifact.undeleted(session, 1)
        raise StoreError(
            f"{artifact.MOST_UNDELETED} files of calls wait to be deleted, e.g. {first.path}: {first.problem}"
        )
    await _delete_words(session, calls)
    await session.execute(delete(CallRecord).where(CallRecord.id.in_(calls)))


async def _counted(store: Store, removed: Removed, now: datetime) -> Removed:
    async with store.read() as session:
        ours = hosts.ours(store, now, ArtifactRecord.gateway)
        removed.undeleted = await artifact.count_undeleted(session, ours)
    return removed
