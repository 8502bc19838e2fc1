"""An agent's own server as its brain: the session of one call in the messages of ConversationRelay.

`Relay` is the `agent.llm.LanguageModel` of one call. It sends the caller's words as a prompt; what the server sends
until ``last`` is the reply. If the server sends something without a prompt, `Relay.arrived` is called, and the messages
wait for `Relay.reply`.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from agent.bounds import FULL
from agent.errors import ProviderError
from agent.llm import CallCommand, Message, Piece, Text, ToolSchema
from agent.providers.faults import http_fault
from agent.providers.websocket import ConnectError, Socket, SocketListener, connect
from agent.relay import messages as wire
from agent.relay.call import RelayCall
from agent.relay.talk import WAITING, Command, Cycle, RelayTalk, Signal

NAME = "brain"
"""The provider in logs and errors: the URL may hold secrets."""
CONNECT = 2.5
"""Seconds that the server has to accept a session."""
CLOSE = 1.0
"""Seconds that the server has to close a session."""
AGAIN = (0.0, 0.5, 1.5)
"""Seconds before each try to have another session while nobody waits: all there are until the caller speaks again."""
PAUSE = 4.0
"""Seconds after a token within which the next one has to come. Otherwise the tokens so far are taken for the whole
reply."""
MALFORMED = 10
"""Number of invalid messages in a row after which the session is given up, as the vendors do."""
INVALID, NORMAL = 1007, 1000
"""Websocket close codes: after invalid messages, and of a server that ends a session itself (RFC 6455 §7.4.1)."""

_log = structlog.get_logger()


async def _ignored(command: Command) -> None:
    """Carries out the commands of the server."""


class Relay:
    """The session of one call. Set all callbacks before `open`."""

    def __init__(
        self,
        told: RelayCall,
        dial: Callable[[str, Mapping[str, str], SocketListener, float], Awaitable[Socket]] = connect,
    ) -> None:
        self.name = NAME
        self.perform: Callable[[Command], Awaitable[None]] = _ignored
        """Carries out a command when its place among the words is reached. Raises `agent.relay.messages.RelayFault`."""
        self.arrived: Callable[[], None] = lambda: None
        """Called when the server has sent something without a prompt."""
        self.gone: Callable[[], None] = lambda: None
        """Called when the connection was lost; `recover` may then be called."""
        self.language: Callable[[], str] = lambda: "en"
        """Returns the caller's language (ISO 639-1)."""
        self.refused = 0
        """Messages of the server that were not followed."""
        self._told = told
        self._dial = dial
        self._session = RelayTalk()
        self._connecting = asyncio.Lock()
        self._again = iter(AGAIN), 0
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether something waits that no reply has taken."""
        return bool(self._session.queue) and self._session.reader is None

    @property
    def preempts(self) -> bool:
        """Whether the waiting messages take the place of what is being said."""
        return self.waiting and self._session.preempts

    @property
    def is_open(self) -> bool:
        """Whether there is a session that goes on."""
        return self._session.alive and self._session.cycle is not Cycle.OVER

    async def open(self) -> None:
        """Begin a session, unless there is one. Raises `ProviderError`."""
        async with self._connecting:
            if not self.is_open:
                await self._begin()

    async def _begin(self) -> None:
        former = self._session
        if former.given_up:
            raise ProviderError(NAME, former.given_up, temporary=False)
        if former.socket is not None:
            await former.socket.close(0.0)
        self._session = talk = RelayTalk()  # a server may speak before it was told anything
        try:
            talk.socket = socket = await self._dial(self._told.url, self._told.headers, self, CONNECT)
        except ConnectError as error:
            if error.status is not None:
                raise http_fault(NAME, error.status, "", error.retry_after) from None
            advice = "is the server of [agent] brain running?"
            raise ProviderError(NAME, error.problem, advice=advice, refused=True) from None
        finally:
            if talk.socket is None:  # refused or cancelled: keep what waits in the former session
                self._session = former
        if self._closed:
            socket.abort()
            return
        talk.queue.extendleft(reversed(former.queue))
        former.queue.clear()
        session = f"VX{uuid.uuid4().hex}"
        socket.send(wire.setup(self._told.call, self._told.parameters, session))
        _log.info("brain_session", session=session)

    async def recover(self) -> None:
        """Begin another session in the place of a lost one. If that fails, the next reply raises the error."""
        for wait in self._again[0]:
            await asyncio.sleep(wait)
            try:
                await self.open()
            except ProviderError as error:
                _log.warning("brain_lost", problem=error.problem)
                if not error.temporary:
                    return
            else:
                return

    async def close(self) -> None:
        """End the session; safe to call twice."""
        self._closed = True
        socket, self._session.socket = self._session.socket, None
        if socket is not None:
            await socket.close(CLOSE)

    # What the server is told

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Send what the caller has said since the last prompt, and stream what the server says.

        Raises `ProviderError` when there is no session to be had, or it is lost before the first word.
        """
        said = [message["content"] for message in messages if message["role"] == "user"]
        if self._session.wants(said):
            await self.open()
            if len(said) > self._again[1]:
                self._again = iter(AGAIN), len(said)
            self._send(wire.prompt(self._session.ask(said), self.language(), last=True))
        session, begun, finished = self._session, False, False
        session.reader = reader = object()
        try:
            while True:
                while session.queue and session.reader is reader:
                    item = session.queue.popleft()
                    begun = True
                    if isinstance(item, wire.Token):
                        yield Text(item.text)
                    else:
                        session.begun.append(item)
                        yield CallCommand(partial(self._follow, session, item))
                lost = session.given_up or ("" if session.alive else "the connection was lost")
                if session.ended(reader) or (begun and lost):  # keep what it has said
                    finished = True
                    return
                if lost:
                    raise ProviderError(NAME, lost, temporary=not session.given_up)
                await self._more(session)
        finally:
            if session.reader is reader:  # else the next one may have begun
                session.reader = None
                if not finished:
                    session.break_off()

    async def _more(self, session: RelayTalk) -> None:
        """Wait for the server's next message. If the server does not mark the end of its reply, the reply ends after
        `PAUSE` seconds."""
        session.come.clear()
        try:
            async with asyncio.timeout(PAUSE if session.cycle is Cycle.TALKING else None):
                await session.come.wait()
        except TimeoutError:
            _log.info("brain_reply_without_end")
            session.step(Signal.LAST)

    async def _follow(self, session: RelayTalk, command: Command) -> None:
        if command in session.begun:
            session.begun.remove(command)
        try:
            await self.perform(command)
        except wire.RelayFault as fault:
            self._send(wire.error(str(fault)))

    def partial(self, text: str) -> None:
        """Send the words of a caller who is still speaking."""
        self._send(wire.prompt(text, self.language(), last=False))

    def press(self, key: str) -> None:
        """Send a key that the caller pressed."""
        self._again = iter(AGAIN), self._again[1]
        self._session.step(Signal.KEY)
        self._send(wire.dtmf(key))

    def interrupted(self, heard: str, seconds: float) -> None:
        """Tell the server that the caller broke a reply off after so many seconds; `heard` is what they heard of its
        words."""
        self._send(wire.interrupt(wire.heard_of(self._session.sent, heard), seconds))

    def break_off(self) -> None:
        """Drop the words of the reply that are not heard yet, and keep its commands."""
        self._session.break_off()

    def _send(self, message: str) -> None:
        if self.is_open and self._session.socket is not None:
            self._session.socket.send(message)

    # Called by the socket

    def received(self, message: str | bytes) -> None:
        """Take a message of the server."""
        session = self._session
        if session.cycle is Cycle.OVER:
            return
        try:
            self._take(session, message)
        except wire.RelayFault as fault:
            _log.warning("brain_message_refused", problem=str(fault), bytes=len(message))
            self._send(wire.error(str(fault)))
            self.refused += 1
            session.malformed += 1
            if session.malformed >= MALFORMED and session.socket is not None:
                session.given_up = f"sent {MALFORMED} messages in a row that cannot be followed"
                session.socket.fail(INVALID, "Too many consecutive malformed messages.")
        else:
            session.malformed = 0
        session.come.set()
        if self.waiting:
            self.arrived()

    def _take(self, session: RelayTalk, message: str | bytes) -> None:
        item = wire.read(message)
        if item is None:
            return
        if len(session.queue) >= WAITING and not isinstance(item, wire.End):
            FULL["messages of a brain"] += 1
            raise wire.RelayFault(f"{WAITING} messages already wait")
        match item:
            case wire.Token():
                session.token(item)
            case wire.End():
                session.step(Signal.END)
                session.queue.append(item)
            case wire.Play() if session.cycle is Cycle.CUT:
                pass
            case wire.Play():
                session.begins(item)
                session.queue.append(item)
            case _:
                session.queue.append(item)

    def writable(self) -> None:
        """Do nothing: no message waits here to be sent."""

    def lost(self, code: int, reason: str) -> None:
        """Note that the connection is gone. If the server closed it properly, it has ended the session."""
        session = self._session
        session.socket = None
        if self._closed or session.cycle is Cycle.OVER:
            return
        if code == NORMAL:
            session.step(Signal.END)
            session.queue.append(wire.End())
        session.come.set()
        if code == NORMAL:
            if self.waiting:
                self.arrived()
        else:
            self.gone()
