"""A table of IP networks, with values for each network. Sans-IO."""

import ipaddress
from collections.abc import Iterable
from typing import Generic, TypeVar

from agent.rules.rule_error import RuleError
from sipgw.bounds import FULL

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")
PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
"""Loopback and private networks (RFC 1918, RFC 4193, RFC 4291): the only callers of a gateway without configuration."""
REMEMBERED = 4096
"""Addresses whose values are remembered, so that they are not looked up again."""


def check_networks(networks: Iterable[str], key: str) -> None:
    """Raises `RuleError` with `key` if one of `networks` is neither an address nor a network."""
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise RuleError(str(error), key) from None


class Networks(Generic[T]):
    """Values by network. The narrowest network decides, so that a PBX inside the network of the phones is not taken for
    a phone."""

    def __init__(self, entries: Iterable[tuple[str, T]] = ()) -> None:
        self._entries: list[tuple[Network, T]] = []
        self._found: dict[str, tuple[T, ...]] = {}
        for network, what in entries:
            self.add(network, what)

    def add(self, network: str, what: T) -> bool:
        """Add the value `what` to `network` (an address or CIDR network); returns whether the pair is new."""
        entry = (ipaddress.ip_network(network), what)
        new = entry not in self._entries
        if new:
            self._entries.append(entry)
            self._entries.sort(key=lambda entry: -entry[0].prefixlen)
            self._found.clear()
        return new

    def remove(self, network: str, what: T) -> None:
        """Remove the value `what` from `network`. Raises ValueError if `network` does not have it."""
        self._entries.remove((ipaddress.ip_network(network), what))
        self._found.clear()

    def match(self, host: str) -> T | None:
        """The value of the network of `host` (an IP address), or None; the first, if the same network has several."""
        return next(iter(self.every(host)), None)

    def narrowest(self, host: str) -> Network | None:
        """The narrowest network of `host` (an IP address), or None."""
        return next((network for network, _ in self._entries if plain(host) in network), None)

    def every(self, host: str) -> tuple[T, ...]:
        """All values of the narrowest network of `host` (an IP address), in the order in which they were added."""
        if host in self._found:
            return self._found[host]
        address = plain(host)
        networks = [network for network, _ in self._entries if address in network]
        found = tuple(what for network, what in self._entries if networks and network == networks[0])
        if len(self._found) >= REMEMBERED:
            FULL["networks of addresses"] += 1
            self._found.clear()
        self._found[host] = found
        return found


def plain(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address `host` without its zone. An IPv4 address that a dual-stack socket shows as IPv6 becomes IPv4
    again."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def site(host: str) -> str:
    """The network that counts as one source: the IPv4 address itself, or the /64 network of an IPv6 address."""
    address = plain(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
