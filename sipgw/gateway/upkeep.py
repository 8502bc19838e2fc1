"""Upkeep, every hour: what is older than it may be is deleted, and what other gateways were told to forget."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.pool import Pool
from sipgw.config.numbers import spellings
from sipgw.config.records import RetentionOptions
from sipgw.outbound.jobs import Jobs
from sipgw.policy.gate import audit
from sipgw.records.artifacts.files import KEEPING
from sipgw.records.artifacts.removal import undeleted
from sipgw.records.artifacts.retention import (
    Removed,
    close_lost,
    expire_webhooks,
    forget,
    forgotten,
    mark,
    purge,
    seen,
    to_forget,
)
from sipgw.records.store import Store, StoreError

log = structlog.get_logger()

MASKING = Pool("the upkeep of the audit", workers=1, waiting=8)

EVERY = 3600.0


async def delete_old(store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str]) -> Removed:
    """Delete what is older than it may be, callbacks that were made or given up included; as `purge`."""
    await close_lost(store, now)
    removed = await purge(store, options, now, captures)
    if options.calls:
        removed.callbacks = await Jobs(store, "").purge(now - timedelta(days=options.calls))
    return removed


async def forget_what_others_did(store: Store, now: datetime, captures: Sequence[str], audit_folder: Path) -> int:
    """Delete what is here of people whom another gateway was told to forget; returns how many there were.

    Raises what the database raises, and `audit.AuditError`.
    """
    numbers = await to_forget(store, now)
    for number in numbers:
        await MASKING.run(audit.mask, audit_folder, spellings(number))  # it waits for whoever decides just now
        await forget(store, number, now, captures)
        await forgotten(store, number, now)
    return len(numbers)


class Upkeep:
    """Deletes what is too old as long as it is entered. An async context manager."""

    def __init__(
        self,
        store: Store,
        options: RetentionOptions,
        captures: Sequence[str] = (),
        audit_folder: Path = Path(),
        recordings: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """`captures` and `recordings` are the folders of these, `audit_folder` is that of the gate."""
        self._recordings = recordings
        self._captures = captures
        self._audit_folder = audit_folder
        self._store = store
        self._options = options
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        task = group.create_task(self._keep_up())
        self._stack.callback(task.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _keep_up(self) -> None:
        while True:
            try:
                await self._once(datetime.now(UTC))
            except (SQLAlchemyError, OSError, StoreError, audit.AuditError) as error:
                log.warning("old records not deleted", cause=str(error).splitlines()[0][:200])
            except Exception:  # the observer boundary: calls go on
                log.exception("old records not deleted")
            await asyncio.sleep(EVERY)

    async def _once(self, now: datetime) -> None:
        await seen(self._store, now)
        await KEEPING.run(mark, self._store, [*self._captures, *self._recordings()])
        await expire_webhooks(self._store, now)
        if forgot := await forget_what_others_did(self._store, now, self._captures, self._audit_folder):
            log.info("people forgotten whom another gateway was told to forget", people=forgot)
        removed = await delete_old(self._store, self._options, now, self._captures)
        if removed.undeleted:
            await self._tell(removed.undeleted)
        if removed != Removed(undeleted=removed.undeleted):
            log.info("old records deleted", **asdict(removed))

    async def _tell(self, count: int) -> None:
        async with self._store.read() as session:
            first = (await undeleted(session, 1))[0]
        log.error("files not deleted", files=count, first=first.path, cause=first.cause, tries=first.tries)
