"""Networks of addresses, and what belongs to each of them. Sans-IO."""

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
"""Addresses whose network is not looked up again."""


def check_networks(networks: Iterable[str], key: str) -> None:
    """Raises `RuleError` of `key` for what is no address or network."""
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise RuleError(str(error), key) from None


class Networks(Generic[T]):
    """Values by network; the narrowest network decides, so that a PBX among phones is none of them."""

    def __init__(self, entries: Iterable[tuple[str, T]] = ()) -> None:
        self._entries: list[tuple[Network, T]] = []
        self._found: dict[str, tuple[T, ...]] = {}
        for network, what in entries:
            self.add(network, what)

    def add(self, network: str, what: T) -> bool:
        """Let `what` belong to `network` (an address or CIDR network); returns whether that is new."""
        entry = (ipaddress.ip_network(network), what)
        new = entry not in self._entries
        if new:
            self._entries.append(entry)
            self._entries.sort(key=lambda entry: -entry[0].prefixlen)
            self._found.clear()
        return new

    def remove(self, network: str, what: T) -> None:
        """Let `what` belong to `network` no longer."""
        self._entries.remove((ipaddress.ip_network(network), what))
        self._found.clear()

    def match(self, host: str) -> T | None:
        """The value of the network of `host` (an IP address), or None; the first, if the same network has several."""
        return next(iter(self.every(host)), None)

    def narrowest(self, host: str) -> Network | None:
        """The narrowest network of `host` (an IP address), or None."""
        return next((network for network, _ in self._entries if plain(host) in network), None)

    def every(self, host: str) -> tuple[T, ...]:
        """All that belongs to the narrowest network of `host` (an IP address), in the order in which it was added."""
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
    """The address without its zone, and as IPv4 where a dual-stack socket shows it as IPv6."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def site(host: str) -> str:
    """The network that counts as one source: an IPv4 address, or the /64 that an IPv6 address was chosen from."""
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
