"""Runs one media process, restarts it when it dies, and passes messages between it and its channels."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from typing import NamedTuple, cast

import structlog

from media.process import heartbeat, wire
from media.process.channel import ANSWER_LIMIT, Channel, MediaDown, Sink
from media.process.channels import Channels
from media.process.heartbeat import PATIENCE, Heartbeat
from media.process.packet_path import PacketPath
from media.process.questions import Questions
from media.process.wire import Kind, Message
from media.recording.tap import TapOptions, Tapped, read

log = structlog.get_logger()

PIPE_LIMIT = 16 << 20
"""Bytes that may wait for the media process; beyond that sound to be said is refused."""
RESTART_PAUSE = 0.2
PARTING = 2.0
"""Seconds that the media process has to finish recordings when the gateway ends."""


class ProcessState(NamedTuple):
    """The state of a media process."""

    number: int
    """The number of the process, from 1."""
    pid: int = 0
    """Its process id; 0 while it is being started."""
    calls: int = 0
    delay: float = 0.0
    """See `media.process.heartbeat.Heartbeat.delay`."""
    failed: int = 0
    """Calls that a fault in our code has ended."""
    native: bool = False
    """Whether its packet path is in C: see `media.fast`."""
    late_answers: int = 0
    """See `media.process.questions.Questions.late`."""
    crashes: int = 0
    """See `media.process.packet_path.PacketPath.crashes`."""


class MediaProcess:
    """A media process and its channels; `keep_alive` runs it."""

    def __init__(
        self,
        host: str,
        ports: tuple[int, int],
        tap: TapOptions,
        number: int,
        of: int,
        *,
        dscp: int = 0,
        in_c: bool = False,
    ) -> None:
        """The process receives on `host` and on `ports` (first and last); it is number `number` (from 0) of `of`
        processes.

        Its packets are marked `dscp`. `in_c`: whether its packet path is in C.
        """
        self.channels = Channels()
        self.ready = asyncio.Event()
        """Set when the process runs for the first time."""
        self._host = host
        self._order = {"first": ports[0], "last": ports[1], "dscp": dscp, "tap": asdict(tap)}
        self._state = ProcessState(number + 1)
        self._of = of
        self._last = number
        self._questions = Questions(self.send)
        self._pipe: _Pipe | None = None
        self._heartbeat = Heartbeat()
        self._path = PacketPath(in_c=in_c)
        self._started = 0

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._pipe is not None

    @property
    def answers(self) -> bool:
        """Whether it is running, has started, and does not hang."""
        return self.alive and self._heartbeat.answers

    @property
    def state(self) -> ProcessState:
        """Its state."""
        calls, late = self.channels, self._questions.late
        delay = self._heartbeat.delay
        crashes = self._path.crashes
        now = self._state._replace(
            calls=len(calls), delay=delay, failed=calls.failed, late_answers=late, crashes=crashes
        )
        return now if self.alive else now._replace(pid=0)

    async def open(self, sink: Sink, *, ipv6: bool = False) -> Channel:
        """Bind ports for a call whose events go to `sink`. Raises `PortsExhausted` or `MediaDown`."""
        self._last += self._of  # the number of a channel modulo `of` identifies its process
        channel = Channel(self._last, sink, self.send, self.channels.forget)
        there = "::" if ipv6 and self._host == "0.0.0.0" else self._host
        order = wire.pack_json(self._order | {"host": there})
        if not self.send(Message(Kind.OPEN, channel.number, order)):
            raise MediaDown("the media process is being restarted")
        self.channels.add(channel)
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                await channel.opened()
        except TimeoutError:
            channel.close()
            raise MediaDown("the media process does not answer") from None
        except BaseException:
            channel.close()
            raise
        return channel

    async def packets(self, number: int) -> AsyncGenerator[Tapped, None]:
        """The kept packets of the call whose channel has (or had) this `number`, in their order.

        The packets are fetched block by block, so that they delay no sound. The generator ends early if the media
        process dies or does not answer.
        """
        block = 0
        while True:
            body = await self._questions.ask(Kind.TAPPED, number, wire.NUMBER.pack(block))
            if not body:
                return
            (block,) = wire.NUMBER.unpack_from(body)
            for packet in read(body[wire.NUMBER.size :]):
                yield packet

    def send(self, message: Message) -> bool:
        """Send an order; False if it could not be sent."""
        if self._pipe is None:
            return False
        if message.kind == Kind.SAY and self._pipe.waiting > PIPE_LIMIT:
            return False
        self._pipe.write(message.encode())
        return True

    def on_message(self, message: Message) -> None:
        """Take a message of the media process."""
        self._heartbeat.silent = 0
        if message.kind == Kind.READY:
            self._state = self._state._replace(pid=self._started, native=any(message.body))
            self.ready.set()
        elif message.kind == Kind.PONG:
            self._heartbeat.answered(asyncio.get_running_loop().time())
        elif message.kind == Kind.TAPPED:
            self._questions.answered(message.body)
        else:
            self.channels.take(message)

    async def keep_alive(self) -> None:
        """Run the process, and start it again whenever it dies, until cancelled; also if an error replaces the
        cancellation."""
        task = asyncio.current_task()
        while task is None or not task.cancelling():
            try:
                cause = await self._run_process()
            except OSError as error:  # no descriptors or no memory at present
                cause = f"the media process cannot be started: {error.strerror}"
            except Exception as error:  # the boundary of this process: the others go on with their calls
                log.exception("media process lost")
                cause = f"internal error: {type(error).__name__}"
            log.error("media process died", cause=cause, process=self._state.number, calls=len(self.channels))
            self.channels.die(cause)
            await asyncio.sleep(RESTART_PAUSE)

    async def _run_process(self) -> str:
        """Run one media process until it ends; returns how it ended."""
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_started, theirs:
            unless_started.callback(ours.close)
            ours.setblocking(False)
            command = (sys.executable, "-P", "-m", "media.process.start", str(theirs.fileno()), self._path.name)
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()], start_new_session=True)
            unless_started.pop_all()
        self._started, self._heartbeat = process.pid, Heartbeat()
        self._state = self._state._replace(pid=0, native=False)  # the new process is not ready yet
        try:
            loop = asyncio.get_running_loop()
            _, self._pipe = await loop.create_connection(lambda: _Pipe(self.on_message), sock=ours)
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(process), name="media-watch")
                status = await process.wait()
                watching.cancel()
            frozen = f"media process did not answer for {PATIENCE * heartbeat.BEAT:.0f} s and was killed"
            if self._heartbeat.silent >= PATIENCE:
                return frozen
            return f"media process ended with status {status}{self._path.ended(status, ready=self._state.pid > 0)}"
        finally:
            if self._pipe:
                self._pipe.close()
                self._pipe = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PARTING if self._state.pid else 0):  # it is not ready: it has no call
                    await process.wait()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill the media process if it is blocked. Time in which the gateway itself was blocked counts as one ping."""
        now = asyncio.get_running_loop().time
        due = now()
        while self._heartbeat.silent < PATIENCE:
            self._heartbeat.ping(due, now())
            self.send(Message(Kind.PING, 0))
            due = now() + heartbeat.BEAT
            await asyncio.sleep(heartbeat.BEAT)
        with contextlib.suppress(ProcessLookupError):
            process.kill()


class _Pipe(asyncio.Protocol):
    """The stream from and to the media process."""

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._reader = wire.Reader()
        self._transport: asyncio.WriteTransport | None = None
        self._orders: bytearray | None = None
        """Orders caused by messages that are being taken; all of them are sent by one system call."""

    @property
    def waiting(self) -> int:
        """Bytes that the media process has not taken yet."""
        return (self._transport.get_write_buffer_size() if self._transport else 0) + len(self._orders or b"")

    def write(self, order: bytes | bytearray) -> None:
        if self._orders is not None:
            self._orders += order
        elif self._transport is not None:
            self._transport.write(order)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._orders = orders = bytearray()
        try:
            for message in self._reader.feed(data):
                self._on_message(message)
        finally:
            self._orders = None
            if orders:
                self.write(orders)
