"""Error boundaries: an error in one piece of work does not stop the work beside it.

sipgw's packages use them too. `docs/architecture.md` §6 lists all error boundaries.
"""

import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")


async def bounded(work: Coroutine[Any, Any, T], failed: T, what: str) -> T:
    """Await `work`; on an error log `what` and return `failed`. For tasks of a shared task group."""
    try:
        return await work
    except Exception:
        log.exception(what)
        return failed


@contextlib.contextmanager
def contained(what: str, **fields: object) -> Iterator[None]:
    """Log `what` with `fields` if the block raises, and go on behind it. For observers, and for one step of several."""
    try:
        yield
    except Exception:
        log.exception(what, **fields)
