"""The DSCP mark on packets of the media process, as the receiver sees it."""

import asyncio
import contextlib
import socket

import pytest

from media.process.engine import MediaEngine, MediaOptions
from media.process.ports import EF
from media.rtp import rtcp
from tests.media.test_engine import FORMAT, OPTIONS, with_engine
from tests.waiting import HANG

ANY = MediaOptions("0.0.0.0", OPTIONS.port_range)


class Marked:
    """A socket that tells the mark of each datagram that it receives."""

    def __init__(self, host: str) -> None:
        six = ":" in host
        self.sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        level, option = (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS) if six else (socket.IPPROTO_IP, socket.IP_RECVTOS)
        self.sock.setsockopt(level, option, 1)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))

    @property
    def address(self) -> tuple[str, int]:
        host, port, *_ = self.sock.getsockname()
        return host, port

    async def next(self) -> tuple[bytes, int]:
        """A datagram, and its mark: the upper six bits of the octet that carries it (RFC 2474 §3)."""
        arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self.sock, arrived.set)
        try:
            async with asyncio.timeout(HANG):
                await arrived.wait()
        finally:
            loop.remove_reader(self.sock)
        data, told, _, _ = self.sock.recvmsg(2000, 100)
        return data, int.from_bytes(told[0][2], "little") >> 2


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.bind(("::1", 0))
        return True
    return False


@pytest.mark.faults("B8")
@pytest.mark.parametrize(("options", "mark"), [(ANY, EF), (MediaOptions("0.0.0.0", OPTIONS.port_range, dscp=34), 34),
                                               (MediaOptions("0.0.0.0", OPTIONS.port_range, dscp=0), 0)])  # fmt: skip
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here"))],
)
def test_sound_and_reports_carry_the_mark(host: str, options: MediaOptions, mark: int) -> None:
    async def scenario(engine: MediaEngine) -> None:
        sound, control = Marked(host), Marked(host)
        with contextlib.closing(sound.sock), contextlib.closing(control.sock):
            channel = await engine.open(lambda event: None, ipv6=":" in host)
            channel.connect(FORMAT, sound.address, control=control.address)
            assert [(await sound.next())[1] for _ in range(3)] == [mark] * 3
            data, marked = await control.next()
            assert rtcp.is_rtcp(data)
            assert marked == mark
            channel.close()

    with_engine(scenario, options)
