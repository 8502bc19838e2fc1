"""Speech to speech on a websocket: drives the session of any provider (`agent.providers.realtime`)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Self

import structlog

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.faults import http_fault, quoted
from agent.providers.realtime import RealtimeBegun, RealtimeFault, RealtimeSession, SessionEvent
from agent.providers.stt import put
from agent.providers.websocket import ConnectError, Socket, connect
from agent.realtime import Brief, RealtimeEvent, ReplyAudio

MAX_WAITING = 300 * SAMPLE_RATE
"""Maximum bytes of sound (5 minutes) that may wait for the reader; more is an error."""

INBOX = 10_000
"""Maximum events that may wait for the reader."""

RESUMES = 3
"""Maximum times in a row that a lost session is resumed."""

_log = structlog.get_logger()


class SocketRealtime:
    """The session of one call."""

    def __init__(self, session: RealtimeSession) -> None:
        self.name, self.product, self.full_duplex = session.name, session.product, session.full_duplex
        self._session = session
        self._socket: Socket | None = None
        self._inbox: deque[RealtimeEvent] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._begun = False
        self._loss: RealtimeFault | None = None
        self._losses = 0  # resumptions in a row
        self._closing = False

    @classmethod
    def of(cls, session: Callable[[Any, Brief], RealtimeSession]) -> Callable[[Any], Callable[[Brief], Self]]:
        """The function `agent.providers.provider.Provider.make` for the protocol `session`."""
        return lambda options: lambda brief: cls(session(options, brief))

    async def open(self) -> None:
        """Begin the session. Raises `ProviderError` when refused or slower than `open_limit`."""
        await self._connect()

    def send_audio(self, ulaw: bytes) -> None:
        """Take mu-law sound, and send it at once, in pieces of at least `chunk` seconds."""
        self._session.backlog.add(ulaw)
        self.writable()

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        """Yield the events of the session until `close`. Raises `ProviderError` when the session is lost and cannot be
        resumed."""
        while True:
            while self._inbox:
                event = self._inbox.popleft()
                self._waiting -= len(event.ulaw) if isinstance(event, ReplyAudio) else 0
                yield event
            if self._closing:
                return
            if self._loss is not None:
                await self._resume(self._loss)
                continue
            self._changed.clear()
            await self._changed.wait()

    def cut(self, reply: str, samples: int) -> None:
        """Note that only `samples` of `reply` were played. Its waiting sound is dropped."""
        self._inbox = deque(event for event in self._inbox if getattr(event, "reply", None) != reply)
        self._waiting = sum(len(event.ulaw) for event in self._inbox if isinstance(event, ReplyAudio))
        self._session.cut(reply, samples)
        self._flush()

    def hush(self) -> None:
        """Stop the reply that is being made."""
        self._session.hush()
        self._flush()

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        """Give the result of a tool call."""
        self._session.answer(call, result, failed=failed)
        self._flush()

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Let the model say something now, by these `instructions`."""
        self._session.prompt(instructions, aside=aside)
        self._flush()

    def tell(self, text: str) -> None:
        """Give the model `text` as words of the caller."""
        self._session.tell(text)
        self._flush()

    def instruct(self, instructions: str) -> None:
        """Change the system prompt, also of a session that is being resumed."""
        self._session.brief = replace(self._session.brief, instructions=instructions)
        self._session.instruct(instructions)
        self._flush()

    async def close(self) -> None:
        """End the session."""
        self._closing = True
        self._changed.set()
        socket, self._socket = self._socket, None
        if socket is None:
            return
        if self._session.goodbye:
            socket.send(self._session.goodbye)
            await socket.wait_gone(self._session.limits.close_limit)
        else:
            await socket.close(self._session.limits.close_limit)

    # Called by the socket.

    def received(self, message: str | bytes) -> None:
        """Take a message of the server."""
        self._take(self._session.receive(message))

    def _take(self, events: list[SessionEvent]) -> None:
        for event in events:
            match event:
                case RealtimeBegun():
                    self._begun = True
                case RealtimeFault():
                    self._loss, self._begun = self._loss or event, False
                case _:
                    self._losses = 0
                    put(self._inbox, event)
                    self._waiting += len(event.ulaw) if isinstance(event, ReplyAudio) else 0
        if self._waiting > MAX_WAITING or len(self._inbox) > INBOX:
            self._inbox.clear()
            self._loss, self._waiting = RealtimeFault(1009, "sent more than can be heard"), 0
        self._flush()
        self._changed.set()

    def writable(self) -> None:
        """Send the waiting sound of the caller."""
        while self._begun and self._socket is not None and self._socket.writable:
            frame = self._session.backlog.next_frame()
            if frame is None:
                return
            self._socket.send(self._session.frame(frame))
            if events := self._session.lapse():
                self._take(events)

    def lost(self, code: int, reason: str) -> None:
        """Note the end of the connection. An earlier error message of the server takes precedence over `code` and
        `reason`."""
        self._begun = False
        self._loss = self._loss or RealtimeFault(code, reason)
        self._changed.set()

    # Sessions.

    def _flush(self, *, hello: bool = False) -> None:
        """Send the messages that wait. Until a session has been resumed, only its `hello` is sent."""
        if self._socket is None:  # the server may speak before `connect` has returned
            return
        if self._session.resumes and not (self._begun or hello):
            return
        messages, self._session.outbox = self._session.outbox, []
        for message in messages:
            self._socket.send(message)

    async def _resume(self, loss: RealtimeFault) -> None:
        fault = self._session.fault(loss)
        self._losses += 1
        if not fault.temporary or not self._session.resumes or self._losses > RESUMES:
            raise fault
        _log.warning("realtime_lost", provider=self.name, problem=fault.problem)
        await self._connect()

    async def _connect(self) -> None:
        if self._socket is not None:
            self._socket.abort()
        self._loss, self._begun, self._socket = None, False, None
        limits = self._session.limits
        url, headers = self._session.request()
        try:
            async with asyncio.timeout(limits.open_limit):
                self._socket = await connect(url, headers, self, limits.open_limit)
                kept, self._session.outbox = self._session.outbox, []
                self._session.begin()
                self._flush(hello=True)
                self._session.outbox = kept
                self._flush()
                while not self._begun and self._loss is None and not self._closing:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise ProviderError(self.name, f"no session within {limits.open_limit:g} s") from None
        except ConnectError as error:
            if error.status is not None:
                words = quoted(error.words, limits.api_key)
                raise http_fault(self.name, error.status, words, error.retry_after) from None
            raise ProviderError(self.name, quoted(error.problem, limits.api_key)) from None
        finally:
            if not self._begun and self._socket is not None:
                if self._session.goodbye:  # a session without a proper end may be billed longer
                    self._socket.send(self._session.goodbye)
                self._socket.abort()
                self._socket = None
        if self._loss is not None:
            raise self._session.fault(self._loss)
        self.writable()
