"""Where a connection leads, and whose it counts as."""

import ipaddress
from typing import NamedTuple

from sipgw.sip.dialog import Peer


class ConnectionKey(NamedTuple):
    """What a connection leads to; the name counts where it was verified."""

    transport: str
    host: str
    port: int
    name: str

    @classmethod
    def of(cls, peer: Peer) -> "ConnectionKey":
        """The place of `peer`."""
        return cls(peer.transport, peer.host, peer.port, peer.name if peer.transport == "tls" else "")

    @property
    def peer(self) -> Peer:
        """The peer that is there."""
        return Peer(self.transport, self.host, self.port, name=self.name)


def network_of(host: str) -> str:
    """What the connections of an address are counted by: itself, in IPv6 its /64."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return str(ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address)
