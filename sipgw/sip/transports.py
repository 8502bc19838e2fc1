"""The sockets of one endpoint (RFC 3261 §18): UDP, TCP and TLS, in IPv4 and IPv6."""

import asyncio
import contextlib
import errno
import functools
import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sipgw.sip.connection import StreamCallbacks
from sipgw.sip.dialog import Peer, is_private
from sipgw.sip.public_address import PublicAddress
from sipgw.sip.streams import Streams
from sipgw.sip.tls import Tls
from sipgw.sip.uri import is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipgw.sip.endpoint_options import EndpointOptions
    from sipgw.sip.handover import Link, Sockets

ANYWHERE = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849): the route to them is the default route."""
FREE_PORT_TRIES = 20
"""How many ports are tried if the system's choice is free for UDP but not for TCP."""
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes of the receive buffer that we ask of the kernel, so that a burst loses no call; it may grant less."""
BURST = 64
"""Datagrams that are read before other work runs."""
LARGEST_DATAGRAM = 65535
PROBED = 5060
"""The port for which a route is looked up if the peer has none; the number does not matter."""
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


ADVICE: dict[int | None, str] = {
    errno.EADDRNOTAVAIL: 'set [sip] host to an address of this machine, or to "0.0.0.0" for all of them',
    errno.EACCES: "set {option} to 1024 or more",
}
"""Advice if a socket cannot be opened, by the number of the error. For other errors, another program has the port."""
BOTH = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
TLS_PORT = "[sip.tls] port"
"""The option of the port for TLS; `[sip] port` is that of UDP and TCP."""


class ListenError(OSError):
    """A socket cannot be opened on `port`; the message is that of `cannot_listen`."""

    def __init__(self, message: str, port: int) -> None:
        super().__init__(message)
        self.port = port


def cannot_listen(host: str, port: int, error: OSError, option: str = "[sip] port") -> str:
    """One line on an error of opening sockets: where, why, and what to change. `option` sets the port."""
    advice = ADVICE.get(error.errno, "stop the other program or set {option}").format(option=option)
    why = os.strerror(error.errno) if error.errno else error  # asyncio's own text repeats the address
    return f"cannot listen on {host} port {port}: {why}; {advice}"


def listening_hosts(host: str) -> tuple[str, ...]:
    """The addresses that are bound for `[sip] host`; ``::`` stands for every address of both families."""
    return ("0.0.0.0", "::") if host == "::" else (host,)


def not_free(
    hosts: Iterable[str], port: int, kinds: Iterable[socket.SocketKind] = BOTH, option: str = "[sip] port"
) -> str:
    """Why we cannot listen on `port` at all of `hosts`, see `cannot_listen`; empty if we can."""
    for host in hosts:
        for kind in kinds:
            with socket.socket(FAMILY[_version(host)], kind) as probe:
                try:
                    if kind is socket.SOCK_STREAM:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if _version(host) == 6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind((host, port))
                except OSError as error:
                    return cannot_listen(host, port, error, option)
    return ""


class Transports:
    """All sockets. `datagram` takes each datagram; `callbacks` take messages of streams, and failures."""

    def __init__(
        self, options: "EndpointOptions", datagram: "Callable[[bytes, Peer], None]", callbacks: StreamCallbacks
    ) -> None:
        self.options = options
        self.callbacks = callbacks
        self.datagram = datagram
        local = None if ipaddress.ip_address(options.host).is_unspecified else options.host
        self._tls = Tls(options.tls)
        self._streams = Streams(callbacks, self._tls, self._mark, self.route, local)
        self._udp: dict[int, _Datagrams] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._inherited: Sockets = {}
        self._link: Link | None = None
        self._ports = {"udp": options.port, "tcp": options.port, "tls": options.tls.port}
        self._public_address = PublicAddress()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The local addresses that are listened on; ``::`` stands for every address of both families."""
        return listening_hosts(self.options.host)

    @property
    def counts(self) -> Counter[str]:
        """How often there was no place for a connection, a message that waits for one, or an observer's report."""
        streams = {f"connection {what}": number for what, number in self._streams.counts.items()}
        return Counter({**streams, "observer not kept": self._public_address.full})

    def speaks(self, address: str) -> bool:
        """Whether there is a socket of the family of `address`."""
        return _version(address) in {_version(host) for host in self.hosts}

    def port(self, transport: str) -> int:
        """The port that we listen on for `transport`."""
        return self._ports.get(transport, self.options.port)

    async def open(self, inherited: "Sockets | None" = None) -> None:
        """Listen, on `inherited` sockets where there are some. Raises `ListenError` and `TlsError`."""
        self._tls.check()
        self._inherited = inherited or {}
        for left in reversed(range(FREE_PORT_TRIES)):
            try:
                await self._listen()
            except OSError as error:
                await self.close()
                for_tls = isinstance(error, ListenError) and error.port == self.options.tls.port
                if self.options.port or for_tls or not left:  # only the system's own choice can be replaced
                    raise
                self._ports = {"udp": 0, "tcp": 0, "tls": self.options.tls.port}
            else:
                return

    async def _listen(self) -> None:
        loop, streams, ports = asyncio.get_running_loop(), self._streams, self._ports
        for host in self.hosts:
            with _told(host, ports["udp"]):
                udp = self._given("udp", host) or self._socket(host, ports["udp"])
            self._udp[_version(host)] = _Datagrams(udp, self.datagram)
            ports["udp"] = ports["tcp"] = int(udp.getsockname()[1])
            for transport, wanted in (("tcp", self.options.tcp), ("tls", bool(self.options.tls.certificate))):
                if wanted:
                    accept = functools.partial(streams.accept, transport)
                    if given := self._given(transport, host):
                        server = await loop.create_server(accept, sock=given)
                    else:
                        with _told(host, ports[transport], TLS_PORT if transport == "tls" else "[sip] port"):
                            server = await loop.create_server(accept, host, ports[transport])
                    self._servers[f"{transport}{_version(host)}"] = server
                    ports[transport] = int(server.sockets[0].getsockname()[1])
        while self._inherited:  # sockets of transports that are not configured any more
            self._inherited.popitem()[1].close()

    def _given(self, transport: str, host: str) -> socket.socket | None:
        return self._inherited.pop(f"{transport}{_version(host)}", None)

    def hand_over(self, link: "Link", needed: Collection[int]) -> "Sockets":
        """Read only on connections that are up from now on; returns the sockets for the next process.

        Of the connections that other sides have opened to us, only those with the numbers `needed` stay.

        Messages for a connection of the next process go over `link`.
        """
        self._link = link
        self._streams.close_accepted(needed)  # a peer without a call connects again, to the next process
        sockets = {f"udp{version}": udp.leave() for version, udp in self._udp.items()}
        for name, server in self._servers.items():
            sockets[name] = server.sockets[0].dup()
            server.close()
        return sockets

    def _socket(self, host: str, port: int) -> socket.socket:
        version = _version(host)
        bound = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            if version == 6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._mark(bound)
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
        return bound

    def _mark(self, one: Any) -> None:
        """Ask routers for precedence (RFC 2474); they may ignore it."""
        for family, level, option in (
            (socket.AF_INET, socket.IPPROTO_IP, socket.IP_TOS),
            (socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
        ):
            if one.family == family:
                with contextlib.suppress(OSError):
                    one.setsockopt(level, option, self.options.dscp << 2)

    def stop_listening(self) -> None:
        """Take no further connections and close those that are open; UDP stays."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        self._streams.close()

    async def close(self) -> None:
        """Close everything."""
        self.stop_listening()
        for udp in self._udp.values():
            udp.close()
        self._udp.clear()

    def send(self, data: bytes, peer: Peer) -> None:
        """Send to a peer whose host is an address. A failure goes to the callbacks."""
        if peer.connection < 0 and self._link is not None:
            self._link.send(data, peer._replace(connection=-peer.connection))
            return
        if peer.transport in ("tcp", "tls"):
            self._streams.send(data, peer)
            return
        udp = self._udp.get(_version(peer.host))
        cause = udp.send(data, peer) if udp else f"no socket for {peer.transport} to {peer.host}; see [sip] host"
        if cause:
            self.callbacks.on_unreachable(peer, cause)

    async def first(self, hops: tuple[Peer, ...]) -> tuple[Peer, ...]:
        """See `Streams.first`."""
        return await self._streams.first(hops)

    def judged(self, source: Peer, welcome: bool | None) -> None:
        """Take the verdict on a request from `source`, see `sipgw.sip.connection.Stream.judged`."""
        if (stream := self._streams.find(source)) is not None:
            stream.judged(welcome)

    def address(self, peer: Peer) -> tuple[str, int]:
        """The host and port under which `peer` can reach us; those of the loopback interface if there is no route."""
        return self.way(peer) or ({4: "127.0.0.1", 6: "::1"}[_version(peer.host)], self.port(peer.transport))

    def way(self, peer: Peer) -> tuple[str, int] | None:
        """The host and port under which `peer` can reach us; None if there is no route. A host name is never looked up
        here, because that would block."""
        port, local, given = self.port(peer.transport), self.route(peer), self._given_to(peer)
        if not given and (seen := self._public_address.address(peer, local or "")) is not None:
            # If we do not listen there, the port of the connection lets the other side find that connection.
            return seen[0], port if self._listens(peer.transport) else seen[1] or port
        host = given or local
        return (host, port) if host else None

    def _given_to(self, peer: Peer) -> str:
        """The `public_address` if it counts for `peer`, else nothing. A private peer may not reach an address of the
        Internet, because few routers send back in what came from inside."""
        given = self.options.public_address
        inside = is_private(peer.host) and not is_private(given)
        return given if given and _version(given) == _version(peer.host) and not inside else ""

    def route(self, peer: Peer) -> str | None:
        """Our own address on the way to `peer`, as the system has it at this moment; None if there is no route."""
        host, version = self.options.host, _version(peer.host)
        if _version(host) == version and not ipaddress.ip_address(host).is_unspecified:
            return host
        with contextlib.suppress(ValueError, OSError), socket.socket(FAMILY[version], socket.SOCK_DGRAM) as probe:
            there = peer.host if is_address(peer.host) else ANYWHERE[version]
            probe.connect((there, peer.port or PROBED))  # nothing is sent: the kernel only looks up the route
            return str(probe.getsockname()[0]).partition("%")[0]
        return None

    def reached(self, peer: Peer) -> bool:
        """Whether `peer` reaches every port of this machine at `address`: it is our own address, or the operator has
        set it. An address that was seen behind a NAT leads only to the port that the NAT has opened."""
        way = self.way(peer)
        return way is not None and way[0] in (self._given_to(peer), self.route(peer))

    def _listens(self, transport: str) -> bool:
        return self.options.tcp if transport == "tcp" else bool(self.options.tls.certificate and transport == "tls")

    def observed(self, peer: Peer | None, host: str, port: int) -> bool:
        """Note that `peer`, or a STUN server (None), sees us at this address; returns whether `address` has changed."""
        if not is_address(host) or not 0 < port < 65536:
            return False
        anybody = peer or Peer("udp", ANYWHERE[_version(host)], 0)
        before = self.address(anybody)
        self._public_address.learn(peer, host, port, self.route(anybody) or "")
        return self.address(anybody) != before


class _Datagrams:
    """One UDP socket, read in bursts. asyncio's own transport reads one datagram in each turn of its loop, so calls
    would wait under load."""

    def __init__(self, bound: socket.socket, take: "Callable[[bytes, Peer], None]") -> None:
        self._socket = bound
        self._take = take
        bound.setblocking(False)
        asyncio.get_running_loop().add_reader(bound, self._read)

    def _read(self) -> None:
        for _ in range(BURST):
            try:
                data, address = self._socket.recvfrom(LARGEST_DATAGRAM)
            except OSError:  # the buffer is empty, or an ICMP error of a sent packet; the next turn reads on
                return
            self._take(data, Peer("udp", address[0], address[1]))

    def send(self, data: bytes, peer: Peer) -> str:
        """Send; returns why it cannot be sent, or an empty string."""
        try:
            self._socket.sendto(data, (peer.host, peer.port))
        except BlockingIOError:
            return ""  # lost like any datagram, and sent again
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def leave(self) -> socket.socket:
        """Stop reading; returns a copy of the socket for the next process. Sending goes on."""
        asyncio.get_running_loop().remove_reader(self._socket)
        return self._socket.dup()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


@contextlib.contextmanager
def _told(host: str, port: int, option: str = "[sip] port") -> Iterator[None]:
    """Raises `ListenError` for an error of the block, which listens on this port."""
    try:
        yield
    except OSError as error:
        raise ListenError(cannot_listen(host, port, error, option), port) from None


def _version(host: str) -> int:
    """4 or 6; 4 for a name."""
    return 6 if ":" in host else 4
