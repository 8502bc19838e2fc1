"""STT on a websocket: drives the session of any streaming provider (`agent.providers.stt`)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

import structlog

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.faults import http_fault, quoted
from agent.providers.stt import CHANGING, SttBegun, SttFault, SttSession, put
from agent.providers.websocket import ConnectError, Socket, connect
from agent.stt import SttEvent, Transcript
from agent.turn_taking.expect import OPEN, Expected

INBOX = 256
"""Maximum events that wait for the reader; with more, the oldest are dropped. A partial is replaced by the next one at
once."""

KEEPALIVE = 4.0
"""Seconds between keep-alive messages before the first sound; Deepgram gives up after 10."""

_log = structlog.get_logger()


class SocketStt:
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, session: SttSession) -> None:
        self.name = session.name
        self._options = session.limits
        self._session = session
        self._socket: Socket | None = None
        self._inbox: deque[SttEvent] = deque(maxlen=INBOX)
        self._changed = asyncio.Event()
        self._begun = False
        self._loss: SttFault | None = None
        self._failures = 0  # lost sessions in a row
        self._closing = False
        self._hint = ""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def ends_turns(self) -> bool:
        """See `agent.stt.SpeechToText.ends_turns`."""
        return self._session.ends_turns

    @property
    def longest_silence(self) -> float:
        """See `agent.stt.SpeechToText.longest_silence`."""
        return self._session.longest_silence

    @property
    def product(self) -> str:
        """See `SttSession.product`."""
        return self._session.product

    @property
    def dropped(self) -> float:
        """Seconds of sound dropped so far because the connection did not take them."""
        return self._session.backlog.dropped / SAMPLE_RATE

    async def open(self) -> None:
        """Begin a session. Raises `ProviderError` when refused or slower than `open_limit`."""
        await self._connect()

    def send_audio(self, ulaw: bytes) -> None:
        """Take mu-law sound, and send it at once, in frames of at least `chunk` seconds."""
        if self._session.backlog.add(ulaw):
            self.writable()

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """Tell the model what the agent has `said`, and which answer is `wanted`, if the model takes such a hint."""
        self._hint = self._session.hint(said, wanted)
        self._send_hint()

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Change the language. A session that cannot change it is replaced, and sound without final words is sent
        again."""
        self._session.changes += self._session.listen_for(tuple(keyterms)), self._session.set_language(language)
        if self._begun:
            self._tell_changes()

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Ignore the voice activity: the services have no message for it."""

    async def events(self) -> AsyncIterator[SttEvent]:
        """Yield onsets and transcripts until `close`. Raises `ProviderError` when no further session can begin."""
        while True:
            while self._inbox:
                yield self._inbox.popleft()
            if self._closing:
                return
            if self._loss is not None:
                await self._replace(self._loss)
                continue
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Send the rest of the sound, and end the session. An abandoned session would be billed for up to 3 hours."""
        self._closing = True
        self._changed.set()
        if self._timer is not None:
            self._timer.cancel()
        socket, self._socket = self._socket, None
        if socket is None:
            return
        if self._begun and (tail := self._session.backlog.tail()):
            socket.send(self._session.message(tail))
        if not self._session.goodbye:
            await socket.close(self._options.close_limit)
            return
        socket.send(self._session.goodbye)
        await socket.wait_gone(self._options.close_limit)

    # Called by the socket.

    def received(self, message: str | bytes) -> None:
        """Take a message of the server."""
        event = self._session.receive(message)
        match event:
            case None:
                return
            case SttBegun():
                self._begun = True
            case SttFault():
                self._loss = self._loss or event
                self._begun = False
            case _:
                if isinstance(event, Transcript):
                    self._failures = 0
                put(self._inbox, event)
        self._changed.set()

    def writable(self) -> None:
        """Send the waiting sound."""
        while self._begun and self._socket is not None and self._socket.writable:
            frame = self._session.backlog.next_frame()
            if frame is None:
                return
            self._socket.send(self._session.message(frame))

    def lost(self, code: int, reason: str) -> None:
        """Note the end of the session. An earlier error message of the server takes precedence over `code` and
        `reason`."""
        self._begun = False
        self._loss = self._loss or SttFault(code, reason)
        self._changed.set()

    # Sessions.

    async def _replace(self, loss: SttFault) -> None:
        self._failures += loss.code != CHANGING
        fault = self._session.fault(loss)
        if not fault.temporary or self._failures > self._options.attempts:
            raise fault
        _log.warning("stt_lost", provider=self.name, code=loss.code, problem=fault.problem)
        await self._connect()
        _log.info("stt_replaced", provider=self.name)

    async def _connect(self) -> None:
        problem = ProviderError(self.name, f"no session within {self._options.open_limit:g} s")
        try:
            async with asyncio.timeout(self._options.open_limit):
                for attempt in range(self._options.attempts):
                    await asyncio.sleep(self._options.retry_pause * attempt)
                    try:
                        return await self._try_session()
                    except ProviderError as error:
                        problem = error
                        if not error.temporary or error.retry_after > self._options.open_limit:
                            break
        except TimeoutError:
            pass
        raise problem

    async def _try_session(self) -> None:
        """Connect, and wait until the session has begun. If that fails, the socket is closed."""
        if self._socket is not None:
            self._socket.abort()
            self._socket = None
        self._loss, self._begun = None, False
        self._session.begin()
        self._session.changes.clear()
        url, headers = self._session.request()
        try:
            self._socket = await connect(url, headers, self, self._options.open_limit)
            if hello := self._session.hello:
                self._socket.send(hello)
            self._begun = self._begun or not (self._session.begins or self._closing)
            while not self._begun and self._loss is None and not self._closing:
                self._changed.clear()
                await self._changed.wait()
        except ConnectError as error:
            if error.status is not None:
                words = quoted(error.words, self._options.api_key)
                raise http_fault(self.name, error.status, words, error.retry_after) from None
            raise ProviderError(self.name, quoted(error.problem, self._options.api_key)) from None
        finally:
            if not self._begun and self._socket is not None:
                if self._session.goodbye:
                    self._socket.send(self._session.goodbye)
                self._socket.abort()
                self._socket = None
        if self._loss is not None:
            raise self._session.fault(self._loss)
        if not self._begun:  # the STT was closed in the meantime
            return
        self._tell_changes()
        self._send_hint()
        self.writable()
        self._watch()

    def _tell_changes(self) -> None:
        changes, self._session.changes = self._session.changes, []
        if None in changes:
            self.lost(CHANGING, "another language")
        elif self._socket is not None:
            for message in filter(None, changes):
                self._socket.send(message)

    def _send_hint(self) -> None:
        if self._begun and self._hint and self._socket is not None:
            self._socket.send(self._hint)

    def _watch(self, quiet: float = 0.0) -> None:
        """Check after a while whether sound comes from the line; none has come for `quiet` seconds."""
        if self._timer is not None:
            self._timer.cancel()
        wait, heard = self._options.silence_after, self._session.backlog.heard
        self._timer = asyncio.get_running_loop().call_later(wait, self._look, quiet + wait, heard)

    def _look(self, quiet: float, heard: int) -> None:
        """If no sound has come, send silence in its place; before the first sound, send a keep-alive message."""
        self._timer = None
        if not self._begun or self._socket is None:
            return
        backlog = self._session.backlog
        if backlog.heard != heard or not self._socket.writable:
            quiet = 0.0
        elif backlog.sent_in_session:
            samples = round(min(self._options.silence_after, 1.0) * SAMPLE_RATE)
            self._socket.send(self._session.message(backlog.tail() or backlog.silence(samples)))
        elif self._session.keepalive and quiet >= KEEPALIVE:
            self._socket.send(self._session.keepalive)
            quiet = 0.0
        self._watch(quiet)
