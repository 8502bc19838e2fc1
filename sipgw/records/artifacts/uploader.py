"""Uploads finished files of calls to object storage.

A row of the table of artifacts says where its file is. It names the object before the first byte is uploaded, so the
object is deleted with the row also after a kill. A failed upload is tried again; until then the file stays on the disk.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, CursorResult, or_, select, update

from agent.errors import first
from agent.pool import PoolFullError
from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import SETTLED, UNSEEN
from sipgw.records.artifacts.waveform import waveform
from sipgw.records.artifacts.work import BACK_OFF, CLOCK, on_disk
from sipgw.records.store.artifact_states import DONE, SOUND, ArtifactKind, ArtifactPlace
from sipgw.records.store.object_store import ObjectError, ObjectStore
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CAUSE, ArtifactRecord

log = structlog.get_logger()

TOGETHER = 4
"""Files that are uploaded at the same time."""
CLAIM = timedelta(hours=1)
"""Time for which a file belongs to the gateway that uploads it; the other gateways of the machine leave it alone."""


class Uploaded(NamedTuple):
    """Outcome of one upload."""

    problem: str = ""
    away: bool = False
    """Whether the storage failed. If it fails for all files, other uploads would fail, too."""


class Uploader:
    """Uploads the files of the gateways of this machine."""

    def __init__(self, store: Store, objects: ObjectStore) -> None:
        self._store = store
        self._objects = objects
        self.away = False
        """Whether the storage failed in all of the last uploads."""
        self._claimed = set[str]()
        """Paths of files that this process has claimed; uploads that were cancelled or lost the database are resumed by
        it."""
        self._turn = asyncio.Lock()
        self._disk = asyncio.Lock()
        """Held during a step on the disk, because `on_disk` runs one step of a folder at a time."""

    async def upload(self, now: datetime, *, last: bool = False) -> int:
        """Upload the due files, and return their number. With `last`, when no files are written any more, also upload
        files that have just ended. Raises the errors of the database.
        """
        async with self._turn:
            done, began = 0, time.monotonic()
            early = SETTLED if last else timedelta()
            while rows := await self._rows(now + early):
                results = await self._together(rows, now, early)
                done += sum(not one.problem for one in results)
                # A single object may be refused, e.g. for its size; one success shows that the storage works.
                self.away = any(one.away for one in results) and all(one.problem for one in results)
                if self.away:
                    return done
                now += timedelta(seconds=time.monotonic() - began)
                began = time.monotonic()
            self.away = False
            self._claimed.clear()
            return done

    async def _together(self, rows: Sequence[ArtifactRecord], now: datetime, early: timedelta) -> list[Uploaded]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(row, now, early)) for row in rows]
        except ExceptionGroup as errors:
            raise first(errors) from None
        return [task.result() for task in tasks]

    def _due(self, now: datetime) -> ColumnElement[bool]:
        """Whether nobody uploads a file, and its next try is due. A time in the far future comes from a wrong clock, so
        the file is due, too."""
        row = ArtifactRecord
        return or_(row.next_try.is_(None), row.next_try <= now, row.next_try > now + CLOCK, row.path.in_(self._claimed))

    async def _rows(self, now: datetime) -> Sequence[ArtifactRecord]:
        row = ArtifactRecord
        places = [ArtifactPlace.DISK, ArtifactPlace.BEGUN]
        if self._objects.options.local == "remove":
            places.append(ArtifactPlace.BOTH)
        here = [row.gateway.in_(hosts.here(self._store))] if self._store.options.url else []
        todo = row.kind.in_(SOUND), row.state.in_(DONE), row.place.in_(places), row.problem != UNSEEN, *here
        async with self._store.read() as session:
            query = select(row).where(*todo, self._due(now)).order_by(row.attempts, row.created).limit(TOGETHER)
            return list(await session.scalars(query))

    async def _one(self, row: ArtifactRecord, now: datetime, early: timedelta) -> Uploaded:
        """Upload one file, and delete it from the disk if the options want that."""
        key = row.object or self._key(row)
        place = ArtifactPlace.BOTH if row.place == ArtifactPlace.BOTH else ArtifactPlace.BEGUN
        unclaimed = self._due(now + early), ArtifactRecord.place == row.place
        self._claimed.add(row.path)
        if not await self._set(row, *unclaimed, place=place.value, object=key, next_try=now + CLAIM):
            self._claimed.discard(row.path)
            return Uploaded()  # the file will be deleted, or another gateway of this machine was faster
        result = await self._try(row, key)
        if result.problem:
            wait = timedelta(seconds=BACK_OFF[min(row.attempts, len(BACK_OFF) - 1)])
            log.warning("file of a call not stored", kind=row.kind, call=row.call, cause=result.problem)
            tried = {"attempts": row.attempts + 1, "next_try": now + wait, "problem": result.problem[:CAUSE]}
            if not await self._set(row, **tried):
                await self._withdraw(key)
        self._claimed.discard(row.path)
        return result

    async def _try(self, row: ArtifactRecord, key: str) -> Uploaded:
        path = Path(row.path)
        try:
            if row.place != ArtifactPlace.BOTH:
                await self._objects.put(key, path, again=row.place == ArtifactPlace.BEGUN)
                if not await self._set(row, place=ArtifactPlace.BOTH.value):
                    await self._withdraw(key)
                    return Uploaded()
            place = ArtifactPlace.BOTH
            if self._objects.options.local == "remove":
                if row.kind == ArtifactKind.RECORDING:
                    with contextlib.suppress(ValueError):  # a file without a waveform
                        await waveform(self._store, path)
                async with self._disk:
                    await on_disk("delete what is stored", str(path.parent), path.unlink, missing_ok=True)
                place = ArtifactPlace.OBJECT
            await self._set(row, place=place.value, attempts=0, next_try=None, problem="")
        except ObjectError as error:
            return Uploaded(str(error), away=True)
        except (OSError, TimeoutError, PoolFullError) as error:
            return Uploaded(getattr(error, "strerror", None) or str(error))
        return Uploaded()

    async def _withdraw(self, key: str) -> None:
        """Delete an object, or its parts, because another process has deleted its row during the upload."""
        if left := await self._objects.delete([key], begun=[key]):
            log.error("object without a row not deleted", object=key, cause=left[key])

    def _key(self, row: ArtifactRecord) -> str:
        """The key of the object. It begins with the kind, for retention rules of the bucket, and is unique."""
        path = Path(row.path)
        mark = hashlib.sha256(f"{row.gateway} {path.parent}".encode("utf-8", "replace")).hexdigest()[:8]
        return f"{self._objects.options.prefix}{row.kind}/{row.created:%Y/%m/%d}/{mark}-{path.name}"

    async def _set(self, row: ArtifactRecord, *which: ColumnElement[bool], **values: Any) -> bool:
        """Change the row if it matches `which` and its file must not be deleted. Returns whether the row was
        changed."""
        table = ArtifactRecord
        which = table.path == row.path, table.gateway == row.gateway, table.state.in_(DONE), *which
        async with self._store.write() as session:
            result = await session.execute(update(table).where(*which).values(**values))
            assert isinstance(result, CursorResult)  # noqa: S101  of an update
            return bool(result.rowcount)
