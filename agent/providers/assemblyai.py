"""Ears by AssemblyAI streaming, version 3: the session of `assemblyai_session` on a websocket.

https://www.assemblyai.com/docs/speech-to-text/universal-streaming
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator

import structlog

from agent.ears import EarsEvent, Transcript
from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.assemblyai_session import CONTEXT_LIMIT, AssemblyAIOptions, Begun, Fault, Session
from agent.providers.faults import http_fault, quoted
from agent.providers.websocket import ABNORMAL, ConnectError, Socket, connect

INBOX = 256
"""Events that wait for the reader; beyond that the oldest are dropped. A partial gives way to the next at once."""

_TERMINATE = json.dumps({"type": "Terminate"})
_log = structlog.get_logger()

# Error and close codes: what it is, what to do about it, whether another session may go better.
_CODES = {
    1000: ("the server ended the session", "", True),
    1001: ("the server is going away", "", True),
    1006: ("connection lost", "", True),
    1008: ("refused the API key or the account", "check the key, the balance and the plan", False),
    1009: ("sent a message beyond 1 MiB", "", True),
    1011: ("internal error of the server", "", True),
    1013: ("the server is overloaded", "", True),
    3005: ("session cancelled by the server", "", True),
    3006: ("refused a message or parameter", "check model, keyterms and language", False),
    3007: ("refused the sound's length or rate", "this is a fault of the gateway: report it", False),
    3008: ("session expired", "", True),
    3009: ("too many sessions", "raise the account's limit of new sessions per minute", True),
}


class AssemblyAIEars:
    """The ears of one call. A lost session is replaced within the call, without losing words."""

    name = "assemblyai"

    def __init__(self, options: AssemblyAIOptions) -> None:
        self._options = options
        self._session = Session(options)
        self._socket: Socket | None = None
        self._inbox: deque[EarsEvent] = deque(maxlen=INBOX)
        self._changed = asyncio.Event()
        self._begun = False
        self._loss: Fault | None = None
        self._failures = 0  # losses in a row
        self._closing = False
        self._said = ""

    @property
    def dropped(self) -> float:
        """Seconds of sound dropped so far because the connection did not take them."""
        return self._session.dropped / SAMPLE_RATE

    async def open(self) -> None:
        """Begin a session. Raises `ProviderError` when refused or slower than `open_limit`."""
        await self._connect()

    def hear(self, ulaw: bytes) -> None:
        """Take mu-law sound; it leaves in frames of `chunk` seconds."""
        self._session.hear(ulaw)
        self.writable()

    def expect(self, said: str) -> None:
        """Hint at the answer by the question, where the model takes it (`AssemblyAIOptions.takes_context`)."""
        if self._options.takes_context:
            self._said = said[-CONTEXT_LIMIT:]
            self._send_context()

    async def events(self) -> AsyncIterator[EarsEvent]:
        """Yield what is heard until `close`. Raises `ProviderError` when no further session can be had."""
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
        """Send what is left and end the session; an abandoned one would be billed for up to 3 hours."""
        self._closing = True
        self._changed.set()
        socket, self._socket = self._socket, None
        if socket is None:
            return
        if self._begun and (tail := self._session.tail()):
            socket.send(tail)
        socket.send(_TERMINATE)
        await socket.wait_gone(self._options.close_limit)

    # Called by the socket.

    def received(self, message: str | bytes) -> None:
        """Take a message of the server."""
        event = self._session.receive(message)
        match event:
            case None:
                return
            case Begun():
                self._begun = True
            case Fault():
                self._loss = event
                self._begun = False
            case _:
                if isinstance(event, Transcript):
                    self._failures = 0
                self._put(event)
        self._changed.set()

    def writable(self) -> None:
        """Send what waits."""
        while self._begun and self._socket is not None and self._socket.writable:
            frame = self._session.next_frame()
            if frame is None:
                return
            self._socket.send(frame)

    def lost(self, code: int, reason: str) -> None:
        """Note the end of the session; an error message that came before it says more."""
        self._begun = False
        self._loss = self._loss or Fault(code, reason)
        self._changed.set()

    # Sessions.

    async def _replace(self, loss: Fault) -> None:
        self._failures += 1
        fault = self._fault(loss)
        if not fault.temporary or self._failures > self._options.attempts:
            raise fault
        _log.warning("ears_lost", provider=self.name, code=loss.code, problem=fault.problem)
        await self._connect()
        _log.info("ears_replaced", provider=self.name)

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
                        if not error.temporary:
                            break
        except TimeoutError:
            pass
        raise problem

    async def _try_session(self) -> None:
        """Connect and wait for Begin; leaves no socket behind when that fails."""
        if self._socket is not None:
            self._socket.abort()
            self._socket = None
        self._loss, self._begun = None, False
        self._session.begin()
        try:
            self._socket = await connect(
                self._options.session_url(),
                {"Authorization": self._options.api_key},
                self,
                self._options.open_limit,
            )
            while not self._begun and self._loss is None and not self._closing:
                self._changed.clear()
                await self._changed.wait()
        except ConnectError as error:
            if error.status is not None:
                raise http_fault(self.name, error.status) from None
            raise ProviderError(self.name, quoted(error.problem, self._options.api_key)) from None
        finally:
            if not self._begun and self._socket is not None:
                self._socket.send(_TERMINATE)
                self._socket.abort()
                self._socket = None
        if self._loss is not None:
            raise self._fault(self._loss)
        self._send_context()
        self.writable()

    def _send_context(self) -> None:
        if self._begun and self._said and self._socket is not None:
            self._socket.send(json.dumps({"type": "UpdateConfiguration", "agent_context": self._said}))

    def _put(self, event: EarsEvent) -> None:
        waiting = self._inbox[-1] if self._inbox else None
        if isinstance(event, Transcript) and isinstance(waiting, Transcript) and not waiting.final:
            self._inbox.pop()  # partials are cumulative
        self._inbox.append(event)

    def _fault(self, loss: Fault) -> ProviderError:
        problem, advice, temporary = _CODES.get(loss.code, (f"error {loss.code}", "", False))
        if loss.code == 1008 and "too many" in loss.words.lower():
            problem, advice, temporary = _CODES[3009]
        if loss.code != ABNORMAL and loss.words:
            problem = f"{problem}: {quoted(loss.words, self._options.api_key)}"
        return ProviderError(self.name, problem, advice=advice, temporary=temporary)
