"""A client websocket without tasks: received messages call the listener, and sent ones are written at once.

The protocol is that of the `websockets` library (its sans-IO half, https://websockets.readthedocs.io); this file only
ties it to an asyncio transport. Its coroutine interface would cost a task and two wake-ups per message for each of the
two sockets of a call; and an `SpeechToText.send_audio` that never blocks needs a send that never blocks.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.uri import WebSocketURI, parse_uri

from agent.authorities import tls
from agent.providers.faults import seconds_of

MAX_MESSAGE = 1 << 20
"""Maximum bytes of a message; a longer one closes the socket with the code 1009."""

PING_EVERY = 15.0
"""Seconds between pings. A peer that sends nothing between two pings is given up (code 1006)."""

ABNORMAL = 1006
"""The close code for a connection that died without a close frame (RFC 6455 §7.1.5)."""

_WRITE_HIGH, _WRITE_LOW = 16_000, 4_000  # 2 s and 0.5 s of mu-law

# The library logs handshake headers, and so the key, at DEBUG: this logger never goes that far.
_logger = logging.getLogger("agent.websocket")
_logger.setLevel(logging.INFO)


class SocketListener(Protocol):
    """The callbacks of a socket. None of them may block or raise."""

    def received(self, message: str | bytes) -> None:
        """Take one whole message."""
        ...

    def writable(self) -> None:
        """Go on sending: the backlog that made `Socket.writable` false is gone."""
        ...

    def lost(self, code: int, reason: str) -> None:
        """Note the end of the connection, with the peer's close code or 1006. Called once, and not after `abort`."""
        ...


class ConnectError(Exception):
    """The connection could not be made. `status` is the status of an HTTP refusal, otherwise None. A refusal also has
    the provider's `words`, and `retry_after`: the seconds for which it wants no requests (0 if it names none).
    """

    def __init__(self, problem: str, status: int | None = None, words: str = "", retry_after: float = 0.0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.words = words
        self.retry_after = retry_after


async def connect(url: str, headers: Mapping[str, str], listener: SocketListener, time_limit: float) -> "Socket":
    """Open a websocket within `time_limit` seconds. Raises `ConnectError`."""
    try:
        uri = parse_uri(url)
    except (InvalidURI, ValueError):
        raise ConnectError("the URL is not a websocket URL") from None
    socket, ready = Socket(uri, headers, listener), False
    try:
        async with asyncio.timeout(time_limit):
            await asyncio.get_running_loop().create_connection(
                lambda: socket, uri.host, uri.port, ssl=tls() if uri.secure else None
            )
            await socket.opened
        ready = socket.is_open
    except TimeoutError:
        raise ConnectError(f"no connection within {time_limit:g} s") from None
    except OSError as error:
        raise ConnectError(f"no connection: {error.strerror or type(error).__name__}") from None
    finally:
        if not ready:  # also an open one, if the waiting task was cancelled
            socket.abort()
    return socket


class Socket(asyncio.Protocol):
    """One open websocket; made by `connect`."""

    def __init__(self, uri: WebSocketURI, headers: Mapping[str, str], listener: SocketListener) -> None:
        self._websocket = ClientProtocol(uri, max_size=MAX_MESSAGE, logger=_logger)
        self._headers = headers
        self._listener: SocketListener | None = listener
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._alive = True
        self._parts: list[bytes] = []
        self._text = False
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self.writable = True
        """False while more than 2 s of sound wait to be written."""

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._websocket.state is OPEN and not self._gone.done()

    def send(self, message: str | bytes) -> None:
        """Send one message, text or binary. On a socket that is not open, nothing happens."""
        if not self.is_open or self._transport is None or self._transport.is_closing():
            return
        opcode, data = (Opcode.TEXT, message.encode()) if isinstance(message, str) else (Opcode.BINARY, message)
        self._transport.write(Frame(opcode, data).serialize(mask=True))  # as the library does, in fewer steps

    async def close(self, time_limit: float) -> None:
        """Close with a close frame: wait up to `time_limit` seconds for the peer's, then cut the connection."""
        if self.is_open:
            self._websocket.send_close(1000)
            self._flush()
        await self.wait_gone(time_limit)

    async def wait_gone(self, time_limit: float) -> None:
        """Wait up to `time_limit` seconds until the peer has closed, then cut the connection."""
        try:
            await asyncio.wait((self._gone,), timeout=time_limit)
        finally:
            self.abort()

    def fail(self, code: int, reason: str) -> None:
        """Close the connection with this close code. The listener gets no further calls."""
        self._listener = None
        self._websocket.fail(code, reason)
        self._flush()
        self._end("")

    def abort(self) -> None:
        """Cut the connection at once. The listener gets no further calls."""
        self._listener = None
        if self._transport is not None:
            self._transport.abort()
        self._end("")

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake (RFC 6455 §4.1)."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH, low=_WRITE_LOW)
        request = self._websocket.connect()
        request.headers.update(self._headers)
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Give the bytes to the protocol, and its messages to the listener."""
        self._alive = True
        self._websocket.receive_data(data)
        self._flush()
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                self._answered()
            elif isinstance(event, Frame):
                self._frame(event)
        if self._websocket.handshake_exc is not None:
            self._answered()
        elif self._websocket.close_expected():
            self._end("")

    def eof_received(self) -> None:
        """Let the transport close itself."""
        self._websocket.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._end(type(exc).__name__ if exc else "connection closed")
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """Note that the transport's buffer is full: `writable` is false."""
        self.writable = False

    def resume_writing(self) -> None:
        """Note that the transport's buffer has room again, and tell the listener."""
        self.writable = True
        if self._listener is not None:
            self._listener.writable()

    # The protocol's output.

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if self._transport is None or self._transport.is_closing():
                continue
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _answered(self) -> None:
        refusal = self._websocket.handshake_exc
        if self.opened.done():
            return
        if refusal is None:
            self.opened.set_result(None)
            self._timer = asyncio.get_running_loop().call_later(PING_EVERY, self._ping)
        elif isinstance(refusal, InvalidStatus):
            status, fields = refusal.response.status_code, refusal.response.headers
            words, wait = fields.get("dg-error", ""), seconds_of(fields.get("Retry-After"))
            self.opened.set_exception(ConnectError(f"refused with HTTP {status}", status, words, wait))
        else:
            self.opened.set_exception(ConnectError(f"no websocket there ({type(refusal).__name__})"))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._parts = [bytes(frame.data)]
            self._text = frame.opcode is Opcode.TEXT
        elif frame.opcode is Opcode.CONT:
            self._parts.append(bytes(frame.data))
        else:
            return  # the protocol answers pings and close frames itself
        if not frame.fin or self._listener is None:
            return
        data, self._parts = b"".join(self._parts), []
        try:
            self._listener.received(data.decode() if self._text else data)
        except UnicodeDecodeError:
            self._websocket.fail(1007, "invalid UTF-8")
            self._flush()
            self._end("invalid UTF-8")

    def _ping(self) -> None:
        if not self._alive:
            if self._transport is not None:
                self._transport.abort()
            self._end("no answer to a ping")
            return
        self._alive = False
        if self.is_open:
            self._websocket.send_ping(b"")
            self._flush()
        self._timer = asyncio.get_running_loop().call_later(PING_EVERY, self._ping)

    def _end(self, reason: str) -> None:
        """Stop the timer, wake the task that waits for the opening, and tell the listener. Only the first call has an
        effect."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(ConnectError(reason or "connection closed"))
            self.opened.exception()  # perhaps no task waits for it
        listener, self._listener = self._listener, None
        if listener is None or self.opened.exception() is not None:
            return
        close = self._websocket.close_rcvd
        listener.lost(close.code if close else ABNORMAL, close.reason if close else reason)
