"""The browser phone's options."""

import ipaddress
from dataclasses import dataclass

from media.browsers import Network


@dataclass(frozen=True)
class BrowserOptions:
    """Calls from the page ``/phone``, and operators who speak from a page."""

    max_calls: int = 10
    """Calls at the same time, operators included; one more is told to try later. 0 turns both off."""
    port_range: tuple[int, int] | None = None
    """First and last UDP port for browsers, one for each interface of each call; none: any that the system has free."""
    addresses: tuple[str, ...] = ()
    """Addresses under which browsers reach those ports besides those of this machine's interfaces: the public one where
    a NAT or a container hands the ports on, as they are."""
    stun: str = ""
    """A STUN server that tells our public address: ``stun.example.com:3478``. Behind a NAT that lets in whom we have
    not sent to, or for what `addresses` cannot say because it changes."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_calls <= 1000:
            raise ValueError("max_calls must be from 0 to 1000")
        if self.port_range and not 1024 <= self.port_range[0] < self.port_range[1] <= 65535:
            raise ValueError("port_range must be two ports between 1024 and 65535, the lower first")
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValueError(f"addresses: {address!r} is no IP address") from None
        host, _, port = self.stun.partition(":")
        if self.stun and not (host and (not port or (port.isascii() and port.isdigit()))):
            raise ValueError("stun is a name or an IPv4 address, and a port: stun.example.com:3478")

    @property
    def network(self) -> Network:
        """What the process for browsers needs of it."""
        return Network(self.port_range, self.addresses, self.stun)
