"""The gateway's side of a media process and the process itself in one thread, for tests of many calls that share it.

They are joined by a pipe of bytes; sockets are real, the clock is not.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from media.g711 import FRAME, FRAME_SECONDS
from media.process import worker
from media.process.channel import Channel, Frames
from media.process.schedule import PHASES
from media.process.supervisor import MediaProcess, _Pipe
from media.recording.tap import TapOptions
from media.rtp import packet as rtp
from tests.media.test_engine import FORMAT

SECOND = round(1 / FRAME_SECONDS)
"""Slots."""


class Bug(Exception):  # noqa: N818  not one of ours
    """Some fault in our code."""


def bug(*_: Any, **__: Any) -> Any:
    raise Bug("in call seven")


class RemoteSide:
    """The other side of a call, and what the gateway's side was told."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sound, self.control = self._socket(), self._socket()
        self.sent = 0
        self.got: list[rtp.Packet] = []
        self.events: list[Any] = []
        self.raises: type | None = None
        """The kind of event at which its sink raises."""

    def _socket(self) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
        return one

    def sink(self, event: Any) -> None:
        if self.raises is not None and isinstance(event, self.raises):
            bug()
        self.events.append(event)

    def speak(self, port: int) -> None:
        data = rtp.build(0, self.sent == 0, self.sent, self.sent * FRAME, self.number, bytes([self.number]) * FRAME)
        self.sound.sendto(data, ("127.0.0.1", port))
        self.sent += 1

    def press(self, port: int) -> None:
        payload = b"\x05\x0a\x00\xa0"
        self.sound.sendto(rtp.build(101, True, self.sent, self.sent * FRAME, self.number, payload), ("127.0.0.1", port))
        self.sent += 1

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                if packet := rtp.parse(self.sound.recv(2000)):
                    self.got.append(packet)

    def heard(self) -> bytes:
        return b"".join(event.ulaw for event in self.events if isinstance(event, Frames))

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class GatewayAndWorker:
    """Both processes, their calls, and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=bug)
        monkeypatch.setattr(worker, "time", clock)
        self._ours, theirs = socket.socketpair()
        for end in (self._ours, theirs):
            end.setblocking(False)
        self.worker = worker.Worker(theirs)
        self.worker._path.epoll.register(theirs)
        self.sockets = (self._ours, theirs)
        self.process = MediaProcess("127.0.0.1", (20_000, 32_000), TapOptions(), 0, 1)
        self._reader = self.process._pipe = _Pipe(self.process.on_message)
        self._reader.connection_made(
            SimpleNamespace(  # type: ignore[arg-type]
                write=self._ours.sendall, get_write_buffer_size=lambda: 0, is_closing=lambda: False
            )
        )
        self.remotes: list[RemoteSide] = []
        self.channels: list[Channel] = []
        self.slot = 0

    async def call(self) -> None:
        remote = RemoteSide(len(self.remotes))
        opening = asyncio.get_running_loop().create_task(self.process.open(remote.sink))
        await asyncio.sleep(0)
        self.exchange()
        channel = await opening
        channel.connect(FORMAT, remote.sound.getsockname(), control=remote.control.getsockname())
        self.exchange()
        self.remotes.append(remote)
        self.channels.append(channel)

    def exchange(self) -> None:
        """Orders down, datagrams in, reports up."""
        assert self.worker._take_input()
        self.worker._bounded(0, self.worker._tell_recorded)
        self.worker._flush()
        self.read()

    def read(self) -> None:
        """Reports up."""
        with contextlib.suppress(BlockingIOError):
            self._reader.data_received(self._ours.recv(1 << 20))

    def run(self, slots: int = SECOND, *, speaking: bool = True) -> None:
        """Let so many times 20 ms go by, in which everybody speaks."""
        for _ in range(slots):
            for remote, channel in zip(self.remotes, self.channels, strict=True):
                if speaking:
                    remote.speak(channel.port)
            for phase in range(PHASES):
                self.worker._transmit(phase, self.slot)
            self.exchange()
            self.slot += 1
            self.now += FRAME_SECONDS
        for remote in self.remotes:
            remote.read()

    async def counted(self, channel: Channel) -> dict[str, Any]:
        asking = asyncio.get_running_loop().create_task(channel.stats())
        await asyncio.sleep(0)
        self.exchange()
        return await asking

    def close(self) -> None:
        self.worker._recorder.shut(5.0)
        for remote in self.remotes:
            remote.sound.close()
            remote.control.close()
        for sock in self.sockets:
            sock.close()
        for channel in self.worker._channels.values():
            channel.ports.rtp.close()
            channel.ports.rtcp.close()
        self.worker._ports.sweep(float("inf"))


@contextlib.contextmanager
def paired(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayAndWorker]:
    pair = GatewayAndWorker(monkeypatch)
    try:
        yield pair
    finally:
        pair.close()


class Spoilt:
    """As the object, but for one method."""

    def __init__(self, inner: Any, name: str) -> None:
        self.__dict__.update({"inner": inner, name: bug})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)
