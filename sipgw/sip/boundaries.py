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
    """Await `work`; on an error log `what`, pause, and begin it again. For tasks that run as long as their group."""
    while not cancelled():
        try:
            await work()
        except Exception:
            log.exception(what)
            await asyncio.sleep(PAUSE)
        else:
            return


def cancelled() -> bool:
    """Whether this task is to end. A loop that waits for a database asks it: where a cancellation comes as a time limit
    ends, or as the answer comes, a library may report that alone, and the loop would go on for ever."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextlib.contextmanager
def contained(what: str, **fields: object) -> Iterator[None]:
    """Log `what` with `fields` if the block raises, and go on after it. For observers, and for one step of several."""
    try:
        yield
    except Exception:
        log.exception(what, **fields)
