"""Two UDP sockets between the caller's media and the gateway, with a bad network in between."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Self

from sipgw.tools.simulate.network import Direction
from sipgw.tools.simulate.scenario import NetworkOptions

Datagram = Callable[[bytes, tuple[str, int]], None]


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, take: Datagram) -> None:
        self._take = take
        self._transport: Any = None
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._take(data, (addr[0], addr[1]))

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, to)

    def close(self) -> None:
        self._transport.close()


class NetworkRelay:
    """See `sipgw.tools.caller.MediaRelay`. An async context manager. RTP and RTCP share the port (rtcp-mux)."""

    def __init__(self, options: NetworkOptions, seed: int, host: str = "127.0.0.1") -> None:
        self.options = options
        self.rebound = 0
        self.out = Direction(options, random.Random(seed))
        self.back = Direction(options, random.Random(seed + 1))
        self._host = host
        self._caller = (host, 0)
        self._remote = (host, 0)
        self._inner: _Socket | None = None
        self._outer: _Socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._inner = await self._open(self._from_caller)
        self._outer = await self._open(self._from_network)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        for one in (self._inner, self._outer):
            if one:
                one.close()

    async def _open(self, take: Datagram) -> _Socket:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(lambda: _Socket(take), (self._host, 0))
        return protocol

    async def between(self, port: int) -> int:
        """See `sipgw.tools.caller.MediaRelay.between`."""
        self._caller = (self._host, port)
        self._spare = await self._open(self._from_network) if self.options.rebind else None
        return self._outer.port if self._outer else port

    def onward(self, remote: tuple[str, int]) -> tuple[str, int]:
        """See `sipgw.tools.caller.MediaRelay.onward`."""
        self._remote = remote
        if self.options.rebind:
            self._timer = asyncio.get_running_loop().call_later(self.options.rebind, self._rebind)
        return self._host, self._inner.port if self._inner else remote[1]

    def _rebind(self) -> None:
        """Send from another port from now on, as a NAT that changes its port. Packets to the old port are lost."""
        if self._outer and self._spare:
            self._outer.close()
            self._outer, self._spare = self._spare, None
            self.rebound += 1

    def _from_caller(self, data: bytes, source: tuple[str, int]) -> None:
        del source
        self._pass(self.out, data, lambda: self._outer, self._remote)

    def _from_network(self, data: bytes, source: tuple[str, int]) -> None:
        del source
        self._pass(self.back, data, lambda: self._inner, self._caller)

    def _pass(
        self, direction: Direction, data: bytes, through: Callable[[], _Socket | None], to: tuple[str, int]
    ) -> None:
        loop = asyncio.get_running_loop()
        at = direction.send(loop.time())
        if at is None:
            return

        def send() -> None:
            one = through()
            if one:
                one.send(data, to)

        if at <= loop.time():
            send()
        else:
            loop.call_at(at, send)
