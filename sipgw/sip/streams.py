"""TCP connections of one endpoint: framing, reuse, and limits on what a stranger can hold open."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import structlog

from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request, Response
from sipgw.sip.parse import ParseError, Ping, StreamFramer

log = structlog.get_logger()

MAX_STREAMS = 1000
MAX_OF_ONE_HOST = 200
"""Connections that one host may open to us, so that no one takes all."""
PARTIAL_LIMIT = 10.0
"""Seconds in which a begun message, and the first message of a connection opened to us, must be complete."""
IDLE_LIMIT = 600.0
"""Seconds without any byte after which a connection is closed."""
CONNECT_LIMIT = 4.0
"""Seconds for opening a connection."""
UNSENT_LIMIT = 256 * 1024
"""Bytes that a slow reader may leave unsent before it is cut off."""

Receive = Callable[[Request | Response | ParseError, Peer], None]


class Streams:
    """All connections, by number and by the address they lead to."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self._numbers = count(1)
        self._open: dict[int, Stream] = {}
        self._leading: dict[tuple[str, int], int] = {}
        self._waiting: dict[tuple[str, int], list[bytes]] = {}

    def accept(self) -> "Stream":
        """The protocol of a connection that somebody opened to us."""
        return Stream(self)

    def add(self, stream: "Stream") -> bool:
        """Take up a connection; False when there are too many."""
        host = stream.peer.host
        if len(self._open) >= MAX_STREAMS or (
            stream.accepted and sum(one.peer.host == host for one in self._open.values()) >= MAX_OF_ONE_HOST
        ):
            return False
        stream.peer = stream.peer._replace(connection=next(self._numbers))
        self._open[stream.peer.connection] = stream
        self._leading.setdefault((stream.peer.host, stream.peer.port), stream.peer.connection)
        return True

    def remove(self, stream: "Stream") -> None:
        """Forget a closed connection."""
        self._open.pop(stream.peer.connection, None)
        leads = (stream.peer.host, stream.peer.port)
        if self._leading.get(leads) == stream.peer.connection:
            del self._leading[leads]

    def find(self, peer: Peer) -> "Stream | None":
        """An open connection that reaches `peer`."""
        stream = self._open.get(peer.connection)
        if stream is None:
            stream = self._open.get(self._leading.get((peer.host, peer.port), 0))
        return stream

    def send(self, data: bytes, peer: Peer, spawn: Callable[[Any], Any]) -> None:
        """Send on an open connection, or open one; what is to be sent meanwhile waits for it."""
        stream = self.find(peer)
        if stream is not None:
            stream.write(data)
            return
        place = (peer.host, peer.port)
        waiting = self._waiting.get(place)
        if waiting is None:
            self._waiting[place] = [data]
            spawn(self._connect(place))
        elif len(waiting) < 64:
            waiting.append(data)

    async def _connect(self, place: tuple[str, int]) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                _, stream = await asyncio.get_running_loop().create_connection(lambda: Stream(self, place), *place)
            for data in self._waiting[place]:
                stream.write(data)
        except (OSError, OverflowError, TimeoutError) as error:
            log.warning("sip connection failed", peer=f"{place[0]}:{place[1]}", cause=str(error) or "timeout")
        finally:
            del self._waiting[place]

    def close(self) -> None:
        """Close everything."""
        for stream in list(self._open.values()):
            stream.close()


class Stream(asyncio.Protocol):
    """One connection."""

    def __init__(self, streams: Streams, place: tuple[str, int] | None = None) -> None:
        self.peer = Peer("tcp", "", 0)
        self._streams = streams
        self._place = place
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._silent = place is None

    @property
    def accepted(self) -> bool:
        """Whether the other side opened it."""
        return self._place is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  TCP gives nothing else
        self._transport = transport
        host, port = self._place or transport.get_extra_info("peername")[:2]
        self.peer = Peer("tcp", host, port)
        if not self._streams.add(self):
            transport.abort()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._streams.remove(self)
        if self._alarm:
            self._alarm.cancel()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        partial = self._framer.pending
        self._framer.feed(data)
        try:
            while (message := self._framer.next_message()) is not None:
                partial = False
                if isinstance(message, Ping):
                    self.write(b"\r\n")
                else:
                    self._silent = False
                    self._streams.receive(message, self.peer)
        except ParseError as error:
            self._streams.receive(error, self.peer)
            self.close()
            return
        if not (self._silent or (partial and self._framer.pending)):  # what trickles in does not renew its own time
            self._watch()

    def write(self, data: bytes) -> None:
        """Send, unless the other side does not read."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNSENT_LIMIT:
            self._transport.abort()
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close after what is written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def _watch(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        limit = PARTIAL_LIMIT if self._silent or self._framer.pending else IDLE_LIMIT
        self._alarm = asyncio.get_running_loop().call_later(limit, self.close)
