"""Callbacks of the application, for an endpoint.

Each callback that answers a request has an error boundary, which logs the error. The other side gets 500; if admission
failed, it gets no answer.
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
    """`admit` with an error boundary: an error drops the request without an answer. `judged` takes its source, and None
    if the request was challenged, False if it was dropped, otherwise True."""

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
    """`register` with an error boundary: an error is answered with 500, so that no transaction waits for ever."""

    def answer(request: Request, source: Peer, now: float) -> RegisterResponse:
        try:
            return register(request, source, now)
        except Exception:
            log.exception("REGISTER not answered")
            return RegisterResponse(500)

    return answer


def taking(on_invite: Callable[[Leg], None]) -> Callable[[Leg], None]:
    """`on_invite` with an error boundary: an error is answered with 500, so that no caller waits for ever."""

    def take(leg: Leg) -> None:
        try:
            on_invite(leg)
        except Exception:
            log.exception("call not taken")
            leg.reject(500)

    return take
