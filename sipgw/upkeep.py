"""Upkeep: what is older than it may be is deleted, every hour."""

import asyncio
import contextlib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.store import Store, StoreOptions
from sipgw.store.files import file_name
from sipgw.store.retention import Beside, Files, RetentionOptions, purge

log = structlog.get_logger()

EVERY = 3600.0


def files_beside(store: StoreOptions, capture: str) -> Files:
    """Where timelines are kept, and packets if `capture` is a folder."""

    def beside(call: str) -> Beside:
        name = file_name(call)
        return Beside(store.calls_folder / f"{name}.json.gz", Path(capture) / f"{name}.pcap" if capture else None)

    return beside


class Upkeep:
    """Deletes what is too old as long as it is entered. An async context manager."""

    def __init__(self, store: Store, options: RetentionOptions, beside: Files) -> None:
        """`beside` tells which files of a call go with its rows."""
        self._beside = beside
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
                removed = await purge(self._store, self._options, datetime.now(UTC), self._beside)
                if removed != type(removed)():
                    log.info("old records deleted", **asdict(removed))
            except (SQLAlchemyError, OSError) as error:
                log.warning("old records not deleted", cause=str(error).splitlines()[0][:200])
            await asyncio.sleep(EVERY)
