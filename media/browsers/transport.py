"""The gateway's side of the transports to browsers; a process of its own does the work (`media.browsers.worker`).

That process runs while there is a transport. So the gateway's Python delays no packet, and the memory of aiortc and the
time to import it are spent only while there are calls from browsers.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import structlog

from media.process.heartbeat import BEAT, LATE, PATIENCE, Heartbeat

log = structlog.get_logger()

LIMIT = 15.0
"""Seconds in which a browser has to connect and to agree on keys."""
ANSWER_LIMIT = LIMIT + 5.0
"""Seconds that the process has for an answer; it may have to start first."""
PARTING = 2.0
HUNG_UP = "the browser hung up"
SILENT = "the process for browsers does not answer"


class Network(NamedTuple):
    """How browsers reach us."""

    ports: tuple[int, int] | None = None
    """First and last UDP port for browsers; None: any port."""
    addresses: tuple[str, ...] = ()
    """Further addresses at which our ports are reached."""
    stun: str = ""
    """A STUN server (host and port), which reports one more address of ours."""


class LocalEnd(NamedTuple):
    """The parameters of our end that the browser needs."""

    user: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[str, ...]


class PathFailed(Exception):  # noqa: N818  a condition, not a fault
    """The browser cannot be reached, or can no longer be reached; the message says why."""


class BrowserTransport:
    """The transport of one call: `gather`, `connect`, `attach` to a channel's port, then wait for its end by `gone`."""

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
        """Open ports; returns the parameters that the browser needs to reach them. Raises `PathFailed`."""
        user, password, fingerprints, candidates = await self._ask("gather")
        return LocalEnd(user, password, tuple((name, value) for name, value in fingerprints), tuple(candidates))

    async def connect(self, user: str, password: str, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Wait until the browser has connected, and agree on keys with it. Raises `PathFailed`."""
        await self._ask("connect", user, password, fingerprints)

    async def attach(self, host: str, port: int) -> tuple[str, int]:
        """Exchange packets with the media process on `port` of `host`; returns our own address. Raises `PathFailed`."""
        address, ours = await self._ask("attach", host, port)
        return address, ours

    async def gone(self) -> str:
        """Wait until the browser cannot be reached any more; returns why."""
        return await asyncio.shield(self._gone)

    async def close(self) -> None:
        """Close the ports, which ends `connect` and `gone`, and tell the browser; safe at any time, and twice."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(PathFailed):
            await self._ask("close")
        self.broke(HUNG_UP)
        await self._forget(self._number)

    def on_answer(self, order: str, result: Any, failed: str) -> None:
        """Take the answer of the process to `order`: a result, or the message of `PathFailed`."""
        if order == "gone":
            _settle(self._gone, failed or result)
        elif (answer := self._answers.pop(order, None)) and not answer.done():
            if failed:
                answer.set_exception(PathFailed(failed))
            else:
                answer.set_result(result)

    def broke(self, cause: str) -> None:
        """Note that the process has ended because of `cause`, so that no answers follow."""
        _settle(self._gone, cause)
        for order in list(self._answers):
            self.on_answer(order, None, cause)

    async def _ask(self, order: str, *values: Any) -> Any:
        if self.closed and order != "close":
            raise PathFailed(HUNG_UP)
        answer = self._answers[order] = asyncio.get_running_loop().create_future()
        self._order({"transport": self._number, "do": order, "with": values})
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return await answer
        except TimeoutError:
            raise PathFailed(SILENT) from None


def _settle(future: asyncio.Future[str], value: str) -> None:
    if not future.done():
        future.set_result(value)


class Browsers(asyncio.Protocol):
    """All transports, and their process while there is one."""

    def __init__(self, network: Network = Network()) -> None:  # noqa: B008  immutable
        self._network = network
        self._transports: dict[int, BrowserTransport] = {}
        self._number = 0
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: asyncio.WriteTransport | None = None
        self._rest = b""
        self._heartbeat = Heartbeat()
        self._changing = asyncio.Lock()
        """Held while the process is started or ended."""

    async def open(self) -> BrowserTransport:
        """A transport for a call; it must be closed in the end. Raises `OSError`, and `PathFailed` if the process
        hangs."""
        async with self._changing:
            if self._pipe is None:
                await self._end()
                await self._start()
            elif self._heartbeat.silent >= LATE:
                raise PathFailed(SILENT)
            self._number += 1
            transport = BrowserTransport(self._number, self._order, self._forget)
            self._transports[self._number] = transport
            return transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heartbeat.silent = 0
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if transport := self._transports.get(answer["transport"]):
                transport.on_answer(answer["do"], answer.get("result"), answer.get("failed", ""))

    def connection_lost(self, _: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._pipe = None
        for transport in self._transports.values():
            transport.broke("the process for browsers ended")

    def _order(self, order: dict[str, Any]) -> None:
        if self._pipe is None:
            self._transports[order["transport"]].broke("the process for browsers ended")
        else:
            self._pipe.write(json.dumps(order).encode() + b"\n")

    async def _forget(self, number: int) -> None:
        async with self._changing:
            self._transports.pop(number, None)
            if not self._transports:
                await self._end()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            self._rest = b""
            command = (sys.executable, "-P", "-m", "media.browsers.worker")
            arguments = (str(theirs.fileno()), json.dumps(self._network))
            self._process = await asyncio.create_subprocess_exec(
                *command, *arguments, pass_fds=[theirs.fileno()], start_new_session=True
            )
        self._pipe, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        self._heartbeat = Heartbeat()
        self._beat(self._process)

    def _beat(self, process: asyncio.subprocess.Process) -> None:
        """Kill the process if it is blocked: its calls are silent."""
        if self._pipe is None or process is not self._process:
            return
        if self._heartbeat.silent >= PATIENCE:
            log.error("process for browsers did not answer and is killed", calls=len(self._transports))
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return
        self._heartbeat.silent += 1
        self._order({"transport": 0, "do": "ping", "with": ()})  # without a transport, so it is answered at once
        asyncio.get_running_loop().call_later(BEAT, self._beat, process)

    async def _end(self) -> None:
        """Let the process end, which it does when its pipe is closed."""
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
