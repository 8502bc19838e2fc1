"""What the fakes of speech to text on websockets share: what is said, what goes wrong, and when.

What they say is keyed to the milliseconds of sound that they have received, never to a clock.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Request, Response

from tests.fakes.assemblyai import Said
from tests.fakes.websocket import Session, SocketServer

STEP = 640
"""Bytes (80 ms) that are thought about at a time, however much comes at once."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong, in the first `sessions` sessions."""

    sessions: int = 1
    refuse_status: int | None = None
    retry_after: str = ""
    silent: bool = False
    """Nothing ever comes from the server."""
    error: tuple[str, str] | None = None
    """An error message with code and description and a close, when `after_ms` of sound have come."""
    drop: bool = False
    after_ms: int = 0
    no_endpoint: bool = False
    """Deepgram v1: noise hides every silence."""
    noise: tuple[str, ...] = ()


class EndError(Exception):
    """The server tells of an error and ends the session."""

    def __init__(self, code: str, words: str) -> None:
        self.code, self.words = code, words


class ListeningServer(SocketServer):
    """`scripts[n]` is what is said in the n-th session; the last one serves all further sessions."""

    def __init__(self, *scripts: Sequence[Said], faults: Faults | None = None, key: str) -> None:
        self.faults = faults or Faults(sessions=0)
        super().__init__(key, self.faults.refuse_status)
        self.refused = 0
        self._scripts = scripts or ((),)

    def _gate(self, connection: ServerConnection, request: Request) -> Response | None:
        status, words = self.refusal(request)
        if not status and self._refuse_status and self.refused < self.faults.sessions:
            status, words = self._refuse_status, "refused"
        if not status:
            return None
        self.refused += 1
        response = connection.respond(status, f"{words}\n")
        if self.faults.retry_after:
            response.headers["Retry-After"] = self.faults.retry_after
        return response

    def refusal(self, request: Request) -> tuple[int, str]:
        """The status and the words with which a handshake is refused; 0 for one that is taken."""
        raise NotImplementedError

    async def serve(self, session: Session) -> None:
        count = len(self.sessions)
        faulty = count <= self.faults.sessions
        if faulty and self.faults.silent:
            await session.connection.wait_closed()
            return
        try:
            await self.listen(session, list(self._scripts[min(count, len(self._scripts)) - 1]), faulty=faulty)
        except EndError as end:
            await self.end(session, end)

    async def listen(self, session: Session, script: list[Said], *, faulty: bool) -> None:
        """Hold a session, until it is over."""
        raise NotImplementedError

    async def end(self, session: Session, end: EndError) -> None:
        """Tell of an error and close the connection."""
        raise NotImplementedError

    async def disturb(self, session: Session, *, faulty: bool) -> None:
        """Send what makes no sense, if it is to be so."""
        for noise in self.faults.noise if faulty else ():
            await session.connection.send(noise)

    async def hear(
        self, session: Session, ulaw: bytes, advance: Callable[[float], Awaitable[None]], *, faulty: bool
    ) -> None:
        """Take sound: `advance` is told the milliseconds of all that has come. Then go wrong, if it is to be so."""
        session.frames.append(len(ulaw))
        for at in range(0, len(ulaw), STEP):
            session.audio += ulaw[at : at + STEP]
            await advance(len(session.audio) / 8)
        if not faulty or len(session.audio) / 8 < self.faults.after_ms:
            return
        if self.faults.drop:
            session.cut()
            raise ConnectionClosedError(None, None)
        if self.faults.error is not None:
            raise EndError(*self.faults.error)
