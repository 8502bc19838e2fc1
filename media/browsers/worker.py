"""The process for browsers: ``python -m media.browsers.worker FD NETWORK``, a child of the gateway that ends with it.

Orders and answers are lines of JSON, as `media.browsers.transport` writes and reads them.
"""

import asyncio
import contextlib
import errno
import json
import os
import random
import signal
import socket
import struct
import sys
from collections.abc import Coroutine
from typing import Any

from media.browsers.transport import PARTING, Network, PathFailed
from media.browsers.webrtc import BrowserPath
from media.process.priority import raise_priority
from media.rtp.packet import MAX_PACKET

PRIORITY = 5
"""Scheduling priority, below that of the media process, whose packets come first."""


class BrowserWorker:
    """The paths of all calls, by the number of their transport."""

    def __init__(self, answers: asyncio.StreamWriter, network: Network) -> None:
        self._answers = answers
        self._network = network
        self._paths: dict[int, BrowserPath] = {}
        self._group = asyncio.TaskGroup()

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Carry out orders until the gateway closes the pipe; then end the process.

        The process does not wait for a thread that still looks up the name of a STUN server, nor for a path that does
        not close: nobody else would end the process.
        """
        async with self._group:
            with contextlib.suppress(ConnectionError):
                while line := await orders.readline():
                    self._group.create_task(self._carry_out(json.loads(line)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PARTING / 2):
                    for path in list(self._paths.values()):
                        await path.close()
            os._exit(0)

    async def _carry_out(self, order: dict[str, Any]) -> None:
        number, what = order["transport"], order["do"]
        await self._bounded(number, what, self._do(number, what, order["with"]))

    async def _bounded(self, number: int, what: str, work: Coroutine[Any, Any, Any]) -> None:
        """Answer with the result of `work`, or with its error: all calls share the task group."""
        try:
            told = {"result": await work}
        except PathFailed as error:
            told = {"failed": str(error)}
        except Exception as error:  # noqa: BLE001  the gateway ends the call
            told = {"failed": f"{type(error).__name__}: {error}"[:200]}
        self._answers.write(json.dumps({"transport": number, "do": what} | told).encode() + b"\n")

    async def _do(self, number: int, what: str, values: list[Any]) -> Any:
        path = self._paths.get(number)
        if what == "gather":
            path = self._paths[number] = BrowserPath(self._network)
            return await path.gather()
        if path is None:
            return None
        if what == "connect":
            user, password, fingerprints = values
            return await path.connect(user, password, tuple(fingerprints))
        if what == "attach":
            address = path.attach(*values)
            self._group.create_task(self._bounded(number, "gone", path.carry()))
            return address
        await path.close()
        del self._paths[number]
        return None


class Ranged(asyncio.SelectorEventLoop):
    """An event loop for the ICE library. Its UDP sockets get ports of a range, and only datagrams that the library can
    take.

    The library asks for any port, and takes datagrams of any sender. An empty or too long datagram would end the call.
    """

    def __init__(self, ports: tuple[int, int] | None) -> None:
        super().__init__()
        self._ports = ports

    async def create_datagram_endpoint(  # type: ignore[override]
        self, protocol_factory: Any, local_addr: Any = None, **more: Any
    ) -> Any:
        """See `asyncio.loop.create_datagram_endpoint`."""

        def careful() -> Any:
            protocol = protocol_factory()
            take = protocol.datagram_received

            def datagram_received(data: bytes, sender: Any) -> None:
                if 0 < len(data) <= MAX_PACKET:
                    with contextlib.suppress(struct.error):  # STUN with an attribute that is too short
                        take(data, sender)

            protocol.datagram_received = datagram_received
            return protocol

        if not (self._ports and local_addr and local_addr[1] == 0):
            return await super().create_datagram_endpoint(careful, local_addr, **more)
        ports = range(self._ports[0], self._ports[1] + 1)
        start = random.randrange(len(ports))
        for port in (*ports[start:], *ports[:start]):
            try:
                return await super().create_datagram_endpoint(careful, (local_addr[0], port), **more)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, f"every port from {ports[0]} to {ports[-1]} is in use")


async def main(pipe: socket.socket, network: Network) -> None:
    """Run the worker."""
    orders, answers = await asyncio.open_connection(sock=pipe)
    await BrowserWorker(answers, network).run(orders)


if __name__ == "__main__":
    for one in (signal.SIGINT, signal.SIGTERM):  # the gateway handles these signals, and ends this process
        signal.signal(one, signal.SIG_IGN)
    raise_priority(PRIORITY)
    ports, addresses, stun = json.loads(sys.argv[2])
    known = Network(ports and tuple(ports), tuple(addresses), stun)
    with asyncio.Runner(loop_factory=lambda: Ranged(known.ports)) as runner:
        runner.run(main(socket.socket(fileno=int(sys.argv[1])), known))
