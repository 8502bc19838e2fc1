"""The key of a connection, and the network that it is counted for."""

import ipaddress
from typing import NamedTuple

from sipgw.sip.dialog import Peer


class Needed(NamedTuple):
    """Which connections a call, a request, a registration or the binding of a phone needs."""

    numbers: frozenset[int]
    """The numbers of open connections (`Peer.connection`)."""
    places: frozenset[tuple[str, str, int]]
    """Transport, host and port of peers; every connection to one of them is needed."""

    def has(self, peer: Peer) -> bool:
        """Whether something needs the connection to `peer`."""
        return peer.connection in self.numbers or peer[:3] in self.places


class ConnectionKey(NamedTuple):
    """The address that a connection leads to; for TLS with the name that its certificate was verified for."""

    transport: str
    host: str
    port: int
    name: str

    @classmethod
    def of(cls, peer: Peer) -> "ConnectionKey":
        """The key of a connection to `peer`."""
        return cls(peer.transport, peer.host, peer.port, peer.name if peer.transport == "tls" else "")

    @property
    def peer(self) -> Peer:
        """The peer at the other end."""
        return Peer(self.transport, self.host, self.port, name=self.name)


def network_of(host: str) -> str:
    """The network that connections of an address are counted for: the address itself, in IPv6 its /64."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return str(ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address)
