"""Works on the table of artifacts: deletes files, covers private words in recordings, masks lines of the audit. Failed
work is tried again after growing pauses; the row has the count and the reason. Nothing else deletes files.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import structlog
from sqlalchemy import and_, delete, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from agent.pool import Pool, PoolFullError
from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import SETTLED, UNSEEN, left
from sipgw.records.artifacts.audio_redactor import TOO_LONG, cover
from sipgw.records.artifacts.folders import ABSENT
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactPlace, ArtifactState
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CAUSE, ArtifactRecord

log = structlog.get_logger()
T = TypeVar("T")
P = ParamSpec("P")

SOME = 500
"""Artifacts in one transaction."""
BACK_OFF = (60.0, 300.0, 1800.0, 3600.0)
"""Seconds until the next attempt, by the number of failures; the last value repeats."""
CLOCK = timedelta(hours=2)
"""Time that is longer than any pause. A later due time comes from a wrong clock, so the row is due now."""
LIMIT = 30.0
"""Time limit in seconds for one step in one folder, e.g. the deletion of its files."""
DISKS = Pool("the deletion of files", workers=16, waiting=64)
_BUSY: dict[tuple[str, str], Future[Any]] = {}
"""The running steps by kind and folder. A step that hangs is not begun again in the same folder."""
DONE: dict[str, str] = {ArtifactState.TO_DELETE: "deleted", ArtifactState.TO_REDACT: "redacted"}
HANGS = f"its disk did not answer within {LIMIT:g} s"
ELSEWHERE = "it is on the disk of another gateway"


async def on_disk(what: str, folder: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a step for a folder in a thread. Raises its errors, `PoolFullError`, and TimeoutError. After a TimeoutError
    the thread goes on; until it ends, the same step raises TimeoutError at once.
    """
    before = _BUSY.get((what, folder))
    if before and not before.done():
        raise TimeoutError(HANGS)
    work = DISKS.submit(function, *args, **kwargs)
    _BUSY[what, folder] = work
    try:
        async with asyncio.timeout(LIMIT):
            return await asyncio.shield(asyncio.wrap_future(work))
    except TimeoutError:
        raise TimeoutError(HANGS) from None


class WorkResult(NamedTuple):
    """The result of the work on one artifact."""

    row: ArtifactRecord
    problem: str
    """Empty if there is none."""
    deleted: bool
    """Whether a file was deleted."""


class ArtifactWorker:
    """Works on the artifacts of this machine, and of gateways that are gone."""

    def __init__(
        self,
        store: Store,
        writing: Collection[str] = (),
        mask: Callable[[str], object] | None = None,
        audit: Callable[[str, str], object] = lambda action, call: None,
        *,
        covers: bool = True,
    ) -> None:
        """`writing` has the paths that this process writes; `mask` masks a number in the gate's audit. Without `mask`
        files are only deleted. `audit` gets each action and its call. Only the gateway `covers` words in recordings.
        """
        self._store = store
        self._writing = writing
        self._mask = mask
        self._audit = audit
        self._turn = asyncio.Lock()
        row = ArtifactRecord
        redactable = true() if covers else row.kind == ArtifactKind.AUDIT
        redacted = [and_(row.state == ArtifactState.TO_REDACT, redactable)] if mask else []
        self._ours = or_(row.state == ArtifactState.TO_DELETE, *redacted)

    async def work(self, now: datetime, *, again: bool = False, early: Sequence[str] = ()) -> int:
        """Do all due work, with `again` also recently failed work; returns the number of deleted recordings. Files at
        the paths `early` are due `SETTLED` before their time. Raises the errors of the database.
        """
        async with self._turn:
            return await self._work(now, early, again=again)

    async def _work(self, now: datetime, early: Sequence[str], *, again: bool) -> int:
        row, recordings, last, objects = ArtifactRecord, 0, "", self._store.objects
        due = or_(
            row.next_try.is_(None), row.next_try <= now, row.next_try > now + CLOCK,
            *([row.attempts > 0] if again else []),
            *([and_(row.path.in_(early), row.next_try <= now + SETTLED)] if early else []),
        )  # fmt: skip
        todo = self._ours, row.problem != UNSEEN, due, hosts.ours(self._store, now, row.gateway)
        while True:
            async with self._store.read() as session:
                query = select(row).where(*todo, row.path > last).order_by(row.path).limit(SOME)
                rows = list(await session.scalars(query))
            if not rows:
                return recordings
            last = rows[-1].path
            groups = defaultdict[tuple[str, str], list[ArtifactRecord]](list)
            for one in rows:
                if one.path not in self._writing and not (objects and one.path in objects.uploading):
                    groups[one.state, "" if one.kind == ArtifactKind.AUDIT else str(Path(one.path).parent)].append(one)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        self._delete(folder, some) if state == ArtifactState.TO_DELETE else self._redact(some)
                    )
                    for (state, folder), some in groups.items()
                ]
            results = [one for task in tasks for one in task.result()]
            async with self._store.write() as session:
                for result in results:
                    await _note(session, result, now)
            for result in results:
                if not result.problem:
                    self._audit(f"{result.row.kind} {DONE[result.row.state]}", result.row.call)
            recordings += sum(one.deleted and one.row.kind == ArtifactKind.RECORDING for one in results)

    async def _delete(self, folder: str, rows: Sequence[ArtifactRecord]) -> list[WorkResult]:
        """Delete files of one folder. Their objects go first, because only the rows have the keys of objects."""
        left = await self._delete_objects(rows)
        results = [WorkResult(one, left[one.object], deleted=False) for one in rows if one.object in left]
        rest = [one for one in rows if one.object not in left]
        results += [WorkResult(one, "", deleted=True) for one in rest if one.place == ArtifactPlace.OBJECT]
        if files := [one for one in rest if one.place != ArtifactPlace.OBJECT]:
            results += await self._delete_files(folder, files)
        return results

    async def _delete_objects(self, rows: Sequence[ArtifactRecord]) -> dict[str, str]:
        """Delete the objects of `rows`. Returns, for each key of an object that may still exist, the reason."""
        keys = [one.object for one in rows if one.object]
        if not keys:
            return {}
        if self._store.objects is None:
            return dict.fromkeys(keys, "it is in object storage, and [storage] is not configured")
        begun = [one.object for one in rows if one.place == ArtifactPlace.BEGUN]
        return await self._store.objects.delete(keys, begun)

    async def _delete_files(self, folder: str, rows: Sequence[ArtifactRecord]) -> list[WorkResult]:
        try:
            problems = await on_disk("delete", folder, self._remove, rows)
        except (TimeoutError, PoolFullError) as error:
            return [WorkResult(one, str(error), deleted=False) for one in rows]
        return [WorkResult(one, what or "", what == "") for one, what in zip(rows, problems, strict=True)]

    def _remove(self, rows: Sequence[ArtifactRecord]) -> list[str | None]:
        """Delete the files of `rows`. Returns for each file "", None if the file was missing, or the reason why its
        deletion is not certain."""
        problems: list[str | None] = []
        for one in rows:
            try:
                Path(one.path).unlink()
                problems.append("")
            except (FileNotFoundError, NotADirectoryError):
                problems.append(self._missing(one))
            except (OSError, ValueError) as error:
                problems.append(getattr(error, "strerror", None) or str(error))
        return problems

    def _elsewhere(self, one: ArtifactRecord) -> bool:
        """Whether the artifact was written on another machine, so that its file may be there."""
        return bool(self._store.options.url) and one.gateway not in hosts.here(self._store)

    def _missing(self, one: ArtifactRecord, problem: str = ABSENT) -> str | None:
        """None if the file does not exist anywhere; otherwise the reason why that is uncertain, or `problem`."""
        path = Path(one.path)
        if path.exists():
            return problem
        if self._elsewhere(one):  # that gateway may come back with its disk: it was only silent, or a clock is wrong
            return ELSEWHERE
        return None if hosts.folders(self._store).certain(path.parent) else problem

    async def _redact(self, rows: Sequence[ArtifactRecord]) -> list[WorkResult]:
        """Cover private words in recordings of one folder, or mask numbers."""
        problem, results = "", list[WorkResult]()
        for one in rows:
            if problem != TOO_LONG:  # otherwise the disk of all these files hangs
                problem = await self._redacted(one)
            results.append(WorkResult(one, problem, deleted=False))
        return results

    async def _redacted(self, one: ArtifactRecord) -> str:
        """Cover the private words of one recording, or mask one number; returns the problem, or ""."""
        try:
            if one.kind == ArtifactKind.AUDIT and self._elsewhere(one):
                return ELSEWHERE
            if one.kind == ArtifactKind.AUDIT:
                await DISKS.run(self._mask or str, one.path)
                return ""
            problem = await cover(one.path, left(one.redact))
            if problem not in ("", TOO_LONG):
                missing = await DISKS.run(self._missing, one, problem)
                problem = missing or ""
        except Exception as error:  # noqa: BLE001  the boundary of one artifact: it is tried again
            return str(error) or type(error).__name__
        else:
            return problem


async def _note(session: AsyncSession, result: WorkResult, now: datetime) -> None:
    """Write the result into the row, unless another process was faster."""
    one, row = result.row, ArtifactRecord
    here = row.path == one.path, row.gateway == one.gateway, row.state == one.state
    if result.problem == ELSEWHERE:  # the row stays as it is
        await session.execute(update(row).where(*here).values(next_try=now + timedelta(seconds=BACK_OFF[-1])))
        return
    if result.problem:
        wait = timedelta(seconds=BACK_OFF[min(one.attempts, len(BACK_OFF) - 1)])
        tried = {"attempts": one.attempts + 1, "next_try": now + wait, "problem": result.problem[:CAUSE]}
        await session.execute(update(row).where(*here).values(**tried))
        if one.state == ArtifactState.TO_REDACT:
            log.error(
                "artifact not redacted", kind=one.kind, call=one.call, cause=result.problem, tries=one.attempts + 1
            )
        return
    if one.state == ArtifactState.TO_DELETE or one.kind == ArtifactKind.AUDIT:
        await session.execute(delete(row).where(*here))
    else:
        done = {"state": ArtifactState.REDACTED.value, "redact": {}, "attempts": 0, "next_try": None, "problem": ""}
        await session.execute(update(row).where(*here).values(**done))
