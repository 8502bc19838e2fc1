# mypy: disable-error-code="union-attr"
"""What the websocket fakes share: a local server, a record of each session, a way to wait for what will be received."""

import asyncio
import ssl
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.waiting import HANG


class Session:
    """All that one client sent and was sent."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        url = urllib.parse.urlsplit(connection.request.path)
        self.path = url.path
        self.pairs = urllib.parse.parse_qsl(url.query)
        self.query = dict(self.pairs)
        self.headers = connection.request.headers
        self.audio = bytearray()
        self.frames: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.samples = 0
        """Samples of sound that were sent, for a server whose times count from the beginning of the session."""
        self.ended = False

    def cut(self) -> None:
        """End the connection without a close frame: the client sees 1006."""
        self.connection.transport.abort()


class SocketServer:
    """A websocket server on a free port of the loopback; `url` says where."""

    scheme = "ws"
    tls: ClassVar[ssl.SSLContext | None] = None
    """That of every server, for who measures with encryption."""

    def __init__(self, key: str, refuse_status: int | None) -> None:
        self.key = key
        self.sessions: list[Session] = []
        self._refuse_status = refuse_status
        self._news = asyncio.Condition()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}{'s' if self.tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self):
        self._server = await serve(
            self._serve, "127.0.0.1", 0, compression=None, process_request=self._gate, ssl=self.tls
        )
        return self

    async def __aexit__(self, *_):
        for session in self.sessions:
            session.cut()
        self._server.close()
        await self._server.wait_closed()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something that a client sent makes `true()` true; a test that waits in vain fails."""
        async with asyncio.timeout(HANG), self._news:
            await self._news.wait_for(true)

    async def note(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _gate(self, _connection: ServerConnection, _request: Request) -> Response | None:
        if self._refuse_status is None:
            return None
        return _connection.respond(HTTPStatus(self._refuse_status), "refused\n")

    async def _serve(self, connection: ServerConnection) -> None:
        session = Session(connection)
        self.sessions.append(session)
        await self.note()
        try:
            await self.serve(session)
        except ConnectionClosed:
            pass
        finally:
            session.ended = True
            await self.note()

    async def serve(self, session: Session) -> None:
        raise NotImplementedError
