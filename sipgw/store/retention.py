"""What is kept for how long, and what is forgotten: rows and recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.numbers import spellings
from sipgw.store.files import BUNDLE, ENDING, PACKETS, file_name
from sipgw.store.store import Store
from sipgw.store.tables import CallRecord, DeliveryRecord, EventRecord, ToolCallRecord, TurnRecord

log = structlog.get_logger()

SOME = 500
"""Calls in one transaction: calls that end meanwhile are to be recorded, too."""


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
    call = CallRecord
    if options.recordings:
        old = call.began < now - timedelta(days=options.recordings), call.recording != ""
        while calls := await _some(store, *old):
            removed.recordings += _unlink(calls)
            _unlink_captures(captures, calls)
            await _blank(store, calls)
    if options.transcripts:
        old_turn = select(TurnRecord.call).where(TurnRecord.call == call.id).exists()
        old_run = select(ToolCallRecord.call).where(ToolCallRecord.call == call.id).exists()
        aged = call.began < now - timedelta(days=options.transcripts)
        while calls := await _some(store, aged, or_(old_turn, old_run)):
            _unlink_timelines(store, calls)
            _unlink_captures(captures, calls, (BUNDLE,))
            async with store.write() as session:
                await _delete_words(session, calls)
            removed.transcripts += len(calls)
    if options.calls:
        while calls := await _some(store, call.began < now - timedelta(days=options.calls)):
            removed.recordings += _unlink(calls)
            _unlink_captures(captures, calls)
            await _delete(store, calls)
            removed.calls += len(calls)
    return removed


async def forget(store: Store, number: str, captures: Sequence[str] = ()) -> Removed:
    """Delete all of somebody who called or was called: records and recordings. Calls that go on are left."""
    removed = Removed()
    same = spellings(number)
    call = CallRecord
    while calls := await _some(store, or_(call.caller.in_(same), call.called.in_(same))):
        removed.recordings += _unlink(calls)
        _unlink_captures(captures, calls)
        await _delete(store, calls)
        removed.calls += len(calls)
    await store.scrub()
    return removed


async def _some(store: Store, *which: object) -> Sequence[CallRecord]:
    query = select(CallRecord).where(CallRecord.ended.is_not(None), *which).limit(SOME)  # type: ignore[arg-type]
    async with store.read() as session:
        return list(await session.scalars(query))


def _unlink(calls: Sequence[CallRecord]) -> int:
    """Delete recordings; returns how many there were."""
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
