"""HTTP requests to hosts that others name: the address is checked, and the checked address is the one that is asked."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import httpx2

from agent.pool import Pool

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that stand for those of IPv4 (RFC 6052)."""

_INSIDE = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")))
"""What `is_global` takes for public in some versions of Python: addresses of one network (RFC 6890, RFC 8215, RFC 3879)
and old ways to write those of IPv4 (RFC 4291 §2.5.5.1, RFC 2765 §2.1)."""


class PrivateAddress(Exception):  # noqa: N818  an outcome
    """The host is in a private network, or is this machine or its cloud."""


def public(address: str) -> bool:
    """Whether `address` is one of the public Internet."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None
        found = found.ipv4_mapped or found.sixtofour or inside or found
    return found.is_global and not found.is_multicast and not any(found in network for network in _INSIDE)


def not_of_cloud(address: str) -> bool:
    """Whether `address` may also be private, and is not link-local: there clouds tell a machine its secrets."""
    found = ipaddress.ip_address(address)
    return not (getattr(found, "ipv4_mapped", None) or found).is_link_local


def anywhere(address: str) -> bool:
    """All addresses may be asked: the owner names them."""
    return True


async def address_of(names: Pool, host: str, port: int, allowed: Callable[[str], bool] = public) -> str:
    """The first address of `host` that is `allowed`. It is looked up in the threads of `names`.

    Raises `PrivateAddress`, `OSError`, `UnicodeError`, `PoolFullError`.
    """
    found = await names.run(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    for *_, where in found:
        address = str(where[0]).partition("%")[0]
        if allowed(address):
            return address
    raise PrivateAddress(f"{host} is in a private network")


def pinned(client: httpx2.AsyncClient, method: str, url: httpx2.URL, address: str, **more: Any) -> httpx2.Request:
    """A request for `url` that goes to `address`: a second look-up of its name could give another one."""
    headers = {"Host": url.netloc.decode(), **more.pop("headers", {})}
    extensions = {"sni_hostname": url.host}
    client.cookies.clear()  # those of answers belong to the address, and so would go to other hosts there
    return client.build_request(method, url.copy_with(host=address), headers=headers, extensions=extensions, **more)
