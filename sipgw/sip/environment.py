"""What the SIP core asks of the world outside, and what it hands to it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.message import Request
from sipgw.sip.registrar import Answer

if TYPE_CHECKING:
    from sipgw.sip.invite_server import InviteServer


class Packet(NamedTuple):
    """Bytes to be sent."""

    data: bytes
    peer: Peer


Located = Callable[[tuple[Peer, ...], float], None]
"""Gets the addresses of a peer in the order in which they are to be tried, none if there is none; and the time."""


def as_it_stands(peer: Peer, located: Located, now: float) -> None:
    """Take `peer` for an address, with the defaults of RFC 3263 §4.1 and §4.2 for what it leaves open."""
    transport = peer.transport or "udp"
    located((peer._replace(transport=transport, port=peer.port or DEFAULT_PORT.get(transport, 5060)),), now)


class Environment(NamedTuple):
    """What the core asks of the world outside."""

    token: Callable[[], str]
    """A new random string of token characters."""
    fraction: Callable[[], float]
    """A random number from 0 to 1."""
    address: Callable[[Peer], tuple[str, int]]
    """The host and port under which `peer` can reach us."""
    admit: Callable[[Request, Peer], Refusal | None]
    """Whether a request outside a dialog is welcome."""
    incoming: Callable[["InviteServer", float], None]
    """A new call has come in."""
    locate: Callable[[Peer, Located, float], None] = as_it_stands
    """Find the addresses of a peer (RFC 3263), at once or later."""
    seen: Callable[[Peer, str, int], bool] = lambda peer, host, port: False
    """A peer has seen us at this address; returns whether that is news."""
    session_expires: int = 0
    """The session interval that we ask for, seconds; 0 asks for none and keeps to what others ask (RFC 4028)."""
    register: Callable[[Request, Peer, float], Answer] | None = None
    """Take an admitted REGISTER; without this we are no registrar."""
