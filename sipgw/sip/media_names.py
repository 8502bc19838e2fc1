"""Host names in `c=` lines (RFC 8866 §5.7): the other side's descriptions with addresses in their place."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

from sipgw.sip.uri import is_address

Locate = Callable[[str, int], Coroutine[Any, Any, tuple[str, ...]]]
"""The addresses of a name in version 4 or 6 of IP, within a time limit; see `sipgw.sip.resolver.Names.addresses`."""

MAX_NAMES = 2
"""Names of one description that are looked up: that of the session, and that of our stream."""
MAX_KEPT = 16
"""Names of one call whose addresses are kept: if an offer is refused, the names of the session before still count."""
_CONNECTION = re.compile(rb"(?m)^c=IN IP([46]) ([A-Za-z0-9._-]{1,253})(?=[/ \r\n]|$)")
_SECTION = re.compile(rb"(?m)^(?=m=)")
_SOUND = re.compile(rb"(?i)m=audio [1-9]")

_Named = tuple[int, str]
"""A host name, and the version of IP in which its address is told."""


class MediaNames:
    """The addresses of the host names in the descriptions of the other side of one call."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._found: dict[_Named, str] = {}

    def any_in(self, description: bytes | None) -> bool:
        """Whether `description` has names that are to be looked up."""
        return bool(_names(description))

    async def find(self, description: bytes | None) -> bytes | None:
        """`description` with addresses; its names are looked up anew, all at the same time. A name without an address
        stays, and a description with a name is not acceptable (488)."""
        async with asyncio.TaskGroup() as group:
            asked = {
                (version, name): group.create_task(self._locate(name, version)) for version, name in _names(description)
            }
        for named, task in asked.items():
            self._keep(named, task.result())
        return self.known(description)

    def _keep(self, named: _Named, addresses: tuple[str, ...]) -> None:
        """Keep an address of `named`: the one before, if it is among `addresses` or these are empty, so that the sound
        does not move; else the first."""
        before = self._found.pop(named, "")
        if address := before if before in addresses else next(iter(addresses), before):
            self._found[named] = address
        if len(self._found) > MAX_KEPT:
            del self._found[next(iter(self._found))]

    def known(self, description: bytes | None) -> bytes | None:
        """`description` with the addresses that were found last."""
        return _CONNECTION.sub(self._put, description) if description and self._found else description

    def _put(self, line: re.Match[bytes]) -> bytes:
        version, name = _named(line)
        return f"c=IN IP{version} {self._found.get((version, name), name)}".encode()


def _named(line: re.Match[bytes]) -> _Named:
    return int(line[1]), line[2].decode()


def _names(description: bytes | None) -> list[_Named]:
    session, *media = _SECTION.split(description or b"")
    ours = (section for section in media if _SOUND.match(section))
    lines = (_named(line) for section in (session, *ours) for line in _CONNECTION.finditer(section))
    return list(dict.fromkeys(named for named in lines if _is_name(named[1])))[:MAX_NAMES]


def _is_name(host: str) -> bool:
    """Whether it is a name. A host that ends in a number is an address, if only a misspelt one (RFC 1123 §2.1)."""
    return not is_address(host) and not host.removesuffix(".").rpartition(".")[2].isdigit()
