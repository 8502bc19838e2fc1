"""The process for browsers: ``python -m media.browsers.worker FD NETWORK``, a child that does not outlive the gateway.

Orders and answers are lines of JSON, as `media.browsers.transport` writes and reads them.
"""

import asyncio
import contextlib
import errno
import json
import random
import signal
import socket
import sys
from typing import Any

from media.browsers.transport import Network, PathFailed
from media.browsers.webrtc import BrowserPath
from media.process.priority import raise_priority

PRIORITY = 5
"""Below the media process's: what it sends comes first."""


class BrowserWorker:
    """The paths of all calls."""

    def __init__(self, answers: asyncio.StreamWriter, network: Network) -> None:
        self._answers = answers
        self._network = network
        self._paths: dict[int, BrowserPath] = {}
        self._group = asyncio.TaskGroup()

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Obey until the gateway closes the pipe."""
        async with self._group:
            with contextlib.suppress(ConnectionError):
                while line := await orders.readline():
                    self._group.create_task(self._obey(json.loads(line)))
            for path in list(self._paths.values()):
                await path.close()

    async def _obey(self, order: dict[str, Any]) -> None:
        way, what = order["way"], order["do"]
        try:
            self._tell(way, what, told=await self._do(way, what, order["with"]))
        except PathFailed as error:
            self._tell(way, what, failed=str(error))
        except Exception as error:  # noqa: BLE001  the call boundary: one call's fault is not the others'
            self._tell(way, what, failed=f"{type(error).__name__}: {error}"[:200])

    async def _do(self, way: int, what: str, values: list[Any]) -> Any:
        path = self._paths.get(way)
        if what == "gather":
            path = self._paths[way] = BrowserPath(self._network)
            return await path.gather()
        if path is None:
            return None
        if what == "connect":
            user, password, fingerprints = values
            return await path.connect(user, password, tuple(fingerprints))
        if what == "attach":
            told = path.attach(*values)
            self._group.create_task(self._carry(way, path))
            return told
        await path.close()
        del self._paths[way]
        return None

    async def _carry(self, way: int, path: BrowserPath) -> None:
        try:
            self._tell(way, "gone", told=await path.carry())
        except Exception as error:  # noqa: BLE001  the call boundary: the group is that of all calls
            self._tell(way, "gone", told=f"{type(error).__name__}: {error}"[:200])

    def _tell(self, way: int, what: str, **said: Any) -> None:
        self._answers.write(json.dumps({"way": way, "do": what} | said).encode() + b"\n")


class Ranged(asyncio.SelectorEventLoop):
    """An event loop whose UDP sockets have ports of a range: ICE's own library asks for any port."""

    def __init__(self, ports: tuple[int, int] | None) -> None:
        super().__init__()
        self._ports = ports

    async def create_datagram_endpoint(  # type: ignore[override]
        self, protocol_factory: Any, local_addr: Any = None, **more: Any
    ) -> Any:
        """See `asyncio.loop.create_datagram_endpoint`."""
        if not (self._ports and local_addr and local_addr[1] == 0):
            return await super().create_datagram_endpoint(protocol_factory, local_addr, **more)
        ports = range(self._ports[0], self._ports[1] + 1)
        start = random.randrange(len(ports))
        for port in (*ports[start:], *ports[:start]):
            try:
                return await super().create_datagram_endpoint(protocol_factory, (local_addr[0], port), **more)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, f"every port from {ports[0]} to {ports[-1]} is in use")


async def main(pipe: socket.socket, network: Network) -> None:
    """Run the worker."""
    orders, answers = await asyncio.open_connection(sock=pipe)
    await BrowserWorker(answers, network).run(orders)
    answers.close()


if __name__ == "__main__":
    for one in (signal.SIGINT, signal.SIGTERM):  # they are the gateway's, which ends this process in good order
        signal.signal(one, signal.SIG_IGN)
    raise_priority(PRIORITY)
    ports, addresses, stun = json.loads(sys.argv[2])
    known = Network(ports and tuple(ports), tuple(addresses), stun)
    with asyncio.Runner(loop_factory=lambda: Ranged(known.ports)) as runner:
        runner.run(main(socket.socket(fileno=int(sys.argv[1])), known))
