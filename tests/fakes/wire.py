"""A websocket in memory, between a provider of ours and a fake: so a call can be held on virtual time."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from agent.providers import socket_realtime
from tests.fakes.websocket import Session, SocketServer


class ServerSide:
    """What a fake takes for its connection."""

    def __init__(self, url: str, headers: Mapping[str, str], listener: Any) -> None:
        self.request = SimpleNamespace(path="/", headers=headers)
        self.transport = SimpleNamespace(abort=lambda: self._end(1006))
        self.came: asyncio.Queue[str | None] = asyncio.Queue()
        self.listener: Any = listener
        self.gone = asyncio.Event()

    async def send(self, message: str) -> None:
        asyncio.get_running_loop().call_soon(self._receive, message)

    def _receive(self, message: str) -> None:
        if self.listener is not None:
            self.listener.received(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._end(code, reason)

    def _end(self, code: int, reason: str = "") -> None:
        if not self.gone.is_set():
            self.gone.set()
            self.came.put_nowait(None)
            if self.listener is not None:
                asyncio.get_running_loop().call_soon(self.listener.lost, code, reason)

    def __aiter__(self) -> AsyncIterator[str]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[str]:
        while (message := await self.came.get()) is not None:
            yield message


class ClientSide:
    """What `agent.providers.websocket.Socket` is to a provider."""

    writable = True

    def __init__(self, server: ServerSide) -> None:
        self._server = server

    def send(self, message: str) -> None:
        if not self._server.gone.is_set():
            self._server.came.put_nowait(message)

    async def wait_gone(self, time_limit: float) -> None:
        try:
            async with asyncio.timeout(time_limit):
                await self._server.gone.wait()
        except TimeoutError:
            pass
        self.abort()

    async def close(self, time_limit: float) -> None:
        self.abort()

    def abort(self) -> None:
        self._server.listener = None
        self._server._end(1006)


@contextmanager
def wired(**fakes: SocketServer) -> Iterator[None]:
    """Connections to ``ws://NAME`` reach the fake of that name."""
    serving = set[asyncio.Task[None]]()

    async def connect(url: str, headers: Mapping[str, str], listener: Any, time_limit: float) -> ClientSide:
        server, fake = ServerSide(url, headers, listener), fakes[url.removeprefix("ws://")]
        session: Any = Session(server)  # type: ignore[arg-type]
        fake.sessions.append(session)
        task = asyncio.get_running_loop().create_task(fake.serve(session))
        serving.add(task)
        task.add_done_callback(serving.discard)
        return ClientSide(server)

    with patch.object(socket_realtime, "connect", connect):
        yield
