"""Maintenance: one worker deletes and redacts files of calls, and every hour marks files past their retention time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.config.config import GatewayConfig
from sipgw.config.errors import OperatorError
from sipgw.config.records import RetentionOptions
from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import Artifacts, undeleted
from sipgw.records.artifacts.files import absolute
from sipgw.records.artifacts.memory import LOOK, Memory, MemoryCleaner
from sipgw.records.artifacts.retention import Removed, close_lost, expire_webhooks, prune, purge
from sipgw.records.artifacts.uploader import Uploader
from sipgw.records.artifacts.work import ArtifactWorker, on_disk
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from sipgw.sip.boundaries import lasting

log = structlog.get_logger()

EVERY = 3600.0
PAUSE = 5.0
"""Seconds between two checks for due artifacts."""
AWAY = 60.0
"""Like `PAUSE`, while the database does not answer."""
GOODBYE = 20.0
"""Seconds for the redaction of the last calls when the gateway stops."""


PurgeCallbacks = Callable[[datetime], Awaitable[int]]
"""Deletes the callbacks that were made or given up before a time, and returns how many (`sipgw.outbound.jobs.Jobs`)."""


async def delete_old(
    store: Store,
    options: RetentionOptions,
    now: datetime,
    purge_callbacks: PurgeCallbacks,
    worker: ArtifactWorker | None = None,
) -> Removed:
    """Delete data past its retention time, with callbacks that were made or given up; raises as `purge`."""
    await close_lost(store, now)
    callbacks = await purge_callbacks(now - timedelta(days=options.calls)) if options.calls else 0
    removed = await purge(store, options, now, worker)
    removed.callbacks = callbacks
    return removed


class Maintenance:
    """Maintains files and records while it is entered. An async context manager.

    Enter it outside the writer of records: it processes the files of the last calls after the writer has stopped.
    """

    def __init__(
        self,
        store: Store,
        config: GatewayConfig,
        purge_callbacks: PurgeCallbacks,
        mask: Callable[[str], object],
        recordings: Callable[[], Iterable[str]] = tuple,
        artifacts: Artifacts | None = None,
        memory: Memory | None = None,
    ) -> None:
        """`mask` masks a number in the gate's audit. `recordings` returns the folders of recordings, `artifacts` the
        files that this process is writing, `memory` has its data of calls in memory."""
        self._purge_callbacks = purge_callbacks
        self._recordings = recordings
        self._store = store
        self._config = config
        self._artifacts = artifacts or Artifacts()
        self._worker = ArtifactWorker(store, self._artifacts.open, mask, _audit)
        self._uploader = Uploader(store, store.objects) if store.objects else None
        self._cleaner = MemoryCleaner(store, memory) if memory else None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self._finish)
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        tasks: list[Callable[[], Awaitable[None]]] = [self._keep_up, self._work]
        if self._uploader:
            tasks.append(partial(self._upload, self._uploader))
        if self._cleaner:
            tasks.append(partial(_clean, self._cleaner))
        for work in tasks:
            self._stack.callback(group.create_task(lasting(work, "maintenance failed")).cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _keep_up(self) -> None:
        while True:
            await self.once(datetime.now(UTC))
            await asyncio.sleep(EVERY)

    async def _work(self) -> None:
        worked = True
        while True:
            await asyncio.sleep(PAUSE if worked else AWAY)
            worked = await _bounded(lambda: self._worker.work(datetime.now(UTC)))

    async def _upload(self, uploader: Uploader) -> None:
        uploaded = True
        while True:
            await asyncio.sleep(PAUSE if uploaded else AWAY)
            uploaded = await _bounded(lambda: uploader.upload(datetime.now(UTC))) and not uploader.away

    async def _finish(self) -> None:
        """Redact and upload the files of the last calls of this process, which writes no more files now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await _bounded(lambda: self._worker.work(datetime.now(UTC), early=self._artifacts.just_ended()))
                if self._uploader:
                    await _bounded(partial(self._uploader.upload, datetime.now(UTC), last=True))

    async def once(self, now: datetime) -> None:
        """Run all hourly steps; a failed step does not stop the others."""
        store, config = self._store, self._config
        steps: tuple[Callable[[], Awaitable[Any]], ...] = (
            lambda: hosts.seen(store, now),
            self._mark,
            lambda: expire_webhooks(store, now),
            lambda: prune(store, config.capture.timelines, now),
            lambda: self._delete_old(now),
        )
        for step in steps:
            await _bounded(step)

    async def _mark(self) -> None:
        """Mark folders; a folder that hangs delays the others at most for its time limit."""
        store = self._store
        marked = [*self._config.capture.folders, *self._recordings(), str(store.options.calls_folder)]
        here = {str(absolute(one)) for one in marked if one}
        for one in sorted(here):
            await _bounded(partial(on_disk, "mark", one, hosts.folders(store).mark, [one]))

    async def _delete_old(self, now: datetime) -> None:
        try:
            removed = await delete_old(self._store, self._config.retention, now, self._purge_callbacks, self._worker)
        finally:
            await self._tell()
        if removed != Removed(undeleted=removed.undeleted):
            log.info("old records deleted", **asdict(removed))

    async def _tell(self) -> None:
        """Log that files cannot be deleted."""
        async with self._store.read() as session:
            if some := await undeleted(session, 1):
                log.error("files not deleted", first=some[0].path, cause=some[0].problem, tries=some[0].attempts)


async def _clean(cleaner: MemoryCleaner) -> None:
    while True:
        await _bounded(cleaner.look)
        await asyncio.sleep(LOOK)


def _audit(action: str, call: str) -> None:
    log.info("audit", who="gateway", action=action, target=call)


async def _bounded(step: Callable[[], Awaitable[Any]]) -> bool:
    """Run one step; errors are logged and do not affect calls. Returns whether it succeeded."""
    try:
        await step()
    except (SQLAlchemyError, OSError, StoreError, OperatorError) as error:
        log.warning("old records not deleted", cause=str(error).splitlines()[0][:200])
    except Exception:  # the observer boundary
        log.exception("old records not deleted")
    else:
        return True
    return False
