# mypy: disable-error-code="union-attr"
"""A small HTTP/1.1 server on asyncio streams, for fakes that decide about every byte of the answer."""

import asyncio
import json
import ssl
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.waiting import HANG


class Exchange:
    """One request and its answer."""

    def __init__(self, head: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, *fields = head.rstrip().split("\r\n")
        self.method, target, _ = request.split(" ", 2)
        url = urllib.parse.urlsplit(target)
        self.path, self.query = url.path, dict(urllib.parse.parse_qsl(url.query))
        self.headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        self.body = body
        self.cancelled = False
        """The client hung up before the answer was complete."""
        self._reader, self._writer = reader, writer

    async def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} x", f"content-type: {content_type}", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self._writer.drain()

    async def send(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    async def finish(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def answer(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        await self.start(status, "application/json", headers)
        await self.send(json.dumps(value).encode())
        await self.finish()

    def reset(self) -> None:
        """Break the connection off in the middle of the answer."""
        self._writer.transport.abort()

    def hang_up(self) -> None:
        """End the connection after the answer without having said so."""
        self._writer.close()

    async def hang(self) -> None:
        """Send nothing more until the client hangs up."""
        await self._reader.read()
        self.cancelled = True


class HttpServer:
    """An HTTP server on a free port of the loopback; `exchanges` is the record."""

    tls: ClassVar[ssl.SSLContext | None] = None
    """That of every server, for who measures with encryption."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.connections = 0
        """Made so far."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        async with asyncio.timeout(HANG), self._news:
            await self._news.wait_for(lambda: not self._writers)

    async def until_cancelled(self, count: int = 1) -> None:
        """Wait until the client has hung up on `count` answers."""
        async with asyncio.timeout(HANG), self._news:
            await self._news.wait_for(lambda: sum(exchange.cancelled for exchange in self.exchanges) >= count)

    async def respond(self, exchange: Exchange) -> None:
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                body = await reader.readexactly(int(length[0].split(":")[1])) if length else b""
                exchange = Exchange(head, body, reader, writer)
                self.exchanges.append(exchange)
                try:
                    await self.respond(exchange)
                except ConnectionError:
                    exchange.cancelled = True
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            async with self._news:
                self._news.notify_all()
