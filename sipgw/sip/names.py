"""Host names of peers: looked up off the loop, kept for a while; what is to be sent meanwhile waits."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from sipgw.sip.dialog import Peer
from sipgw.sip.uri import is_address

log = structlog.get_logger()

LOOKUP_LIMIT = 4.0
"""Seconds that a lookup may take."""
NAMES_KEPT = 60.0
"""Seconds that an address is used before it is looked up again."""
MAX_NAMES = 1000
MAX_WAITING = 64
"""Messages that wait for one name; more are dropped and come again by retransmission."""

Send = Callable[[bytes, Peer], None]


class Names:
    """The addresses of host names."""

    def __init__(self, send: Send, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._send = send
        self._spawn = spawn
        self._known: dict[str, tuple[str, float]] = {}
        self._waiting: dict[str, list[tuple[bytes, Peer]]] = {}

    def address(self, host: str) -> str | None:
        """The address of `host` as last looked up, or None; an address is its own."""
        return host if is_address(host) else self._known.get(host, (None, 0.0))[0]

    def send(self, data: bytes, peer: Peer) -> None:
        """Send to `peer`, whose host is a name, now or after its lookup."""
        if self._fresh(peer.host):
            self._send(data, peer._replace(host=self._known[peer.host][0], name=peer.host))
        elif (waiting := self._waiting.get(peer.host)) is None:
            self._waiting[peer.host] = [(data, peer)]
            self._spawn(self._look_up_and_send(peer.host))
        elif len(waiting) < MAX_WAITING:
            waiting.append((data, peer))

    async def look_up(self, host: str) -> None:
        """Find out the address of `host` if it is not known; if there is none, that is logged."""
        if is_address(host) or self._fresh(host):
            return
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_LIMIT):
                found = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError, TimeoutError) as error:  # UnicodeError: a label of no or of more than 63 letters
            log.warning("name not found", host=host, cause=str(error) or "timeout")
            return
        if len(self._known) >= MAX_NAMES:
            self._known.clear()
        self._known[host] = (str(found[0][4][0]), loop.time() + NAMES_KEPT)

    def _fresh(self, host: str) -> bool:
        return asyncio.get_running_loop().time() < self._known.get(host, ("", 0.0))[1]

    async def _look_up_and_send(self, host: str) -> None:
        await self.look_up(host)
        address = self.address(host)
        for data, peer in self._waiting.pop(host):
            if address is not None:
                self._send(data, peer._replace(host=address, name=peer.host))
