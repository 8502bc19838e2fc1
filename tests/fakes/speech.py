"""What the fakes of voices on websockets share: what goes wrong, and when."""

import asyncio
import contextlib
import urllib.parse
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.fakes.elevenlabs import TtsFaults, pieces, sound_of
from tests.fakes.websocket import Session, SocketServer


class EndError(Exception):
    """The server ends the connection."""

    def __init__(self, code: str, words: str, close: int = 1008) -> None:
        self.code, self.words, self.close = code, words, close


class SpeechServer(SocketServer):
    """A voice on a websocket. `texts` are the sentences in the order in which they came."""

    auth = ("Authorization", "")
    """The header with the key, and what stands before the key."""
    paths: tuple[str, ...] = ()

    def __init__(
        self,
        faults: TtsFaults | None = None,
        *,
        key: str = "the-key",
        delay: float = 0.0,
        sound: Callable[[str], bytes] = sound_of,
    ) -> None:
        self.faults = faults or TtsFaults(sentence=0)
        super().__init__(key, self.faults.refuse_status)
        self.texts: list[str] = []
        self._delay, self._sound = delay, sound
        self._released = asyncio.Event()

    def release(self) -> None:
        """Go on with what `hold_after` holds."""
        self._released.set()

    def _gate(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urllib.parse.urlsplit(request.path)
        if url.path not in self.paths:
            return connection.respond(404, "no such path\n")
        if not self.has_key(request) and not self.accepts_any_key:
            return connection.respond(401, "invalid credentials\n")
        if self._refuse_status:
            response = connection.respond(self._refuse_status, "refused\n")
            response.headers["Retry-After"] = "7"
            return response
        return None

    def has_key(self, request: Request) -> bool:
        name, scheme = self.auth
        return bool(request.headers.get(name) == scheme + self.key)

    accepts_any_key = False
    """Whether a wrong key is told only after the upgrade."""

    async def serve(self, session: Session) -> None:
        async with asyncio.TaskGroup() as speaking:
            tasks: list[asyncio.Task[None]] = []

            def start(job: Any) -> asyncio.Task[None]:
                tasks.append(speaking.create_task(self._quiet(job)))
                return tasks[-1]

            try:
                await self.obey(session, start)
                await session.connection.close(1000)
            except EndError as end:
                await self._quiet(self.end(session, end))
            except ConnectionClosed:
                pass
            for task in tasks:
                task.cancel()

    @staticmethod
    async def _quiet(job: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            await job

    async def say(self, session: Session, text: str, send: Callable[[bytes | None], Any]) -> bool:
        """Send the sound of `text` by `send` (None: what is no sound); False if something ended it."""
        self.texts.append(text)
        await self.note()
        await asyncio.sleep(self._delay)
        faults = self.faults.of(len(self.texts))
        if faults.error is not None:
            await self.end(session, EndError(*faults.error))
            return False
        for count, piece in enumerate(pieces(b"" if faults.no_sound else self._sound(text))):
            if count == faults.cut_after:
                session.cut()
                return False
            if count == faults.hold_after:
                await self._released.wait()
            await send(None if faults.nonsense else piece)
        if faults.cut_at_end:
            session.cut()
            return False
        return True

    async def obey(self, session: Session, start: Callable[[Any], asyncio.Task[None]]) -> None:
        raise NotImplementedError

    async def end(self, session: Session, end: EndError) -> None:
        raise NotImplementedError
