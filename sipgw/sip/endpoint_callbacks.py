"""What the application gives to an endpoint."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sipgw.sip.boundaries import Admit
from sipgw.sip.leg import Leg
from sipgw.sip.registrar import Register
from sipgw.sip.trace import Tracer

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
