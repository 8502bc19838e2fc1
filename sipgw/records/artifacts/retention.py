"""What is kept for how long, and what is forgotten: rows and recordings.

Gateways may share one database; the files of a call are on the machine that had it. So each deletes what is its own,
and what was of gateways that do not come back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Select, delete, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.config.numbers import spellings
from sipgw.config.records import RetentionOptions
from sipgw.records.artifacts.files import BUNDLE, ENDING, KEEPING, PACKETS, file_name
from sipgw.records.artifacts.removal import Doomed, Folders, note, remove, tried, undeleted
from sipgw.records.artifacts.unfinished import UNFINISHED
from sipgw.records.store.engine import StoreError
from sipgw.records.store.spool import identities
from sipgw.records.store.store import Store
from sipgw.records.store.tables import (
    CallRecord,
    DeliveryRecord,
    EventRecord,
    ForgetRecord,
    SpoolRecord,
    ToolCallRecord,
    TurnRecord,
    UndeletedRecord,
)  # fmt: skip
from sipgw.records.store.writing import last_seen

SOME = 500
"""Calls in one transaction: calls that end meanwhile are to be recorded, too."""

GONE = timedelta(days=30)
"""After which a gateway that is not heard of does not come back, nor do its disk and what is on it."""
LONGEST = timedelta(days=7)
"""Longer than any call: one that is open then will never be closed by the gateway that had it."""
TOLD_WITHIN = timedelta(days=4)
"""A day longer than a webhook is tried: one that waits then is for a target that no gateway has any more."""
GIVEN_UP_KEPT = timedelta(days=30)
"""How long it stays known, without its text, that a webhook was given up."""
LOST = "its gateway did not come back"


@dataclass
class Removed:
    """What was deleted."""

    calls: int = 0
    transcripts: int = 0
    recordings: int = 0
    callbacks: int = 0
    undeleted: int = 0
    """Files that could not be deleted: see `sipgw.records.artifacts.removal`. They are tried again every hour."""


async def purge(store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str] = ()) -> Removed:
    """Delete what is older than it may be; `captures` are the folders of captured packets and bundles.

    Raises what the database raises, and `StoreError` if too many files wait to be deleted (`removal.note`).
    """
    removed = Removed()
    steps = (_purge_recordings, _purge_transcripts, _purge_calls)
    full: StoreError | None = None
    try:
        for step in steps:
            try:
                await step(store, options, now, captures, removed)
            except StoreError as error:  # the others may have files that can be deleted
                full = full or error
    finally:  # also where so much waits that nothing more is deleted
        removed.undeleted = len(await try_again(store, now))
    if full is not None:
        raise full
    return removed


async def _purge_recordings(
    store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str], removed: Removed
) -> None:
    call, here = CallRecord, ours(store, now)
    if options.recordings:
        old = here, call.began < now - timedelta(days=options.recordings), call.recording != ""
        while calls := await _some(store, *old):
            count, left = await _remove(store, calls, captures, sound=True)
            async with store.write() as session:
                await note(session, left, now)
                await _blank(session, calls)
            removed.recordings += count


async def _purge_transcripts(
    store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str], removed: Removed
) -> None:
    call, here = CallRecord, ours(store, now)
    if options.transcripts:
        old_turn = select(TurnRecord.call).where(TurnRecord.call == call.id).exists()
        old_run = select(ToolCallRecord.call).where(ToolCallRecord.call == call.id).exists()
        aged = call.began < now - timedelta(days=options.transcripts)
        while calls := await _some(store, here, aged, or_(old_turn, old_run)):
            _, left = await _remove(store, calls, captures, words=True)
            async with store.write() as session:
                await note(session, left, now)
                await _delete_words(session, calls)
            removed.transcripts += len(calls)


async def _purge_calls(
    store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str], removed: Removed
) -> None:
    call, here = CallRecord, ours(store, now)
    if options.calls:
        while calls := await _some(store, here, call.began < now - timedelta(days=options.calls)):
            removed.recordings += await _delete(store, calls, captures, now)
            removed.calls += len(calls)


async def try_again(store: Store, now: datetime) -> list[UndeletedRecord]:
    """Delete what could not be deleted; returns what still cannot, the oldest first."""
    mine = or_(UndeletedRecord.gateway.in_(_identities(store)), UndeletedRecord.gateway.not_in(_alive(now)))
    while True:
        async with store.read() as session:
            waiting = await undeleted(session, SOME, mine)
        if not waiting:
            return []
        files = [_doomed(store, Path(one.path), one.gateway) for one in waiting]
        _, left = await KEEPING.run(remove, files, _folders(store))
        async with store.write() as session:
            await tried(session, files, left)
            if len(left) == len(files):  # a disk is away; if not, the others may be there, too
                return await undeleted(session, SOME, mine)


async def forget(store: Store, number: str, now: datetime, captures: Sequence[str] = ()) -> Removed:
    """Delete all of somebody who called or was called: records and recordings. Calls that go on are left."""
    removed = Removed()
    async with store.write() as session:  # first, for files may wait for a disk that is away
        theirs = select(CallRecord).where(CallRecord.ended.is_not(None), ours(store, now), _of(number))
        await _delete_words(session, list(await session.scalars(theirs)))
    try:
        while calls := await _some(store, ours(store, now), _of(number)):
            removed.recordings += await _delete(store, calls, captures, now)
            removed.calls += len(calls)
    finally:  # also where so much waits that nothing more is deleted
        removed.undeleted = len(await try_again(store, now))
        await store.scrub()
    return removed


async def forget_elsewhere(store: Store, number: str, now: datetime) -> int:
    """Leave it to the other gateways to do the same, without what was said; returns how many there are."""
    if not store.options.url:
        return 0
    mine = identities(store.options.spool_folder)
    async with store.write() as session:
        others = set(await session.scalars(_alive(now))) - mine
        known = select(ForgetRecord.gateway).where(ForgetRecord.number == number)
        told = set(await session.scalars(known))
        session.add_all(ForgetRecord(gateway=other, number=number) for other in others - told)
        theirs = select(CallRecord).where(CallRecord.ended.is_not(None), ~ours(store, now), _of(number))
        await _delete_words(session, list(await session.scalars(theirs)))
    return len(others)


async def to_forget(store: Store, now: datetime) -> Sequence[str]:
    """Whom others have left to us to `forget`."""
    async with store.read() as session:
        return list(await session.scalars(select(ForgetRecord.number).where(_left_to_us(store, now)).distinct()))


async def forgotten(store: Store, number: str, now: datetime) -> None:
    """We have done so."""
    async with store.write() as session:
        await session.execute(delete(ForgetRecord).where(ForgetRecord.number == number, _left_to_us(store, now)))


async def close_lost(store: Store, now: datetime) -> int:
    """Close calls whose gateway never will, so that they can be purged; returns how many."""
    async with store.write() as session:
        lost = select(CallRecord.id).where(CallRecord.ended.is_(None), CallRecord.began < now - LONGEST).limit(SOME)
        calls = list(await session.scalars(lost))
        for call in calls:
            ended = {"ended": await last_seen(session, call), "ending": "interrupted", "cause": LOST}
            await session.execute(update(CallRecord).where(CallRecord.id == call).values(**ended))
    return len(calls)


async def expire_webhooks(store: Store, now: datetime) -> None:
    """Erase what nobody will be told any more: what a target never took, and what was for targets that are gone."""
    row = DeliveryRecord
    left = {"given_up": now, "body": "", "problem": "no gateway tells this target any more"}
    async with store.write() as session:
        lost = row.given_up.is_(None), row.made < now - TOLD_WITHIN
        await session.execute(update(row).where(*lost).values(**left))
        await session.execute(update(row).where(row.given_up.is_not(None), row.body != "").values(body=""))
        await session.execute(delete(row).where(row.given_up < now - GIVEN_UP_KEPT))


async def seen(store: Store, now: datetime) -> None:
    """Tell the other gateways that we live."""
    mine = SpoolRecord.gateway.in_(identities(store.options.spool_folder))
    async with store.write() as session:
        await session.execute(update(SpoolRecord).where(mine).values(seen=now))


def ours(store: Store, now: datetime) -> ColumnElement[bool]:
    """Which calls have their files here, or nowhere any more."""
    if not store.options.url:
        return true()
    here = CallRecord.gateway.in_(_identities(store))
    return or_(here, CallRecord.gateway.not_in(_alive(now)))


def _left_to_us(store: Store, now: datetime) -> ColumnElement[bool]:
    mine = ForgetRecord.gateway.in_(identities(store.options.spool_folder))
    return or_(mine, ForgetRecord.gateway.not_in(_alive(now)))


def _alive(now: datetime) -> Select[str]:
    """The gateways that are there, or may come back."""
    return select(SpoolRecord.gateway).where(or_(SpoolRecord.seen.is_(None), SpoolRecord.seen >= now - GONE))


def _of(number: str) -> ColumnElement[bool]:
    same = spellings(number)
    return or_(CallRecord.caller.in_(same), CallRecord.called.in_(same))


async def _some(store: Store, *which: object) -> Sequence[CallRecord]:
    query = select(CallRecord).where(CallRecord.ended.is_not(None), *which).limit(SOME)  # type: ignore[arg-type]
    async with store.read() as session:
        return list(await session.scalars(query))


def _identities(store: Store) -> set[str]:
    """The gateways of this machine; "" is the only one of a database that is not shared."""
    return identities(store.options.spool_folder) if store.options.url else {""}


def _folders(store: Store) -> Folders:
    return Folders(store.options.spool_folder / "folders")


def mark(store: Store, folders: Iterable[str]) -> None:
    """Mark folders of recordings and captures, so that it is known later whether they are mounted. It blocks."""
    _folders(store).mark(folders)


def _doomed(store: Store, path: Path, gateway: str) -> Doomed:
    """A file of a call of `gateway`; of one that does not come back nothing need be here."""
    gateway = gateway if store.options.url else ""
    return Doomed(path, gateway, there=gateway in _identities(store))


async def _remove(
    store: Store, calls: Sequence[CallRecord], captures: Sequence[str], *, sound: bool = False, words: bool = False
) -> tuple[int, list[tuple[Doomed, str]]]:
    """Delete the files with the `sound` or the `words` of calls; returns how many recordings there were, and what is
    left, and why.

    Captured packets have sound, bundles sound and words, timelines words.
    """
    endings = (PACKETS, BUNDLE) if sound else (BUNDLE,)
    recordings, others = [], []
    for call in calls:
        if sound and call.recording:
            recordings.append(_doomed(store, Path(call.recording), call.gateway))
            unfinished = _doomed(store, Path(call.recording + UNFINISHED), call.gateway)
            others.append(unfinished._replace(there=False))  # most recordings are finished and have none
        names = [Path(folder) / f"{file_name(call.id)}{ending}" for folder in captures for ending in endings]
        others += [_doomed(store, name, call.gateway) for name in names]
        if words:
            timeline = store.options.calls_folder / f"{file_name(call.id)}{ENDING}"
            others.append(_doomed(store, timeline, call.gateway)._replace(there=False))
    folders = _folders(store)
    await KEEPING.run(folders.mark, captures)
    count, left = await KEEPING.run(remove, recordings, folders)
    _, left_of_others = await KEEPING.run(remove, others, folders)
    return count, left + left_of_others


async def _blank(session: AsyncSession, calls: Sequence[CallRecord]) -> None:
    for call in calls:
        media = {name: value for name, value in call.media.items() if name != "recording"}
        await session.execute(update(CallRecord).where(CallRecord.id == call.id).values(recording="", media=media))


async def _delete_words(session: AsyncSession, calls: Sequence[CallRecord]) -> None:
    ids = [call.id for call in calls]
    for table in (TurnRecord, ToolCallRecord, EventRecord, DeliveryRecord):
        await session.execute(delete(table).where(table.call.in_(ids)))


async def _delete(store: Store, calls: Sequence[CallRecord], captures: Sequence[str], now: datetime) -> int:
    """Delete calls with their files; returns how many recordings there were."""
    count, left = await _remove(store, calls, captures, sound=True, words=True)
    async with store.write() as session:
        await note(session, left, now)
        await _delete_words(session, calls)
        await session.execute(delete(CallRecord).where(CallRecord.id.in_([call.id for call in calls])))
    return count
