"""One TCP or TLS connection: framing, keepalives, and limits for unknown sources."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol, cast

import structlog

from sipgw.sip.connecting import cause_of
from sipgw.sip.connection_key import ConnectionKey, Needed
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request, Response
from sipgw.sip.parse import ParseError, Ping, StreamFramer, parsed
from sipgw.sip.tls import Tls

log = structlog.get_logger()

PARTIAL_LIMIT = 10.0
"""Seconds in which a begun message must be complete, and the opener of a connection must be admitted."""
HANDSHAKE_LIMIT = 5.0
"""Seconds for the TLS handshake of a connection opened to us."""
IDLE_LIMIT = 600.0
"""Seconds without any byte except pongs, after which a connection is closed that no call, phone or trunk needs."""
CLOSE_LIMIT = 5.0
"""Seconds that a closing connection has to send the rest. So a peer that does not read cannot keep it in the table."""
UNSENT_LIMIT = 256 * 1024
"""Bytes that a slow reader may leave unsent before it is cut off."""
MAX_FAULTS = 20
"""Unusable messages, one after the other, after which a connection is closed."""
MAX_AT_ONCE = 20
"""Messages that are read from a connection before other work runs."""
MAX_WAITING = 64
"""Messages that wait for one connection; further ones are dropped, and perhaps retransmitted."""
KEEPALIVE = (30.0, 35.0)
"""Seconds between keepalives, at random between these (RFC 5626 §4.4.1)."""
PING = b"\r\n\r\n"
PONG = b"\r\n"
PONG_LIMIT = 10.0
"""Seconds that a peer which answers keepalives has for an answer (RFC 5626 §4.4.1)."""


class StreamCallbacks(NamedTuple):
    """Callbacks of the connections of one endpoint."""

    on_message: Callable[[Request | Response | ParseError, Peer], None]
    """Takes a message that came."""
    on_unreachable: Callable[[Peer, str], None]
    """Takes a peer to which nothing could be sent, and the cause."""
    on_lost: Callable[[Peer], None]
    """Takes the peer of a connection that is gone."""
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    """Runs a coroutine."""
    screen: Callable[[str], bool]
    """Whether what comes from an address is read at all; asked for each connection and each message."""
    is_known: Callable[[str], bool]
    """Whether an address is known: places in the table are kept for such addresses."""
    needed: Callable[[], Needed]
    """Returns the connections that something needs. It looks at all calls, so call it once, not for each connection."""


class Table(Protocol):
    """The table of all connections of an endpoint, as each of its connections uses it."""

    callbacks: StreamCallbacks
    tls: Tls
    counts: Counter[str]

    @property
    def mark(self) -> Callable[[Any], None]:
        """Marks the packets of a socket."""

    def add(self, stream: "Stream") -> bool:
        """See `sipgw.sip.streams.Streams.add`."""

    def holds(self, stream: "Stream") -> bool:
        """Whether a connection is in the table; it counts as used now."""

    def remove(self, stream: "Stream") -> None:
        """Forget a closed connection."""


class Stream(asyncio.Protocol):
    """One TCP or TLS connection, which we have opened or accepted."""

    def __init__(self, streams: Table, transport: str, key: ConnectionKey | None = None) -> None:
        self.peer = key.peer if key else Peer(transport, "", 0)
        self.accepted = key is None
        """Whether the other side opened the connection."""
        self._streams = streams
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._keepalive: asyncio.TimerHandle | None = None
        self._faults = 0
        self._welcome = not self.accepted
        """Whether we opened the connection, or a message on it was admitted or belonged to a call or transaction."""
        self._pongs: bool | None = None
        """Whether our last keepalive was answered; None if the peer has never answered one."""
        self._early: bytearray | None = None
        """Bytes that came between the end of the TLS handshake and its handling here."""
        self._waiting: list[bytes] = []
        """Data to send when the connection is open."""

    @property
    def up(self) -> bool:
        """Whether the connection was ever open."""
        return self._transport is not None

    @property
    def waits(self) -> bool:
        """Whether messages wait until the connection is open."""
        return bool(self._waiting)

    @property
    def closing(self) -> bool:
        """Whether the connection is closing, so that nothing more is sent."""
        return self._transport is not None and self._transport.is_closing()

    @property
    def own_address(self) -> str | None:
        """The address of this machine at our end of the connection; None before it is open."""
        name = self._transport.get_extra_info("sockname") if self._transport else None
        return str(name[0]).partition("%")[0] if name else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport = cast(asyncio.Transport, transport)  # TCP and TLS give nothing else
        if self.accepted:
            host, port = transport.get_extra_info("peername")[:2]
            self.peer = Peer(self.peer.transport, host, port)
        if not (self._streams.add(self) if self.accepted else self._streams.holds(self)):
            transport.abort()
            return
        self._streams.mark(transport.get_extra_info("socket"))
        self._watch()
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.write(data)
        if not self.accepted:
            self._keep_alive()
        elif self.peer.transport == "tls":
            # The TLS handshake is made here: the listening socket would have no limit on handshakes that never end.
            transport.pause_reading()
            self._early = bytearray()
            self._streams.callbacks.spawn(self._secure(transport))

    async def _secure(self, plain: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HANDSHAKE_LIMIT):
                if plain.is_closing():
                    raise ConnectionResetError
                self._transport = await loop.start_tls(plain, self, self._streams.tls.server(), server_side=True)
        except (OSError, TimeoutError) as error:
            log.debug("tls handshake failed", peer=self.peer.host, cause=cause_of(error))
            plain.abort()
            self.connection_lost(None)
            return
        early, self._early = bytes(self._early or b""), None
        if early:
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop()
        self._streams.remove(self)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`: the peer sends nothing more, so the connection is closed."""
        self.close()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.closing:
            return
        if self._early is not None:
            self._early += data
            return
        if self._pongs is not None:
            self._pongs = True  # any byte shows that the other side is alive
        if data == PONG and not self.accepted and not self._framer.pending:
            self._pongs = True  # a pong does not count as use
            return
        partial = self._framer.pending
        self._framer.feed(data)
        self._take_some(partial=partial)

    def _go_on(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.resume_reading()
            self._take_some(partial=False)

    def _take_some(self, *, partial: bool) -> None:
        """Take up to `MAX_AT_ONCE` messages. If there may be more, reading pauses until those are taken."""
        try:
            for _ in range(MAX_AT_ONCE):
                if self.closing or (message := self._framer.next_data()) is None:
                    break
                partial = False
                self._took(message)
            else:
                if self._transport is not None and not self.closing:
                    self._transport.pause_reading()
                    asyncio.get_running_loop().call_soon(self._go_on, self._transport)
        except ParseError as error:
            if self._screened():
                self._streams.callbacks.on_message(error, self.peer)
            self.close()
            return
        if self._welcome and not (
            partial and self._framer.pending
        ):  # a message that trickles in does not extend its time
            self._watch()

    def _screened(self) -> bool:
        return self._streams.callbacks.screen(self.peer.host)

    def _took(self, data: bytes | Ping) -> None:
        if isinstance(data, Ping):
            self.write(PONG)
            return
        if not self._screened():
            return
        message = parsed(data)
        self._faults = self._faults + 1 if isinstance(message, ParseError) else 0
        if self._faults <= MAX_FAULTS:
            self._streams.callbacks.on_message(message, self.peer)
        else:
            self.close()

    def judged(self, welcome: bool | None) -> None:
        """Keep the connection (True), or close it unless it was kept before (False). None changes nothing: the peer
        was challenged."""
        if welcome and not self._welcome:
            self._welcome = True
            self._keep_alive()
        elif welcome is False and not self._welcome:
            self.close()

    def send(self, data: bytes) -> None:
        """Send a message, at once or when the connection is open."""
        if self._transport is not None:
            self.write(data)
            if not self.accepted:
                self._watch()
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(data)
        else:
            self._streams.counts["message dropped"] += 1

    def write(self, data: bytes) -> None:
        """Send `data`. If the other side does not read, close the connection at once."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNSENT_LIMIT:
            self._transport.abort()
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close after what is written has been sent, or after `CLOSE_LIMIT`."""
        if self._transport is None:
            self.abort()
        elif not self._transport.is_closing():
            self._transport.close()
            self._stop()
            self._alarm = asyncio.get_running_loop().call_later(CLOSE_LIMIT, self.abort)

    def abort(self) -> None:
        """Close at once, or never open it."""
        if self._transport is not None:
            self._transport.abort()
        else:
            self._streams.remove(self)

    def _stop(self) -> None:
        for timer in (self._alarm, self._keepalive):
            if timer:
                timer.cancel()

    def _watch(self) -> None:
        if self.closing or not self._streams.holds(self):
            return
        if self._alarm:
            self._alarm.cancel()
        later = asyncio.get_running_loop().call_later
        if not self._welcome or self._framer.pending:
            self._alarm = later(PARTIAL_LIMIT, self.close)
        else:
            self._alarm = later(IDLE_LIMIT, self._idle)

    def _idle(self) -> None:
        """Close, unless e.g. a long call needs this connection."""
        if self._streams.callbacks.needed().has(self.peer):
            self._watch()
        else:
            self.close()

    def _keep_alive(self) -> None:
        """Ping. A peer that has answered once must go on answering, else the connection is closed (RFC 5626 §4.4.1)."""
        if self._pongs is False and self._transport is not None:
            log.warning(
                "sip connection dead", peer=f"{self.peer.host}:{self.peer.port}", cause="keepalive not answered"
            )
            self._transport.abort()
            return
        low, high = KEEPALIVE
        pause = low + (high - low) * random.random()
        later = asyncio.get_running_loop().call_later
        if self._keepalive is not None:
            self.write(PING)
        if self._pongs:
            self._pongs = False
            self._keepalive = later(min(PONG_LIMIT, pause), self._pong_due, max(0.0, pause - PONG_LIMIT))
        else:
            self._keepalive = later(pause, self._keep_alive)

    def _pong_due(self, left: float) -> None:
        """The time for an answer to our ping is over; the next ping is due `left` seconds from now."""
        if self._pongs is False:
            self._keep_alive()
        else:
            self._keepalive = asyncio.get_running_loop().call_later(left, self._keep_alive)
