"""Host names in `c=` lines (RFC 8866 §5.7): the other side's descriptions with addresses in their place."""

import ipaddress
import re
from collections.abc import Awaitable, Callable

from sipgw.sip.dialog import Peer
from sipgw.sip.uri import Uri, is_address

Locate = Callable[[Uri], Awaitable[tuple[Peer, ...]]]
"""The addresses of a URI, within a time limit; see `sipgw.sip.endpoint.Endpoint.locate`."""

MAX_NAMES = 4
"""Host names of one description that are looked up: a call has one stream here."""
_CONNECTION = re.compile(rb"(?m)^c=IN IP([46]) ([A-Za-z0-9._-]{1,253})(?=[/ \r\n]|$)")

_Named = tuple[int, str]
"""A host name, and the version of IP in which its address is told."""


class MediaNames:
    """The addresses of the names in what the other side of one call describes."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._found: dict[_Named, str] = {}

    def missing(self, description: bytes | None) -> bool:
        """Whether `description` has names that were not looked up."""
        return any(named not in self._found for named in _names(description))

    async def find(self, description: bytes | None) -> bytes | None:
        """`description` with addresses; each name is looked up anew. One without an address stays, and with it nothing
        can be agreed on (488)."""
        found: dict[_Named, str] = {}
        for version, name in _names(description):
            hops = await self._locate(Uri("sip", host=name, port=1))  # with a port it has A and AAAA records only
            addresses = (hop.host for hop in hops if ipaddress.ip_address(hop.host).version == version)
            found[version, name] = next(addresses, name)
        if found:
            self._found = found
        return self.known(description)

    def known(self, description: bytes | None) -> bytes | None:
        """`description` with the addresses that were found last."""
        return _CONNECTION.sub(self._put, description) if description and self._found else description

    def _put(self, line: re.Match[bytes]) -> bytes:
        version, name = _named(line)
        return f"c=IN IP{version} {self._found.get((version, name), name)}".encode()


def _named(line: re.Match[bytes]) -> _Named:
    return int(line[1]), line[2].decode()


def _names(description: bytes | None) -> list[_Named]:
    lines = map(_named, _CONNECTION.finditer(description or b""))
    return list(dict.fromkeys(named for named in lines if not is_address(named[1])))[:MAX_NAMES]
