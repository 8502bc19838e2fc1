"""Error boundaries: an error in one piece of work does not stop the work beside it."""

import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import structlog

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request
from sipgw.sip.registrar import Register, RegisterResponse

log = structlog.get_logger()
T = TypeVar("T")

Admit = Callable[[Request, Peer], Refusal | None]


async def bounded(work: Coroutine[Any, Any, T], failed: T, what: str) -> T:
    """Await `work`; on an error log `what` and return `failed`. For tasks of a shared task group."""
    try:
        return await work
    except Exception:  # the boundary of one task
        log.exception(what)
        return failed


@contextlib.contextmanager
def contained(what: str) -> Iterator[None]:
    """Log `what` if the block raises, and go on with the next of several that wait."""
    try:
        yield
    except Exception:  # the boundary of one of several that wait
        log.exception(what)


def guarded(admit: Admit, judged: Callable[[Peer, bool | None], None]) -> Admit:
    """`admit` with an error boundary: an error drops the request. `judged` takes source and verdict."""

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


def answering(register: Register) -> Register:
    """`register` with an error boundary: an error is answered 500, so that no transaction waits for ever."""

    def answer(request: Request, source: Peer, now: float) -> RegisterResponse:
        try:
            return register(request, source, now)
        except Exception:  # the call boundary
            log.exception("REGISTER not answered")
            return RegisterResponse(500)

    return answer
