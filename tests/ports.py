"""Ports for programs that cannot choose one themselves, such as a softphone that is told its port in a file."""

import contextlib
import os
import socket
from itertools import cycle

# Below the ports of calls and below what Linux gives to outgoing connections (ip_local_port_range, from 32768), so
# that nobody takes one between the look and the use; above 10080, where Chromium refuses to connect.
FIRST, LAST = 10_100, 16_299
SHARE = (LAST + 1 - FIRST) // 10  # of each worker of pytest-xdist

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
_first = FIRST + SHARE * _worker
_at = os.getpid() % SHARE // 2 * 2


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
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probes.enter_context(socket.socket(type=kind)).bind(("", port))
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
