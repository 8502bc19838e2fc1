"""A NAT of an own: it gives each inside port a port outside, and lets nobody in whom the inside has not written to.

It changes addresses and ports of packets and no byte in them. What is inside sends to `inside` instead of the far end,
because loopback has no routes to take the packets to it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

Address = tuple[str, int]


class _Outside(asyncio.DatagramProtocol):
    """The outside of one binding."""

    def __init__(self, nat: "Nat", client: Address) -> None:
        self._nat = nat
        self._client = client

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr == self._nat.there:
            self._nat.transport.sendto(data, self._client)
        else:
            self._nat.dropped += 1


class Nat(asyncio.DatagramProtocol):
    """UDP and TCP from `inside` to `there`."""

    def __init__(self, there: Address, outside: str) -> None:
        self.there = there
        self.dropped = 0
        self._outside = outside
        self._bindings: dict[Address, _Outside] = {}
        self._waiting: dict[Address, list[bytes]] = {}
        self._streams: set[asyncio.StreamWriter] = set()
        self._group = asyncio.TaskGroup()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr in self._bindings:
            self._bindings[addr].transport.sendto(data, self.there)
        elif addr in self._waiting:
            self._waiting[addr].append(data)
        else:
            self._waiting[addr] = [data]
            self._group.create_task(self._bind(addr))

    async def _bind(self, client: Address) -> None:
        loop = asyncio.get_running_loop()
        _, outside = await loop.create_datagram_endpoint(lambda: _Outside(self, client), (self._outside, 0))
        self._bindings[client] = outside
        for data in self._waiting.pop(client):
            outside.transport.sendto(data, self.there)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self.there, local_addr=(self._outside, 0))
        self._streams |= {writer, far_writer}
        pipes = ((reader, far_writer), (far_reader, writer))
        tasks = [self._group.create_task(_pipe(*one)) for one in pipes]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in (writer, far_writer):
            one.close()

    def forget(self) -> None:
        """As after a restart: all bindings are gone, and later packets get new ports."""
        for one in self._bindings.values():
            one.transport.close()
        self._bindings.clear()
        for writer in self._streams:
            writer.close()
        self._streams.clear()

    @contextlib.asynccontextmanager
    async def open(self, inside: str) -> AsyncIterator[int]:
        """Yields the port on `inside`."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, (inside, 0))
        port = int(transport.get_extra_info("sockname")[1])
        async with self._group:
            server = await asyncio.start_server(self._connected, inside, port)
            try:
                yield port
            finally:
                server.close()
                transport.close()
                self.forget()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
