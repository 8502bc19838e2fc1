"""The proxy before the gateway (docker/kamailio.cfg) tells from where it received a request. Sans-IO."""

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint_callbacks import Admit
from sipgw.sip.message import Request
from sipgw.sip.uri import is_address

HEADER = "x-sipgw-source"
"""The header in which the proxy writes ``TRANSPORT ADDRESS PORT``. It removes this header from what it receives."""


def origin(request: Request, source: Peer, edge: str) -> Peer:
    """Where `request` comes from: `source`, or the place that the proxy at `edge` names in `HEADER`."""
    if not edge or source.host != edge:
        return source
    match (request.headers.get(HEADER) or "").split():
        case [("udp" | "tcp" | "tls") as transport, host, port] if _is_place(host, port):
            return Peer(transport, host, int(port))
    return source


def by_origin(admit: Admit, edge: str) -> Admit:
    """`admit`, but called with the origin of a request (see `origin`) in place of its source."""

    def judge(request: Request, source: Peer) -> Refusal | None:
        return admit(request, origin(request, source, edge))

    return judge


def _is_place(host: str, port: str) -> bool:
    return is_address(host) and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
