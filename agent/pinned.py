"""HTTP requests to hosts that strangers name: the address is checked, and the request goes to exactly this address."""

import contextlib
import ipaddress
import socket
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import httpx2

from agent.pool import Pool

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses (RFC 6052)."""

_TRANSLATED = (_NAT64, ipaddress.ip_network("::/96"), ipaddress.ip_network("::ffff:0:0:0/96"))
"""IPv6 addresses that stand for IPv4 addresses, with the old ways to write them (RFC 4291 §2.5.5.1, RFC 2765 §2.1)."""

_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""IPv6 addresses that stand for IPv4 addresses through a translator of the own network (RFC 8215)."""

_INSIDE = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")))
"""Networks that `is_global` takes for public in some versions of Python: addresses of one network (RFC 6890, RFC 8215,
RFC 3879) and old ways to write those of IPv4.
"""

_OF_CLOUDS = tuple(
    map(
        ipaddress.ip_network,
        ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::/32", "fd00:42::/32",
         "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
    )
)  # fmt: skip
"""Where clouds tell a machine its secrets: link-local addresses, and others of AWS, Google, Scaleway, Alibaba, Azure
and Oracle."""

MOST = 4
"""Addresses of a name that are tried."""
ATTEMPT = 1.0
"""Seconds to connect to an address if there is another one; less if the client's limit is lower."""


class PrivateAddress(Exception):  # noqa: N818  an outcome
    """The host is in a private network, or is this machine or its cloud."""


def public(address: str) -> bool:
    """Whether `address` is one of the public Internet."""
    written = ipaddress.ip_address(address)
    found = _meant(written)
    inside = any(one in network for one in {written, found} for network in (*_INSIDE, *_OF_CLOUDS))
    return found.is_global and not found.is_multicast and not inside


def not_of_cloud(address: str) -> bool:
    """Whether `address` is no address at which clouds tell a machine its secrets; it may be private.

    An IPv6 address that stands for an IPv4 address must stand for a public one (RFC 6052 §3.1, RFC 3056 §2).
    """
    found = ipaddress.ip_address(address)
    plain = getattr(found, "ipv4_mapped", None) or found
    if _meant(plain) is not plain or plain in _LOCAL_NAT64:
        return public(address)
    return not any(plain in network for network in _OF_CLOUDS)


def anywhere(address: str) -> bool:
    """Allow every address: the operator has named the host."""
    return True


def _meant(found: Address) -> Address:
    """The address of IPv4 that an IPv6 address stands for, or `found` itself."""
    if not isinstance(found, ipaddress.IPv6Address) or found.is_loopback or found.is_unspecified:
        return found
    inside = any(found in network for network in _TRANSLATED)
    return found.ipv4_mapped or found.sixtofour or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if inside else found)


async def addresses_of(names: Pool, host: str, port: int, allowed: Callable[[str], bool] = public) -> list[str]:
    """The `allowed` addresses of `host`, in the order of the system, with the versions of IP in turn.

    Raises `PrivateAddress`, `OSError`, `UnicodeError`, `PoolFullError`.
    """
    found = await names.run(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    every = [address for *_, where in found if allowed(address := str(where[0]).partition("%")[0])]
    if not every:
        raise PrivateAddress(f"{host} is in a private network")
    first = [one for one in every if (":" in one) == (":" in every[0])]
    other = [one for one in every if one not in first]
    return [one for pair in zip_longest(first, other) for one in pair if one][:MOST]


async def ask(
    client: httpx2.AsyncClient,
    method: str,
    url: httpx2.URL,
    names: Pool,
    allowed: Callable[[str], bool] = public,
    **more: Any,
) -> httpx2.Response:
    """The answer of `url`, with its body still to be read, from the first `allowed` address of the host that can be
    connected. `names` is the pool for the look-up. No redirection is followed. Raises the errors of `addresses_of`, and
    `httpx2.HTTPError`."""
    auth = more.pop("auth", httpx2.USE_CLIENT_DEFAULT)
    port = url.port or (443 if url.scheme == "https" else 80)
    *others, last = await addresses_of(names, url.host, port, allowed)
    for address in others:
        request = pinned(client, method, url, address, **more)
        limits = request.extensions["timeout"]
        limits["connect"] = min(ATTEMPT, limits["connect"] or ATTEMPT)
        with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):  # nothing has been sent
            return await client.send(request, stream=True, auth=auth, follow_redirects=False)
    request = pinned(client, method, url, last, **more)
    return await client.send(request, stream=True, auth=auth, follow_redirects=False)


def pinned(client: httpx2.AsyncClient, method: str, url: httpx2.URL, address: str, **more: Any) -> httpx2.Request:
    """A request for `url` that goes to `address`: a second look-up of its name could give another one."""
    headers = {"Host": url.netloc.decode(), **more.pop("headers", {})}
    extensions = {"sni_hostname": url.host}
    client.cookies.clear()  # those of answers belong to the address, and so would go to other hosts there
    return client.build_request(method, url.copy_with(host=address), headers=headers, extensions=extensions, **more)
