"""What the SIP core asks of the world outside, and what it hands to it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request

if TYPE_CHECKING:
    from sipgw.sip.server import InviteServer


class Packet(NamedTuple):
    """Bytes to be sent."""

    data: bytes
    peer: Peer


class Surroundings(NamedTuple):
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
