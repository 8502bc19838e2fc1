"""What is kept for how long, and what is forgotten: rows and recordings.

Gateways may share one database; the files of a call are on the machine that had it. So each deletes what is its own,
and what was of gateways that do not come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, Select, delete, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.numbers import spellings
from sipgw.records.unfinished import UNFINISHED
from sipgw.store.files import BUNDLE, ENDING, PACKETS, file_name
from sipgw.store.spool import identities
from sipgw.store.store import Store
from sipgw.store.tables import (
    CallRecord,
    DeliveryRecord,
    EventRecord,
    ForgetRecord,
    SpoolRecord,
    ToolCallRecord,
    TurnRecord,
)  # fmt: skip
from sipgw.store.writing import last_seen

log = structlog.get_logger()

SOME = 500
"""Calls in one transaction: calls that end meanwhile are to be recorded, too."""

GONE = timedelta(days=30)
"""After which a gateway that is not heard of does not come back, nor do its disk and what is on it."""
LONGEST = timedelta(days=7)
"""Longer than any call: one that is open then will never be closed by the gateway that had it."""
LOST = "its gateway did not come back"


@dataclass(frozen=True)
class RetentionOptions:
    """For how many days records are kept; 0 is for ever. Checked every hour."""

    calls: int = 0
    """All that is known of a call: with it go what was said and the recording."""
    transcripts: int = 0
    """What was said, what tools were asked and what they answered."""
    recordings: int = 0
    """Files of recordings."""

    def __post_init__(self) -> None:
        if min(self.calls, self.transcripts, self.recordings) < 0:
            raise ValueError("days are 0 or more")


@dataclass
class Removed:
    """What was deleted."""

    calls: int = 0
    transcripts: int = 0
    recordings: int = 0
    callbacks: int = 0


async def purge(store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str] = ()) -> Removed:
    """Delete what is older than it may be; `captures` are the folders of captured packets and bundles."""
    removed = Removed()
    call, here = CallRecord, ours(store, now)
    if options.recordings:
        old = here, call.began < now - timedelta(days=options.recordings), call.recording != ""
        while calls := await _some(store, *old):
            removed.recordings += _unlink(calls)
            _unlink_captures(captures, calls)
            await _blank(store, calls)
    if options.transcripts:
        old_turn = select(TurnRecord.call).where(TurnRecord.call == call.id).exists()
        old_run = select(ToolCallRecord.call).where(ToolCallRecord.call == call.id).exists()
        aged = call.began < now - timedelta(days=options.transcripts)
        while calls := await _some(store, here, aged, or_(old_turn, old_run)):
            _unlink_timelines(store, calls)
            _unlink_captures(captures, calls, (BUNDLE,))
            async with store.write() as session:
                await _delete_words(session, calls)
            removed.transcripts += len(calls)
    if options.calls:
        while calls := await _some(store, here, call.began < now - timedelta(days=options.calls)):
            removed.recordings += _unlink(calls)
            _unlink_captures(captures, calls)
            await _delete(store, calls)
            removed.calls += len(calls)
    return removed


async def forget(store: Store, number: str, now: datetime, captures: Sequence[str] = ()) -> Removed:
    """Delete all of somebody who called or was called: records and recordings. Calls that go on are left."""
    removed = Removed()
    while calls := await _some(store, ours(store, now), _of(number)):
        removed.recordings += _unlink(calls)
        _unlink_captures(captures, calls)
        await _delete(store, calls)
        removed.calls += len(calls)
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


async def seen(store: Store, now: datetime) -> None:
    """Tell the other gateways that we live."""
    mine = SpoolRecord.gateway.in_(identities(store.options.spool_folder))
    async with store.write() as session:
        await session.execute(update(SpoolRecord).where(mine).values(seen=now))


def ours(store: Store, now: datetime) -> ColumnElement[bool]:
    """Which calls have their files here, or nowhere any more."""
    if not store.options.url:
        return true()
    here = CallRecord.gateway.in_(identities(store.options.spool_folder))
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


def _unlink(calls: Sequence[CallRecord]) -> int:
    """Delete recordings, and the notes beside them; returns how many there were."""
    for call in calls:
        if call.recording:
            Path(call.recording + UNFINISHED).unlink(missing_ok=True)
    return sum(_gone(Path(call.recording)) for call in calls if call.recording)


def _unlink_captures(
    folders: Sequence[str], calls: Sequence[CallRecord], endings: tuple[str, ...] = (PACKETS, BUNDLE)
) -> None:
    """Delete what was captured of calls: it has their sound, bundles their words too."""
    for folder in folders:
        for call in calls:
            for ending in endings:
                _gone(Path(folder) / f"{file_name(call.id)}{ending}")


def _gone(path: Path) -> bool:
    """Delete a file; one that cannot be deleted is told, as no record will name it any more."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        log.error("file not deleted", file=str(path), cause=error.strerror)  # noqa: TRY400
        return False
    return True


async def _blank(store: Store, calls: Sequence[CallRecord]) -> None:
    async with store.write() as session:
        for call in calls:
            media = {name: value for name, value in call.media.items() if name != "recording"}
            await session.execute(update(CallRecord).where(CallRecord.id == call.id).values(recording="", media=media))


async def _delete_words(session: AsyncSession, calls: Sequence[CallRecord]) -> None:
    ids = [call.id for call in calls]
    for table in (TurnRecord, ToolCallRecord, EventRecord, DeliveryRecord):
        await session.execute(delete(table).where(table.call.in_(ids)))


def _unlink_timelines(store: Store, calls: Sequence[CallRecord]) -> None:
    """Delete what the pages of calls are made of: words stand in it."""
    for call in calls:
        path = store.options.calls_folder / f"{file_name(call.id)}{ENDING}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.error("timeline not deleted", file=str(path), cause=error.strerror)  # noqa: TRY400


async def _delete(store: Store, calls: Sequence[CallRecord]) -> None:
    _unlink_timelines(store, calls)
    async with store.write() as session:
        await _delete_words(session, calls)
        await session.execute(delete(CallRecord).where(CallRecord.id.in_([call.id for call in calls])))
