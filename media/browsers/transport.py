"""The ways to browsers as the gateway holds them; the work is done in a process of its own (`media.browsers.worker`).

It runs as long as there is one. So the gateway's Python delays no packet, and aiortc's memory and time at import are
spent only while somebody calls from a browser.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

LIMIT = 15.0
"""Seconds that a browser has to find the way here and to agree on keys."""
ANSWER_LIMIT = LIMIT + 5.0
"""Seconds that the process has for an answer; at first it has to start."""
PARTING = 2.0
HUNG_UP = "the browser hung up"


class Network(NamedTuple):
    """Where browsers reach us."""

    ports: tuple[int, int] | None = None
    """First and last UDP port; None: any."""
    addresses: tuple[str, ...] = ()
    """Further addresses of our ports."""
    stun: str = ""
    """A server that tells another, as host and port."""


class LocalEnd(NamedTuple):
    """What a browser has to be told."""

    user: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[str, ...]


class PathFailed(Exception):  # noqa: N818  what became of it, like the channel's
    """There is no way to the browser (any more); the message says why."""


class BrowserTransport:
    """One call's way: `gather`, `connect`, `attach` to a channel's port, then wait for the end with `gone`."""

    def __init__(
        self, number: int, order: Callable[[dict[str, Any]], None], forget: Callable[[int], Awaitable[None]]
    ) -> None:
        self.closed = False
        self._number = number
        self._order = order
        self._forget = forget
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def gather(self) -> LocalEnd:
        """Open ports; returns what the browser needs to reach them. Raises `PathFailed`."""
        user, password, fingerprints, candidates = await self._ask("gather")
        return LocalEnd(user, password, tuple((name, value) for name, value in fingerprints), tuple(candidates))

    async def connect(self, user: str, password: str, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Wait until the browser has found us, and agree on keys with it. Raises `PathFailed`."""
        await self._ask("connect", user, password, fingerprints)

    async def attach(self, host: str, port: int) -> tuple[str, int]:
        """Exchange with the media process on `port` of `host`; returns where it sends to. Raises `PathFailed`."""
        address, ours = await self._ask("attach", host, port)
        return address, ours

    async def gone(self) -> str:
        """Wait until there is no way to the browser any more; returns why."""
        return await asyncio.shield(self._gone)

    async def close(self) -> None:
        """Tell the browser and close the ports, which ends `connect` and `gone`; safe at any time, and twice."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(PathFailed):
            await self._ask("close")
        self.broke(HUNG_UP)
        await self._forget(self._number)

    def told(self, what: str, told: Any, failed: str) -> None:
        """Take an answer of the process."""
        if what == "gone":
            _settle(self._gone, told)
        elif (answer := self._answers.pop(what, None)) and not answer.done():
            if failed:
                answer.set_exception(PathFailed(failed))
            else:
                answer.set_result(told)

    def broke(self, cause: str) -> None:
        """Nothing follows."""
        _settle(self._gone, cause)
        for what in list(self._answers):
            self.told(what, None, cause)

    async def _ask(self, what: str, *values: Any) -> Any:
        if self.closed and what != "close":
            raise PathFailed(HUNG_UP)
        answer = self._answers[what] = asyncio.get_running_loop().create_future()
        self._order({"way": self._number, "do": what, "with": values})
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return await answer
        except TimeoutError:
            raise PathFailed("the process for browsers does not answer") from None


def _settle(future: asyncio.Future[str], value: str) -> None:
    if not future.done():
        future.set_result(value)


class Browsers(asyncio.Protocol):
    """All ways, and their process while there is one."""

    def __init__(self, network: Network = Network()) -> None:  # noqa: B008  it cannot be changed
        self._network = network
        self._ways: dict[int, BrowserTransport] = {}
        self._number = 0
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: asyncio.WriteTransport | None = None
        self._rest = b""
        self._changing = asyncio.Lock()
        """Held while the process is started or ended."""

    async def open(self) -> BrowserTransport:
        """A way for a call, to be closed in the end. Raises `OSError`."""
        async with self._changing:
            if self._pipe is None:
                await self._end()
                await self._start()
            self._number += 1
            way = self._ways[self._number] = BrowserTransport(self._number, self._order, self._forget)
            return way

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if way := self._ways.get(answer["way"]):
                way.told(answer["do"], answer.get("told"), answer.get("failed", ""))

    def connection_lost(self, _: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._pipe = None
        for way in self._ways.values():
            way.broke("the process for browsers ended")

    def _order(self, order: dict[str, Any]) -> None:
        if self._pipe is None:
            self._ways[order["way"]].broke("the process for browsers ended")
        else:
            self._pipe.write(json.dumps(order).encode() + b"\n")

    async def _forget(self, number: int) -> None:
        async with self._changing:
            self._ways.pop(number, None)
            if not self._ways:
                await self._end()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            self._rest = b""
            command = (sys.executable, "-m", "media.browsers.worker", str(theirs.fileno()), json.dumps(self._network))
            self._process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()])
        self._pipe, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)

    async def _end(self) -> None:
        """Let the process end, which it does when nobody holds its pipe."""
        process, self._process = self._process, None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PARTING):
                    await process.wait()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
