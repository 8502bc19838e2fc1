"""Pairs of UDP ports: RTP on the even one, RTCP on the next (RFC 3550 §11)."""

import contextlib
import fcntl
import random
import socket
import struct
import time
from typing import Any, NamedTuple

EF = 46
"""Expedited forwarding (RFC 3246): the DSCP of telephone sound."""
REST = 3.0
"""Seconds that a closed pair stays bound, so that the next call does not get late packets of the last."""


MAPPED = "::ffff:"
"""Prefix of IPv4 addresses on an IPv6 socket."""
_SIOCGSTAMPNS = 0x8907
_TIMESPEC = struct.Struct("qq")


class PortsExhaustedError(Exception):
    """No pair is free in the range."""


class PortPair(NamedTuple):
    """Two bound, non-blocking sockets."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket

    @property
    def dual(self) -> bool:
        """Whether they are IPv6 sockets that take IPv4, too."""
        return isinstance(self.rtp, _DualSocket)


class Ports:
    """Opens pairs, and keeps closed pairs bound for a while."""

    def __init__(self) -> None:
        self.draining: list[tuple[float, PortPair]] = []

    def open(self, host: str, first: int, last: int, dscp: int = 0) -> PortPair:
        """Bind a free pair between `first` and `last`, whose packets are marked `dscp`.

        Raises `PortsExhaustedError`, or OSError for a bad host.
        """
        pairs = range(first + first % 2, last, 2)
        start = random.randrange(len(pairs)) if pairs else 0
        for at in range(len(pairs)):
            port = pairs[(start + at) % len(pairs)]
            with contextlib.suppress(_PortTakenError), contextlib.ExitStack() as stack:
                rtp = stack.enter_context(_bind(host, port, dscp))
                rtcp = stack.enter_context(_bind(host, port + 1, dscp))
                stack.pop_all()
                return PortPair(port, rtp, rtcp)
        raise PortsExhaustedError(f"no free pair of UDP ports between {first} and {last}")

    def retire(self, pair: PortPair, now: float) -> None:
        """Keep `pair` bound, unread, for `REST` seconds."""
        self.draining.append((now + REST, pair))

    def sweep(self, now: float) -> None:
        """Close the pairs that were kept for long enough."""
        while self.draining and self.draining[0][0] <= now:
            _, pair = self.draining.pop(0)
            pair.rtp.close()
            pair.rtcp.close()


def waited(sock: socket.socket) -> float:
    """Seconds that the datagram just read from `sock` had waited, by the kernel's timestamp; 0 without a timestamp.

    The kernel begins to set timestamps with the first call, which returns 0.
    """
    with contextlib.suppress(OSError):
        seconds, nanoseconds = _TIMESPEC.unpack(fcntl.ioctl(sock, _SIOCGSTAMPNS, bytes(_TIMESPEC.size)))
        ago: float = time.clock_gettime(time.CLOCK_REALTIME) - seconds - nanoseconds / 1e9
        return min(1.0, max(0.0, ago))
    return 0.0


class _PortTakenError(Exception):
    pass


class _DualSocket(socket.socket):
    """A socket of all addresses of both IP versions; it names IPv4 addresses as usual (RFC 4291 §2.5.5.2)."""

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        data, (host, port, *_) = super().recvfrom(bufsize, flags)
        return data, (host[len(MAPPED) :] if host.startswith(MAPPED) and "." in host else host, port)

    def sendto(self, data: Any, address: Any) -> int:  # type: ignore[override]
        host, port = address
        return super().sendto(data, (host if ":" in host else MAPPED + host, port))


def _bind(host: str, port: int, dscp: int) -> socket.socket:
    kind = _DualSocket if host == "::" else socket.socket
    sock = kind(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        _mark(sock, dscp)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno in (98, 48, 13):  # in use (Linux, macOS), forbidden
            raise _PortTakenError from None
        raise
    return sock


def _mark(sock: socket.socket, dscp: int) -> None:
    """Ask routers for precedence (RFC 2474). An IPv6 socket also sends IPv4, with the IPv4 option."""
    options = [(socket.IPPROTO_IP, socket.IP_TOS)]
    if sock.family == socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, socket.IPV6_TCLASS))
    for level, option in options:
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, dscp << 2)
