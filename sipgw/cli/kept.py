"""Processes that are started again when they die: workers of ``sipgw serve --workers``, and Kamailio before them."""

import asyncio
import contextlib
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from sipgw.cli.orders import READY, RELOAD, STOP
from sipgw.cluster.edge import EdgeError
from sipgw.sip.boundaries import bounded

log = structlog.get_logger()

PAUSE = 0.5
"""Seconds before the first restart; each further one waits twice as long, until a process has run for `STEADY`."""
PAUSE_MAX = 10.0
STEADY = 60.0
PARTING = 15.0
"""Seconds that a process has to end."""
LONGEST_LINE = 1 << 20


class KeptProcess:
    """A process. `run` keeps it running until `end`."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.ready = asyncio.Event()
        """Set when it was ready for the first time, or is to end."""
        self.ending = asyncio.Event()
        self._command = command

    async def run(self) -> None:
        """Start it again whenever it ends. Raises `EdgeError` if it ends before it was ever ready."""
        loop, pause = asyncio.get_running_loop(), PAUSE
        while not self.ending.is_set():
            began = loop.time()
            status = await self._tried()
            if self.ending.is_set():
                return
            if not self.ready.is_set():
                raise EdgeError(f"{self.name} did not start ({status}): see its messages above")
            log.warning("process ended, it is started again", process=self.name, status=status)
            pause = PAUSE if loop.time() - began > STEADY else pause
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), pause)
            pause = min(2 * pause, PAUSE_MAX)

    def end(self) -> None:
        """Do not restart the process when it ends."""
        self.ending.set()
        self.ready.set()

    async def _tried(self) -> str:
        """Run it once. Returns its exit status, or why it could not be started: the machine may be out of memory or of
        processes for a moment, which must not end the other processes."""
        try:
            return f"exit status {await self._once()}"
        except OSError as error:
            return error.strerror or str(error)

    async def _once(self) -> int:
        raise NotImplementedError


async def _start(command: Sequence[str], stream: str) -> tuple[Process, asyncio.StreamReader, asyncio.StreamWriter]:
    """Start a process with a socket for its `stream` (`stdin`, `stderr`), and our end of that. A pipe of asyncio would
    wait for processes that outlive the first one."""
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as unused:
        unused.callback(ours.close)
        ends: dict[str, Any] = {stream: theirs.fileno()}
        process = await asyncio.create_subprocess_exec(*command, **ends, start_new_session=True)
        unused.pop_all()
    return process, *await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)


async def _watched(process: Process, let_go: Callable[[], None], *work: Coroutine[Any, Any, None]) -> int:
    """Wait for the end of `process`, with `work` beside it. Whoever does not wait lets it go, and then kills it."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bounded(one, None, "a process is not watched")) for one in work]
            try:
                return await process.wait()
            finally:
                if process.returncode is None:
                    let_go()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), PARTING)
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                for task in tasks:
                    task.cancel()
    finally:
        for one in work:
            one.close()  # where it was cancelled before it began


class GatewayProcess(KeptProcess):
    """A gateway process. It may ask for a `reload` of all."""

    def __init__(self, name: str, command: Sequence[str], reload: Callable[[], None]) -> None:
        super().__init__(name, command)
        self._reload = reload
        self._link: asyncio.StreamWriter | None = None

    def tell(self, order: bytes) -> None:
        """Pass `STOP` or `RELOAD` on; while it is being started there is nobody to tell."""
        if self._link is not None:
            self._link.write(order)

    def end(self) -> None:
        """Let it end with its last call; the second time, now."""
        super().end()
        self.tell(STOP)

    async def _once(self) -> int:
        process, reader, self._link = await _start(self._command, "stdin")
        if self.ending.is_set():
            self.tell(STOP)
        try:
            return await _watched(process, self._link.close, self._obey(reader))
        finally:
            self._link.close()
            self._link = None

    async def _obey(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while told := await reader.read(1):
                if told == READY:
                    self.ready.set()
                elif told == RELOAD:
                    self._reload()


class Edge(KeptProcess):
    """Kamailio; it is ready when it listens at `place`."""

    def __init__(self, command: Sequence[str], place: tuple[str, int]) -> None:
        super().__init__("Kamailio", command)
        self._place = place
        self._stop = asyncio.Event()

    async def _once(self) -> int:
        process, lines, link = await _start(self._command, "stderr")
        try:
            work = _relay(lines), self._listens(), self._terminate(process)
            return await _watched(process, process.terminate, *work)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the others of its group, if the first one was killed
                os.killpg(process.pid, signal.SIGKILL)
            link.close()

    async def _listens(self) -> None:
        while not self.ready.is_set():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(*self._place)
                writer.close()
                self.ready.set()
            await asyncio.sleep(0.1)

    async def _terminate(self, process: Process) -> None:
        await self.ending.wait()
        process.terminate()
        await asyncio.sleep(PARTING)
        process.kill()


async def _relay(lines: asyncio.StreamReader) -> None:
    """Write the lines of Kamailio to our log."""
    async for line in lines:
        log.info("kamailio", line=line.decode(errors="replace").strip())
