"""A TCP proxy between a provider and the server of its tests. It makes the connections fail at a chosen point."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from enum import Enum
from typing import Self


class ConnectionFault(Enum):
    """How the proxy makes a connection fail."""

    NONE = "nothing"
    CUT = "reset"
    CLOSE = "closed by the server"
    STALL = "silent"
    GARBLE = "nonsense"
    FLOOD = "the same again without end"
    DEAF = "not read"


CHUNK = 1 << 16
LATENCY = 0.1
"""Seconds until a connection is served. Without this delay, no time would pass while a provider reconnects in a
loop."""
FLOOD = 6_000_000
"""Maximum bytes of a flood. Three quarters of them, which base64 decodes to, are still more than `checks.UNREAD`."""


class Proxy:
    """Passes all data on until the server has sent `after` pieces; then every connection fails as `fault` says."""

    def __init__(
        self, upstream: tuple[str, int], fault: ConnectionFault, after: int, reached: Callable[[], object] | None = None
    ) -> None:
        self._upstream, self._fault, self._after = upstream, fault, after
        self._reached = reached
        self._server: asyncio.Server | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._connections: set[asyncio.Task[None]] = set()
        self.pieces = 0
        """Pieces that the server has sent, on all connections."""
        self.flooded = 0
        """Bytes of the flood that the provider has read."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None  # noqa: S101
        self._server.close()
        for task in (left := list(self._connections)):
            task.cancel()
        if left:
            await asyncio.wait(left)

    @property
    def port(self) -> int:
        """The port on which the proxy listens."""
        assert self._server is not None  # noqa: S101
        return int(self._server.sockets[0].getsockname()[1])

    async def closed(self) -> None:
        """Wait until the provider has closed every connection."""
        await self._idle.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._connections.add(task)
        self._idle.clear()
        up: asyncio.StreamWriter | None = None
        try:
            await asyncio.sleep(LATENCY)
            above, up = await asyncio.open_connection(*self._upstream)
            async with asyncio.TaskGroup() as group:
                down = group.create_task(self._down(above, writer))
                with contextlib.suppress(OSError):
                    await self._up(reader, up)  # ends when the provider closes
                down.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # the server is gone, or the proxy is being closed
        finally:
            self._connections.discard(task)
            if not self._connections:
                self._idle.set()
            for one in (writer, up):
                if one is not None:
                    one.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        while self._fault is not ConnectionFault.DEAF or self.pieces < self._after:
            if not (data := await reader.read(CHUNK)):
                return
            if not up.is_closing():
                up.write(data)
        await asyncio.Event().wait()  # from now on the provider's sound is not read

    async def _down(self, above: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the provider has closed the connection
            await self._pass_on(above, writer)

    async def _pass_on(self, above: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen, last = 0, b""
        while True:
            if seen == self._after:
                if self._reached is not None:
                    self._reached()
                if self._fault is ConnectionFault.GARBLE:  # then go on as before, for a provider that ignores nonsense
                    writer.write(random.Random(self._after).randbytes(4000))
                elif self._fault not in (ConnectionFault.NONE, ConnectionFault.DEAF):
                    return await self._befall(writer, last)
            if not (data := await above.read(CHUNK)):
                writer.write_eof()
                return None
            seen, last = seen + 1, data
            self.pieces += 1
            writer.write(data)
            await writer.drain()

    async def _befall(self, writer: asyncio.StreamWriter, last: bytes) -> None:
        match self._fault:
            case ConnectionFault.CUT:
                at_once = struct.pack("ii", 1, 0)  # the socket sends RST, not FIN
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                writer.transport.abort()
            case ConnectionFault.CLOSE:
                writer.write_eof()
            case ConnectionFault.FLOOD if last:
                last *= CHUNK // len(last) + 1
                while self.flooded < FLOOD:
                    writer.write(last)
                    await writer.drain()
                    self.flooded += len(last)
                    await asyncio.sleep(0)
