"""Upkeep: what is older than it may be is deleted, every hour."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.jobs import Jobs
from sipgw.store import Store
from sipgw.store.retention import Removed, RetentionOptions, purge

log = structlog.get_logger()

EVERY = 3600.0


async def delete_old(store: Store, options: RetentionOptions, now: datetime, captures: Sequence[str]) -> Removed:
    """Delete what is older than it may be, callbacks that were made or given up included; as `purge`."""
    removed = await purge(store, options, now, captures)
    if options.calls:
        removed.callbacks = await Jobs(store, "").purge(now - timedelta(days=options.calls))
    return removed


class Upkeep:
    """Deletes what is too old as long as it is entered. An async context manager."""

    def __init__(self, store: Store, options: RetentionOptions, captures: Sequence[str] = ()) -> None:
        """`captures` are the folders of captured packets and bundles."""
        self._captures = captures
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
        while self._options != RetentionOptions():
            try:
                removed = await delete_old(self._store, self._options, datetime.now(UTC), self._captures)
                if removed != Removed():
                    log.info("old records deleted", **asdict(removed))
            except (SQLAlchemyError, OSError) as error:
                log.warning("old records not deleted", cause=str(error).splitlines()[0][:200])
            except Exception:  # the observer boundary: calls go on
                log.exception("old records not deleted")
            await asyncio.sleep(EVERY)
