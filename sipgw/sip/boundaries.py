"""Error boundaries: an error in one piece of work does not stop the work beside it.

sipgw's packages use them too. `docs/architecture.md` §6 lists all error boundaries.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")

PAUSE = 5.0
"""Seconds until work that failed begins again."""


async def bounded(work: Coroutine[Any, Any, T], failed: T, what: str) -> T:
    """Await `work`; on an error log `what` and return `failed`. For tasks of a shared task group."""
    try:
        return await work
    except Exception:
        log.exception(what)
        return failed


async def lasting(work: Callable[[], Awaitable[object]], what: str) -> None:
    """Await `work`; on an error log `what`, pause, and begin it again, unless this task was cancelled meanwhile. For
    tasks that run as long as their group."""
    task = asyncio.current_task()
    while task is None or not task.cancelling():
        try:
            await work()
        except Exception:
            log.exception(what)
            await asyncio.sleep(0 if task and task.cancelling() else PAUSE)
        else:
            return


@contextlib.contextmanager
def contained(what: str, **fields: object) -> Iterator[None]:
    """Log `what` with `fields` if the block raises, and go on after it. For observers, and for one step of several."""
    try:
        yield
    except Exception:
        log.exception(what, **fields)
