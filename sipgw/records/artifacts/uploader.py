"""Uploads finished files of calls to object storage.

A row of the table of artifacts says where its file is. It names the object before the first byte is uploaded, so the
object is deleted with the row also after a kill. A failed upload is tried again; until then the file stays on the disk.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from sqlalchemy import CursorResult, or_, select, update

from agent.pool import PoolFullError
from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import SETTLED, UNSEEN
from sipgw.records.artifacts.work import BACK_OFF, on_disk
from sipgw.records.store.artifact_states import SOUND, ArtifactPlace, ArtifactState
from sipgw.records.store.object_store import ObjectError, ObjectStore
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CAUSE, ArtifactRecord

log = structlog.get_logger()

TOGETHER = 4
"""Files that are uploaded at the same time."""
DONE = (ArtifactState.FINISHED, ArtifactState.REDACTED)
"""States in which a file does not change any more, and no private words in it wait to be covered."""


class Uploaded(NamedTuple):
    """What became of one upload."""

    problem: str = ""
    away: bool = False
    """Whether the storage is away, so that other uploads would fail too."""


class Uploader:
    """Uploads the files of the gateways of this machine."""

    def __init__(self, store: Store, objects: ObjectStore) -> None:
        self._store = store
        self._objects = objects
        self._turn = asyncio.Lock()

    async def upload(self, now: datetime, *, last: bool = False) -> int:
        """Upload what is due, and return how many files that were. With `last`, when nothing is written any more, also
        files that ended just now. Raises the errors of the database.
        """
        async with self._turn:
            done = 0
            while rows := await self._due(now + SETTLED if last else now):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._one(row, now)) for row in rows]
                results = [task.result() for task in tasks]
                done += sum(not one.problem for one in results)
                if any(one.away for one in results):
                    break
            return done

    async def _due(self, now: datetime) -> Sequence[ArtifactRecord]:
        row = ArtifactRecord
        places = [ArtifactPlace.DISK, ArtifactPlace.BEGUN]
        if self._objects.options.local == "remove":
            places.append(ArtifactPlace.BOTH)
        here = [row.gateway.in_(hosts.here(self._store))] if self._store.options.url else []
        todo = row.kind.in_(SOUND), row.state.in_(DONE), row.place.in_(places), row.problem != UNSEEN, *here
        due = or_(row.next_try.is_(None), row.next_try <= now)
        async with self._store.read() as session:
            query = select(row).where(*todo, due).order_by(row.attempts, row.created).limit(TOGETHER)
            return list(await session.scalars(query))

    async def _one(self, row: ArtifactRecord, now: datetime) -> Uploaded:
        """Upload one file, and delete it from the disk if the options want that."""
        self._objects.uploading.add(row.path)
        try:
            result = await self._try(row)
        finally:
            self._objects.uploading.discard(row.path)
        if result.problem:
            wait = timedelta(seconds=BACK_OFF[min(row.attempts, len(BACK_OFF) - 1)])
            log.warning("file of a call not stored", kind=row.kind, call=row.call, cause=result.problem)
            await self._set(row, attempts=row.attempts + 1, next_try=now + wait, problem=result.problem[:CAUSE])
        return result

    async def _try(self, row: ArtifactRecord) -> Uploaded:
        key, path = row.object or self._key(row), Path(row.path)
        try:
            if row.place != ArtifactPlace.BOTH:
                if not await self._set(row, place=ArtifactPlace.BEGUN.value, object=key):
                    return Uploaded()  # it is to be deleted
                await self._objects.put(key, path, again=row.place == ArtifactPlace.BEGUN)
                if not await self._set(row, place=ArtifactPlace.BOTH.value):
                    await self._objects.delete([key])  # another process has deleted it meanwhile
                    return Uploaded()
            place = ArtifactPlace.BOTH
            if self._objects.options.local == "remove":
                await on_disk("delete", str(path.parent), path.unlink, missing_ok=True)
                place = ArtifactPlace.OBJECT
            await self._set(row, place=place.value, attempts=0, next_try=None, problem="")
        except ObjectError as error:
            return Uploaded(str(error), away=True)
        except (OSError, TimeoutError, PoolFullError) as error:
            return Uploaded(getattr(error, "strerror", None) or str(error))
        return Uploaded()

    def _key(self, row: ArtifactRecord) -> str:
        """The name of the object: bucket rules of retention go by kind, and no two files share one."""
        path = Path(row.path)
        mark = hashlib.sha256(f"{row.gateway} {path.parent}".encode("utf-8", "replace")).hexdigest()[:8]
        return f"{self._objects.options.prefix}{row.kind}/{row.created:%Y/%m/%d}/{mark}-{path.name}"

    async def _set(self, row: ArtifactRecord, **values: Any) -> bool:
        """Change the row, unless its file is to be deleted. Returns whether it was changed."""
        table = ArtifactRecord
        which = table.path == row.path, table.gateway == row.gateway, table.state.in_(DONE)
        async with self._store.write() as session:
            result = await session.execute(update(table).where(*which).values(**values))
            assert isinstance(result, CursorResult)  # noqa: S101  of an update
            return bool(result.rowcount)
