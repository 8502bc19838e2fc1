"""The gateway's side of the media plane: opens channels in the media process and keeps that process alive."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass
from typing import Self

import structlog

from media import wire
from media.channel import ANSWER_LIMIT, Channel, MediaDown, Sink
from media.tap import TapOptions, Tapped, read
from media.wire import Kind, Message

log = structlog.get_logger()

PIPE_LIMIT = 16 << 20
"""Bytes that may wait for the media process; beyond that sound to be said is refused."""
RESTART_PAUSE = 0.2
BEAT = 1.0
"""Seconds between two questions whether the media process still answers."""
PATIENCE = 4
"""Questions without an answer after which it is killed: its calls have been silent as long."""
STARTING = 20
"""The same for its first words."""
PARTING = 2.0
"""Seconds that the media process has for its last recordings when the gateway ends."""


@dataclass(frozen=True)
class MediaOptions:
    """The addresses that sound is received on."""

    bind_host: str = "0.0.0.0"
    """Local address of the RTP sockets; ``0.0.0.0`` also takes calls whose sound comes over IPv6."""
    port_range: tuple[int, int] = (16384, 32766)
    """First and last UDP port; each call takes two."""

    def __post_init__(self) -> None:
        first, last = self.port_range
        if not 1024 <= first < last <= 65535:
            raise ValueError("port_range must be two ports between 1024 and 65535, the lower first")


class MediaEngine:
    """The media process and its channels. Use it as an async context manager."""

    def __init__(self, options: MediaOptions, tap: TapOptions | None = None) -> None:
        """`tap` is what is kept of the packets of each call, for `packets`."""
        self._options = options
        self._tap = asdict(tap or TapOptions("off"))
        self._shown: asyncio.Queue[bytes] = asyncio.Queue()
        self._looking = asyncio.Lock()
        self._channels: dict[int, Channel] = {}
        self._number = 0
        self._pipe: asyncio.Transport | None = None
        self._group = asyncio.TaskGroup()
        self._ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._silent = 0
        """Questions since the media process said anything."""
        self.pid = 0
        """Of the media process."""

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._keeper = self._group.create_task(self._keep_alive(), name="media-process")
        try:
            async with asyncio.timeout(10):
                await self._ready.wait()
        except TimeoutError:
            self._keeper.cancel()
            await self._group.__aexit__(None, None, None)
            raise MediaDown("the media process did not start") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper:
            self._keeper.cancel()
        await self._group.__aexit__(None, None, None)  # the body's own error stays what it is

    @property
    def host(self) -> str:
        """The local address that sound is received on."""
        return self._options.bind_host

    @property
    def alive(self) -> bool:
        """Whether the media process is running."""
        return self._pipe is not None

    async def open(self, sink: Sink, *, ipv6: bool = False) -> Channel:
        """Bind ports for a call whose events go to `sink`. Raises `PortsExhausted` or `MediaDown`."""
        host = self._options.bind_host
        self._number += 1
        channel = Channel(self._number, sink, self.send, self._forget)
        first, last = self._options.port_range
        there = "::" if ipv6 and host == "0.0.0.0" else host
        order = wire.pack_json({"host": there, "first": first, "last": last, "tap": self._tap})
        if not self.send(Message(Kind.OPEN, self._number, order)):
            raise MediaDown("the media process is being restarted")
        self._channels[self._number] = channel
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
        """What has been kept of the packets of the call whose channel has (or had) that number, in their order.

        It is handed up block by block, each when the one before was taken, so that it delays no sound. It ends early
        if the media process dies or does not answer.
        """
        block = 0
        while True:
            async with self._looking:  # one question at a time: an answer that came too late answers no other
                while not self._shown.empty():
                    self._shown.get_nowait()
                if not self.send(Message(Kind.TAPPED, number, wire.NUMBER.pack(block))):
                    return
                try:
                    async with asyncio.timeout(ANSWER_LIMIT):
                        body = await self._shown.get()
                except TimeoutError:
                    return
            if not body:
                return
            (block,) = wire.NUMBER.unpack_from(body)
            for packet in read(body[wire.NUMBER.size :]):
                yield packet

    def send(self, message: Message) -> bool:
        """Give an order; False when it could not be taken."""
        if self._pipe is None:
            return False
        if message.kind == Kind.SAY and self._pipe.get_write_buffer_size() > PIPE_LIMIT:
            return False
        self._pipe.write(message.encode())
        return True

    def _forget(self, number: int) -> None:
        self._channels.pop(number, None)

    def on_message(self, message: Message) -> None:
        """Take a report of the media process."""
        self._silent = 0
        if message.kind == Kind.READY:
            self._ready.set()
        elif message.kind == Kind.TAPPED:
            self._shown.put_nowait(message.body)
        elif channel := self._channels.get(message.channel):
            channel.on_message(message)

    async def _keep_alive(self) -> None:
        while True:
            try:
                cause = await self._run_process()
            except OSError as error:  # no descriptors or no memory now; perhaps in a moment
                cause = f"the media process cannot be started: {error.strerror}"
            log.error("media process died", cause=cause, calls=len(self._channels))
            channels, self._channels = self._channels, {}
            for channel in channels.values():
                channel.died(cause)
            await asyncio.sleep(RESTART_PAUSE)

    async def _run_process(self) -> str:
        """Run one media process to its end; returns how it ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            command = (sys.executable, "-m", "media.worker", str(theirs.fileno()))
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()])
        self.pid, self._silent = process.pid, PATIENCE - STARTING
        watching = None
        try:
            loop = asyncio.get_running_loop()
            self._pipe, _ = await loop.create_connection(lambda: _Pipe(self.on_message), sock=ours)
            watching = self._group.create_task(self._watch(process), name="media-watch")
            status = await process.wait()
            frozen = f"media process did not answer for {PATIENCE * BEAT:.0f} s and was killed"
            return frozen if self._silent >= PATIENCE else f"media process ended with status {status}"
        finally:
            if watching:
                watching.cancel()
            if self._pipe:
                self._pipe.close()
                self._pipe = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PARTING):
                    await process.wait()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill the media process if it stands still. The gateway's own standing still counts as one question."""
        while self._silent < PATIENCE:
            self._silent += 1
            self.send(Message(Kind.PING, 0))
            await asyncio.sleep(BEAT)
        with contextlib.suppress(ProcessLookupError):
            process.kill()


class _Pipe(asyncio.Protocol):
    """The stream from the media process."""

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._reader = wire.Reader()

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            self._on_message(message)
