"""Finishing recordings that a killed gateway left: what is private in them is covered, and their records say so."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from sipgw.records.artifacts import bleeps
from sipgw.records.artifacts.files import KEEPING
from sipgw.records.artifacts.unfinished import KILLED, UNFINISHED, taken_up
from sipgw.records.store import Store
from sipgw.records.store.tables import CallRecord

log = structlog.get_logger()

EVERY = 3600.0
CERTAIN = 86400.0
"""Seconds after which a call that is not in its database is not waited for any more."""


class Finishing:
    """Looks through the folders of recordings as long as it is entered. An async context manager."""

    def __init__(self, store: Store, folders: Collection[str], behind: Callable[[], bool] = lambda: False) -> None:
        """`behind` tells whether records wait for the database."""
        self._store = store
        self._behind = behind
        self._folders = [Path(folder) for folder in folders if folder]
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        task = group.create_task(self._keep_on())
        self._stack.callback(task.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(bleeps.AFTER)  # the recorder of a gateway that was killed still writes what it has
            for folder in self._folders:
                try:
                    for note in await KEEPING.run(_notes, folder):
                        await self._finish(note)
                except Exception:  # the observer boundary: calls go on
                    log.exception("recordings not looked through", folder=str(folder))
            await asyncio.sleep(EVERY)

    async def _finish(self, note: Path) -> None:
        try:
            await finish(self._store, note, self._behind)
        except (OSError, ValueError, SQLAlchemyError) as error:
            log.error("recording not finished", note=str(note), cause=str(error)[:300])  # noqa: TRY400
        except Exception:  # the observer boundary: calls go on
            log.exception("recording not finished", note=str(note))


def _notes(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{UNFINISHED}"))


def _former_name(store: Store) -> str:
    """What the database was called in notes before it had a name of its own (schema 0015)."""
    where = store.options.url or str(Path(store.options.path).resolve())
    return hashlib.sha256(where.encode()).hexdigest()[:16]


def _idle(note: Path) -> float:
    """Seconds since something was written into the note."""
    return datetime.now(UTC).timestamp() - note.stat().st_mtime


async def finish(store: Store, note: Path, behind: Callable[[], bool] = lambda: False) -> bool:
    """Finish the recording of `note` unless it goes on; returns whether that is done.

    Its record names it first, so it is deleted in time also if it cannot be covered. If the record is gone from the
    database of the note, because its time was over or the caller is forgotten, the recording goes, too. It is left if
    that is not certain: another database has the call, or its record may come yet because `CERTAIN` is not over or this
    gateway is `behind` with its records.

    Raises OSError, ValueError if the note cannot be read, and what the database raises: then its sound stays closed if
    anything is to be covered.
    """
    recording = Path(str(note).removesuffix(UNFINISHED))
    with taken_up(note) as noted:
        if noted is None:
            return False
        if await KEEPING.run(recording.is_file):
            late = behind()  # asked first: what it waits for may be written meanwhile
            names = (store.name, _former_name(store))
            ours = noted.database in ("", *names)
            if not await _mark(store, noted.call, recording, ours=ours):
                if late or noted.database not in names or await KEEPING.run(_idle, note) < CERTAIN:
                    word = "recording of a call that is not in this database is left"
                    log.warning(word, file=str(recording), call=noted.call)
                    return False
                await KEEPING.run(recording.unlink)
                log.warning("recording of a call that is gone was deleted", file=str(recording), call=noted.call)
            elif noted.spans and (problem := await bleeps.cover(str(recording), noted.spans)):
                raise OSError(problem)
            log.warning("recording was not finished", file=str(recording), call=noted.call, bleeped=len(noted.spans))
        await KEEPING.run(note.unlink)
    return True


async def _mark(store: Store, call: str, recording: Path, *, ours: bool) -> bool:
    """Name the recording in the record of its call, which ended without a word of it; returns whether there is one.

    A record that names another recording is that of another call, unless the note is `ours`: then its folder was moved.
    """
    async with store.write() as session:
        row = await session.get(CallRecord, call)
        if row is None or not (ours or row.ended):
            return False
        if "recording" in (row.media or {}):
            return ours or Path(row.recording).name == recording.name
        media = (row.media or {}) | {"recording": {"file": str(recording), "problem": KILLED}}
        named = {"recording": str(recording), "media": media}
        await session.execute(update(CallRecord).where(CallRecord.id == call).values(**named))
    return True
