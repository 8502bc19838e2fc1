"""Where the faults of one piece of work end, so that they are not those of everything that runs beside it."""

import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import structlog

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request

log = structlog.get_logger()
T = TypeVar("T")

Admit = Callable[[Request, Peer], Refusal | None]


async def bounded(work: Coroutine[Any, Any, T], failed: T, what: str) -> T:
    """Do `work`; if it goes wrong `what` is logged and `failed` returned. For the tasks of a group that many share."""
    try:
        return await work
    except Exception:  # the boundary of whatever `work` is
        log.exception(what)
        return failed


@contextlib.contextmanager
def contained(what: str) -> Iterator[None]:
    """Log `what` if the work inside goes wrong, and go on: others wait for the same."""
    try:
        yield
    except Exception:  # the boundary of one of several who wait
        log.exception(what)


def guarded(admit: Admit, judged: Callable[[Peer, bool | None], None]) -> Admit:
    """`admit`, whose own fault keeps nobody out of a running call and lets nobody in; `judged` hears of strangers."""

    def judge(request: Request, source: Peer) -> Refusal | None:
        try:
            refusal = admit(request, source)
        except Exception:  # the call boundary
            log.exception("admission failed")
            refusal = Refusal(0)  # without an answer
        status = refusal.status if refusal else 200
        judged(source, None if status == 401 else status != 0)
        return refusal

    return judge
