"""Orders to a gateway process: to stop, to hurry, and to reload. They come as signals, or from the parent of a
worker."""

import asyncio
import signal
import socket

READY, STOP, RELOAD = b"r", b"s", b"h"
"""Messages between a worker and its parent. Workers ignore signals: a terminal or a service manager sends each signal
to the parent and to the workers, and a second signal would hang up.
"""


def listen_to_signals(stop: asyncio.Event, hurry: asyncio.Event, reload: asyncio.Event) -> None:
    """Set `stop` on the first SIGINT or SIGTERM, `hurry` on the second one, and `reload` on SIGHUP."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stopped, stop, hurry)
    loop.add_signal_handler(signal.SIGHUP, reload.set)


def _stopped(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    (hurry if stop.is_set() else stop).set()


class ParentLink:
    """A worker's end of the link to its parent: its standard input. If the parent is gone, the worker hangs up and
    ends."""

    def __init__(self, stop: asyncio.Event, hurry: asyncio.Event, reload: asyncio.Event) -> None:
        self._stop, self._hurry, self._reload = stop, hurry, reload
        self._socket = socket.socket(fileno=0)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: None)
        loop.add_reader(self._socket, self._read)

    def ready(self) -> None:
        """Tell the parent that this worker takes calls."""
        self._socket.send(READY)

    def pass_on(self) -> None:
        """Ask the parent to let every worker reload."""
        self._socket.send(RELOAD)

    def _read(self) -> None:
        try:
            orders = self._socket.recv(64)
        except BlockingIOError:
            return
        except OSError:
            orders = b""
        if not orders:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._stop.set()
            self._hurry.set()
        for order in orders:
            if bytes([order]) == RELOAD:
                self._reload.set()
            elif bytes([order]) == STOP:
                _stopped(self._stop, self._hurry)
