"""Processes that are restarted when they die: workers of ``sipgw serve --workers``, and Kamailio in front of them."""

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
"""Seconds for which a process may take to end; then it is killed."""
LONGEST_LINE = 1 << 20


class KeptProcess:
    """A child process that is restarted when it ends. `run` keeps it running until `end` is called."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.ready = asyncio.Event()
        """Set when the process has been ready for the first time, or when it shall end."""
        self.ending = asyncio.Event()
        self._command = command

    async def run(self) -> None:
        """Start the process, and start it again whenever it ends. Raises `EdgeError` if it ends before it was ever
        ready."""
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
        """Run the process once. Returns its exit status, or why it could not be started. A short lack of memory or of
        processes must not end the other processes, so this raises no OSError."""
        try:
            return f"exit status {await self._once()}"
        except OSError as error:
            return error.strerror or str(error)

    async def _once(self) -> int:
        raise NotImplementedError


async def _start(command: Sequence[str], stream: str) -> tuple[Process, asyncio.StreamReader, asyncio.StreamWriter]:
    """Start a process with a socket as its `stream` (`stdin` or `stderr`). Returns the process, and a reader and a
    writer of our end. A pipe of asyncio would wait for children that outlive the process."""
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as unused:
        unused.callback(ours.close)
        ends: dict[str, Any] = {stream: theirs.fileno()}
        process = await asyncio.create_subprocess_exec(*command, **ends, start_new_session=True)
        unused.pop_all()
    return process, *await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)


async def _watched(process: Process, let_go: Callable[[], None], *work: Coroutine[Any, Any, None]) -> int:
    """Wait until `process` ends, while `work` runs. If the wait is cancelled, call `let_go`, wait `PARTING` seconds,
    then kill the process."""
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
            one.close()  # if it was cancelled before its task began


class GatewayProcess(KeptProcess):
    """A worker: one gateway process. It may ask the parent to `reload` all workers."""

    def __init__(self, name: str, command: Sequence[str], reload: Callable[[], None]) -> None:
        super().__init__(name, command)
        self._reload = reload
        self._link: asyncio.StreamWriter | None = None

    def tell(self, order: bytes) -> None:
        """Send `STOP` or `RELOAD` to the worker. An order to a worker that is being started is lost."""
        if self._link is not None:
            self._link.write(order)

    def end(self) -> None:
        """Let the worker end after its last call; at the second call of this method, at once."""
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
    """The Kamailio process. It is ready when it listens at `place`."""

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
            with contextlib.suppress(ProcessLookupError):  # Kamailio's other processes, if the first one was killed
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
    """Write the lines that Kamailio prints to our log."""
    async for line in lines:
        log.info("kamailio", line=line.decode(errors="replace").strip())
