"""The connections of the web server: strangers cannot take them all, and health is always answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.config.web import WebOptions
from sipgw.records.store.store import Store
from sipgw.web import connections, server
from sipgw.web.server import Dashboard
from tests.waiting import HANG
from tests.web.gateway_view import FakeGatewayView

Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HALF_A_BODY = (
    b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
)
STRANGER = "127.0.0.2"
"""An address of this machine that is no proxy's."""


class Served:
    """An application of one answer in the place of the dashboard's."""

    def __init__(self, answer: ASGIApp) -> None:
        self._answer = answer
        prompts = SimpleNamespace(comparisons=contextlib.AsyncExitStack())
        self.state = SimpleNamespace(app=SimpleNamespace(prompts=prompts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)


@contextlib.asynccontextmanager
async def dashboard(folder: Path) -> AsyncIterator[Callable[..., "asyncio.Future[Opened]"]]:
    """A dashboard; yields how a stranger connects to it."""
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(StoreOptions(str(folder / "test.db"))))
        served = Dashboard(FakeGatewayView(parse("", "x", {}), store), WebOptions(port=0))  # type: ignore[arg-type]
        await stack.enter_async_context(served)
        port = int(served.url.rstrip("/").rpartition(":")[2])

        async def connect(host: str = STRANGER) -> Opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
            stack.callback(writer.close)
            return reader, writer

        yield connect  # type: ignore[misc]


async def asked(opened: Opened, path: str = "/healthz") -> bytes:
    """The first line of the answer; empty if the connection is closed instead."""
    reader, writer = opened
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(HANG):
            return (await reader.readline()).strip()
    except ConnectionError:
        return b""


async def closed(opened: Opened) -> None:
    async with asyncio.timeout(HANG):
        with contextlib.suppress(ConnectionError):
            assert await opened[0].read() == b""


def test_one_address_has_a_share_of_the_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PER_ADDRESS", 3)

    async def scenario() -> None:
        async with dashboard(tmp_path) as connect:
            silent = [await connect() for _ in range(3)]
            assert await asked(await connect()) == b""
            assert await asked(await connect("127.0.0.3")) == b"HTTP/1.1 200 OK"
            for _ in range(5):  # of a proxy
                assert await asked(await connect("127.0.0.1")) == b"HTTP/1.1 200 OK"
            silent[0][1].close()
            async with asyncio.timeout(HANG):
                while await asked(await connect()) == b"":
                    await asyncio.sleep(0)

    asyncio.run(scenario())


def test_health_is_answered_whoever_holds_all_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest silent connection makes room; if all have asked something, pages are refused, not probes."""
    monkeypatch.setattr(connections, "CONNECTIONS", 4)
    monkeypatch.setattr(connections, "RESERVE", 2)

    async def scenario() -> None:
        async with dashboard(tmp_path) as connect:
            silent = [await connect(f"127.0.0.{number}") for number in range(2, 8)]
            probe = await connect("127.0.0.9")
            assert await asked(probe) == b"HTTP/1.1 200 OK"
            await closed(silent[0])
            assert await asked(await connect("127.0.0.9"), "/trunks") == b"HTTP/1.1 200 OK", "they keep nobody out"
            busy = [await connect("127.0.0.9") for _ in range(4)]
            for stream in busy:
                assert await asked(stream, "/live/events") == b"HTTP/1.1 200 OK"
            assert await asked(await connect("127.0.0.9"), "/trunks") == b"HTTP/1.1 503 Service Unavailable"
            assert await asked(await connect("127.0.0.9")) == b"HTTP/1.1 200 OK"
            for _, writer in busy:
                writer.close()
            async with asyncio.timeout(HANG):
                while await asked(await connect("127.0.0.9"), "/trunks") != b"HTTP/1.1 200 OK":
                    await asyncio.sleep(0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HT",
        HALF_A_BODY,
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_request_must_be_complete_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "REQUEST_LIMIT", 0.05)

    async def scenario() -> None:
        async with dashboard(tmp_path) as connect:
            opened = await connect()
            opened[1].write(sent)
            await closed(opened)

    asyncio.run(scenario())


def test_an_answer_must_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_LIMIT", 0.05)
    ended = asyncio.Event()

    async def endless(_scope: Scope, receive: Receive, send: Send) -> None:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        left = asyncio.get_running_loop().create_task(gone())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.done():
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            await asyncio.sleep(0)
        ended.set()

    monkeypatch.setattr(server, "application", lambda *_: Served(endless))

    async def scenario() -> None:
        async with dashboard(tmp_path) as connect:
            _, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with asyncio.timeout(HANG):
                await ended.wait()

    asyncio.run(scenario())


def test_the_request_after_a_long_answer_must_be_complete_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_LIMIT", 0.5)
    size = 8 << 20

    async def long(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(size)})

    monkeypatch.setattr(server, "application", lambda *_: Served(long))

    async def scenario() -> None:
        async with dashboard(tmp_path) as connect:
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(size)
                writer.write(b"GET / HT")
            await closed((reader, writer))

    asyncio.run(scenario())


def test_an_answer_may_last_longer_than_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_LIMIT", 0.5)

    async def scenario() -> None:
        async with dashboard(tmp_path) as connect:
            stream = await connect("127.0.0.1")
            assert await asked(stream, "/live/events") == b"HTTP/1.1 200 OK"
            await closed(await connect())  # so the limit is over
            assert not stream[0].at_eof()

    asyncio.run(scenario())
