"""The values and functions that the driver gives to the SIP core: random values and our addresses."""

from collections.abc import Callable
from typing import NamedTuple

from sipgw.sip.dialog import Peer
from sipgw.sip.uri import Uri


class Environment(NamedTuple):
    """Data from outside the core. No function here sends anything, waits or calls the core back."""

    token: Callable[[], str]
    """A new random string of token characters."""
    fraction: Callable[[], float]
    """A random number from 0 to 1."""
    address: Callable[[Peer], tuple[str, int]]
    """The host and port under which `peer` can reach us."""
    observed: Callable[[Peer, str, int], bool] = lambda peer, host, port: False
    """Notes that `peer` sees us at this host and port; returns whether `address` changes by this."""
    session_expires: int = 0
    """The session interval that we ask for, seconds; 0 asks for none and accepts the others' (RFC 4028)."""
    forbidden: Callable[[Uri, float], str] = lambda target, now: ""
    """The reason why an INVITE to this URI, or a REFER to it, is forbidden at this time; empty if it is allowed."""
