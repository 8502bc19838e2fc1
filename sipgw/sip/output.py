"""What the core hands to its driver: packets to send, and host names to resolve."""

from typing import NamedTuple

from sipgw.sip.dialog import Peer


class Packet(NamedTuple):
    """Bytes to send to `peer`, whose host is an IP address. The driver opens the connection that this needs."""

    data: bytes
    peer: Peer


class Resolve(NamedTuple):
    """A request to find the addresses of `peer` (RFC 3263); `UserAgent.resolved` takes them with this `number`."""

    number: int
    peer: Peer
