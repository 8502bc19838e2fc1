"""TCP and TLS connections of one endpoint: opening, reuse, and limits for unknown sources."""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable, Collection
from itertools import count
from typing import Any

import structlog

from sipgw.sip.connecting import connect, contenders, ours, race
from sipgw.sip.connection import Stream, StreamCallbacks
from sipgw.sip.connection_key import ConnectionKey, network_of
from sipgw.sip.dialog import Peer
from sipgw.sip.tls import Tls

log = structlog.get_logger()

MAX_STREAMS = 1000
"""Connections in all, also those being opened or closed; at most half of the files that the process may have open."""
MAX_OF_ONE_SOURCE = 200
"""Connections that one address (in IPv6 one /64) may open to us, and that we open to it."""
KEPT_FREE = 4
"""One of so many places is kept for known addresses, so that unknown addresses cannot take all places."""


class Streams:
    """The table of all connections, including those that are being opened or closed."""

    def __init__(
        self,
        callbacks: StreamCallbacks,
        tls: Tls,
        mark: Callable[[Any], None],
        route: Callable[[Peer], str | None],
        local: str | None = None,
    ) -> None:
        """`route` gives our own address on the way to a peer; `local` is our address from which connections are
        opened."""
        self.callbacks = callbacks
        self.mark = mark
        self.tls = tls
        self._route = route
        self._local = local
        self._numbers = count(1)
        self.counts: Counter[str] = Counter()
        """Connections that were refused (``refused``), and connections of ours closed for another (``made room``)."""
        self._open: dict[int, Stream] = {}
        """The connections by number, in the order of their last use."""
        self._sources: Counter[tuple[str, bool]] = Counter()
        """How many connections there are, by network and by whether they were opened to us."""
        self._leading: dict[ConnectionKey, int] = {}
        self._routes: dict[int, str | None] = {}
        """Our own address on the way to the other side when the connection began."""
        self._races: dict[frozenset[Peer], asyncio.Future[Peer | None]] = {}
        """The winners of the races that are being run, by contenders."""

    def accept(self, transport: str) -> Stream:
        """The protocol of a connection that somebody opened to us."""
        return Stream(self, transport)

    def add(self, stream: Stream) -> bool:
        """Take a connection into the table. False if there are too many, or if `screen` refuses the side that opened
        it."""
        if stream.accepted and not self.callbacks.screen(stream.peer.host):
            self.counts["refused"] += 1
            return False
        source = (network_of(stream.peer.host), stream.accepted)
        most = min(MAX_STREAMS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        if stream.accepted and not self.callbacks.is_known(stream.peer.host):
            most -= most // KEPT_FREE
        elif len(self._open) >= most:
            self._make_room()
        if len(self._open) >= most or self._sources[source] >= MAX_OF_ONE_SOURCE:
            self.counts["refused"] += 1
            return False
        self._sources[source] += 1
        stream.peer = stream.peer._replace(connection=next(self._numbers))
        self._open[stream.peer.connection] = stream
        self._routes[stream.peer.connection] = self._route(stream.peer)
        if not (stream.accepted and stream.peer.transport == "tls"):  # its peer was not verified
            self._leading.setdefault(ConnectionKey.of(stream.peer), stream.peer.connection)
        return True

    def _make_room(self) -> None:
        """Close the least recently used connection of ours that is not needed, if there is one."""
        needed = self.callbacks.needed()
        for stream in self._open.values():
            if not stream.accepted and stream.up and not needed.has(stream.peer):
                self.counts["made room"] += 1
                stream.abort()
                self.remove(stream)
                return

    def remove(self, stream: Stream) -> None:
        """Forget a closed connection."""
        if self._open.pop(stream.peer.connection, None) is None:
            return
        del self._routes[stream.peer.connection]
        self._sources[network_of(stream.peer.host), stream.accepted] -= 1
        self._sources += Counter()  # drops the zeros
        key = ConnectionKey.of(stream.peer)
        if self._leading.get(key) == stream.peer.connection:
            del self._leading[key]
        if stream.up:
            self.callbacks.on_lost(stream.peer)

    def holds(self, stream: Stream) -> bool:
        """Whether a connection is in the table; it counts as used now."""
        if self._open.pop(stream.peer.connection, None) is None:
            return False
        self._open[stream.peer.connection] = stream
        return True

    def find(self, peer: Peer) -> Stream | None:
        """A connection that reaches `peer`, or soon will."""
        for number in (peer.connection, self._leading.get(ConnectionKey.of(peer), 0)):
            stream = self._open.get(number)
            if stream is not None and not stream.closing:
                return stream
        return None

    def send(self, data: bytes, peer: Peer) -> None:
        """Send on an open connection, or open one; messages wait until it is open."""
        stream = self.find(peer)
        if stream is not None and self._stranded(stream):
            log.warning("sip connection dead", peer=f"{peer.host}:{peer.port}", cause="our address has changed")
            stream.abort()
            self.remove(stream)
            stream = self.find(peer._replace(connection=0))
        if stream is None:
            stream = Stream(self, peer.transport, ConnectionKey.of(peer))
            if not self.add(stream):
                self.callbacks.on_unreachable(peer, "too many connections")
                return
            self.callbacks.spawn(self._connect(stream))
        stream.send(data)

    def _stranded(self, stream: Stream) -> bool:
        """Whether our address on the way to the other side has changed since the connection began, so that its packets
        no longer arrive. A connection to us may have come to another address, which this machine still has."""
        route = self._route(stream.peer)
        own = stream.own_address
        changed = own is not None and route not in (None, own, self._routes[stream.peer.connection])
        return changed and not (stream.accepted and own is not None and ours(own))

    async def _connect(self, stream: Stream) -> None:
        key = ConnectionKey.of(stream.peer)
        try:
            cause = await connect(stream, key, self.tls, self._local)
            if cause:
                log.warning("sip connection failed", peer=f"{key.host}:{key.port}", name=key.name, cause=cause)
                stream.abort()
                self.callbacks.on_unreachable(key.peer, cause)
        finally:
            if not stream.up:
                stream.abort()

    async def first(self, hops: tuple[Peer, ...]) -> tuple[Peer, ...]:
        """`hops`; of several `contenders`, the one whose connection is open, or could be opened first, comes in front.

        Calls to the same contenders share one race. Otherwise each call would open a connection of its own.
        """
        rivals = contenders(hops)
        found = next((hop for hop in rivals if (stream := self.find(hop)) is not None and stream.up), None)
        if found is None and rivals:
            if (race_ := self._races.get(key := frozenset(rivals))) is None:
                race_ = self._races[key] = asyncio.get_running_loop().create_future()
                self.callbacks.spawn(self._decide(rivals, race_))
            found = await asyncio.shield(race_)
        return hops if found is None else (found, *(hop for hop in hops if hop != found))

    async def _decide(self, rivals: tuple[Peer, ...], winner: asyncio.Future[Peer | None]) -> None:
        found = None
        try:
            found = await race(rivals, self._attempt)
        finally:
            del self._races[frozenset(rivals)]
            winner.set_result(found)

    async def _attempt(self, hop: Peer) -> bool:
        stream = Stream(self, hop.transport, ConnectionKey.of(hop))
        if not self.add(stream):
            return False
        opening = asyncio.get_running_loop().create_task(self._connect(stream))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:  # the other one was faster
            if stream.waits and stream.peer.connection in self._open:  # nobody would send these messages again
                self.callbacks.spawn(_finished(opening))
            else:
                opening.cancel()
            raise
        return stream.up

    def close(self) -> None:
        """Close everything."""
        for stream in list(self._open.values()):
            stream.close()

    def close_accepted(self, needed: Collection[int]) -> None:
        """Close the connections that others have opened to us, but not those with the numbers `needed`."""
        for number, stream in list(self._open.items()):
            if stream.accepted and number not in needed:
                stream.close()


async def _finished(opening: asyncio.Task[None]) -> None:
    await opening
