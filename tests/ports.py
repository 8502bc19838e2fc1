"""Ports for programs that cannot choose one themselves, such as a softphone that is told its port in a file."""

import contextlib
import os
import socket
from itertools import cycle, product

# Below the ports of calls and below what Linux gives to outgoing connections (ip_local_port_range, from 32768), so
# that nobody takes one between the look and the use; above 10080, where Chromium refuses to connect.
FIRST, LAST = 10_100, 16_299
SHARE = (LAST + 1 - FIRST) // 10  # of each worker of pytest-xdist

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
_first = FIRST + SHARE * _worker
_at = os.getpid() % SHARE // 2 * 2


def _bound(family: int, kind: int, port: int) -> socket.socket:
    """A socket at `port` of all addresses of this version of IP. Raises `OSError`."""
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(("", port))
    except OSError:
        made.close()
        raise
    return made


_families = [socket.AF_INET]
with contextlib.suppress(OSError), _bound(socket.AF_INET6, socket.SOCK_DGRAM, 0):
    _families.append(socket.AF_INET6)  # this machine has it


def free_ports(count: int = 2) -> int:
    """The first, which is even, of `count` neighbouring ports that are free for TCP and for UDP on all addresses."""
    global _at
    while True:
        first = _first + _at
        if _at + count > SHARE:
            _at = 0
            continue
        _at += 2
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for port in range(first, first + count):
                for family, kind in product(_families, (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                    probes.enter_context(_bound(family, kind, port))
            _at += (count - 1) // 2 * 2
            return first


_sound = cycle(range(20_000 + 1200 * _worker, 21_200 + 1200 * _worker, 400))


def ports_of_sound() -> range:
    """399 ports for the calls of a gateway.

    No other worker of pytest-xdist has them, because tests capture them; in this worker, three gateways that follow
    each other have different ones.
    """
    first = next(_sound)
    return range(first, first + 399)
