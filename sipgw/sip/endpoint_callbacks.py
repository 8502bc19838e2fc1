"""Callbacks of the application, for an endpoint.

Round each callback that answers a request is an error boundary: an error is logged, and the other side gets an answer.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.registrar import Register, RegisterResponse
from sipgw.sip.trace import Tracer

log = structlog.get_logger()

Admit = Callable[[Request, Peer], Refusal | None]
"""Judges a request outside a dialog."""
Screen = Callable[[str], bool]
"""Judges an address."""


class EndpointCallbacks(NamedTuple):
    """Callbacks of the application: see `sipgw.sip.endpoint.Endpoint`."""

    on_invite: Callable[[Leg], None]
    admit: Admit
    trace: Tracer | None
    screen: Screen
    met: Callable[[str], None]
    register: Register
    bound: Callable[[float], Iterable[int]]


def guarded(admit: Admit, judged: Callable[[Peer, bool | None], None]) -> Admit:
    """`admit`; an error drops the request, which costs a flood nothing. `judged` takes source and verdict."""

    def judge(request: Request, source: Peer) -> Refusal | None:
        try:
            refusal = admit(request, source)
        except Exception:
            log.exception("admission failed")
            refusal = Refusal(0)  # without an answer
        status = refusal.status if refusal else 200
        judged(source, None if status == 401 else status != 0)
        return refusal

    return judge


def answering(register: Register) -> Register:
    """`register`; an error is answered 500, so that no transaction waits for ever."""

    def answer(request: Request, source: Peer, now: float) -> RegisterResponse:
        try:
            return register(request, source, now)
        except Exception:
            log.exception("REGISTER not answered")
            return RegisterResponse(500)

    return answer


def taking(on_invite: Callable[[Leg], None]) -> Callable[[Leg], None]:
    """`on_invite`; an error is answered 500, so that no caller waits for ever."""

    def take(leg: Leg) -> None:
        try:
            on_invite(leg)
        except Exception:
            log.exception("call not taken")
            leg.reject(500)

    return take
