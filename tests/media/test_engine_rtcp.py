# mypy: disable-error-code="index, union-attr"
"""RTCP of a real media process: on its own port and on the RTP port, both ways."""

import asyncio
import contextlib
import socket

import aiortc.rtp as aio
import pytest

from media.process.channel import Channel
from media.rtp import rtcp
from media.rtp.remote_stats import BUFFER
from media.rtp.rtcp import Bye, ExtendedReport, ReceiverReport, ReportBlock, SenderReport
from media.rtp.xr import VoipMetrics
from tests.media.test_engine import FORMAT, Phone, with_engine
from tests.waiting import HANG


def pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets on neighbouring ports, the lower even."""
    while True:
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        with contextlib.suppress(OSError):
            second.bind(("127.0.0.1", port + 1))
            if port % 2 == 0:
                return first, second
        first.close()
        second.close()


class Reporter(Phone):
    """A far end with a port for RTCP, or one port for all."""

    def __init__(self, *, muxed: bool) -> None:
        super().__init__()
        self.sock.close()
        self.sock, self.control = pair()
        for sock in (self.sock, self.control):
            sock.setblocking(False)
        self.muxed = muxed

    def meet(self, channel: Channel) -> None:
        here = self.sock.getsockname()
        channel.connect(FORMAT, here, control=here if self.muxed else None)
        self.sock.connect(("127.0.0.1", channel.port))
        self.control.connect(("127.0.0.1", channel.port + 1))
        if self.muxed:
            self.control.close()
            self.control = self.sock

    async def compound(self) -> tuple[bytes, float]:
        """The next compound that arrives, and when."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(HANG):
            while not rtcp.is_rtcp(data := await loop.sock_recv(self.control, 2000)):
                pass
        return data, loop.time()


@pytest.mark.parametrize("muxed", [False, True], ids=["own port", "muxed"])
def test_reports_go_there_and_back(muxed):
    async def scenario(engine):
        phone = Reporter(muxed=muxed)
        channel = await engine.open(phone.events.put_nowait)
        with contextlib.closing(phone.sock), contextlib.closing(phone.control):
            phone.meet(channel)
            phone.send(1)
            first, at = await phone.compound()
            report, *_ = aio.RtcpPacket.parse(first)
            assert isinstance(report, aio.RtcpSrPacket)
            assert [block.ssrc for block in report.reports] == [9]
            ntp = report.sender_info.ntp_timestamp >> 16 & 0xFFFF_FFFF
            rested = asyncio.get_running_loop().time() - at
            block = ReportBlock(report.ssrc, 0, 3, 0, 0, ntp, int(rested * 65536))
            metrics = VoipMetrics(report.ssrc, jitter_buffer=120)
            phone.control.send(rtcp.encode([ReceiverReport(9, (block,)), ExtendedReport(9, (metrics,))]))
            async with asyncio.timeout(HANG):
                while channel.remote_delay == BUFFER:
                    await asyncio.sleep(0.02)
            stats = await channel.stats()
            assert (stats["rtcp_sent"], stats["rtcp_received"], stats["remote_lost"]) == (1, 1, 3)
            assert stats["round_trip"] < 0.5
            assert channel.remote_delay == pytest.approx(0.120 + stats["round_trip"] / 2, abs=0.001)
            channel.close()
            last, _ = await phone.compound()
            kinds = rtcp.parse(last)
            assert isinstance(kinds[0], SenderReport)
            assert kinds[-1] == Bye((report.ssrc,))

    with_engine(scenario)


@pytest.mark.parametrize("muxed", [False, True], ids=["own port", "muxed"])
def test_a_flood_of_spoofed_reports_diverts_nothing(muxed):
    async def scenario(engine):
        phone = Reporter(muxed=muxed)
        channel = await engine.open(phone.events.put_nowait)
        strangers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        with contextlib.ExitStack() as sockets:
            for sock in (phone.sock, phone.control, *strangers):
                sockets.enter_context(contextlib.closing(sock))
            phone.meet(channel)
            first = await phone.packet()
            spoofed = rtcp.encode([
                SenderReport(9, 1, 2, 3, 4, (ReportBlock(first.ssrc, 255, 9999, 0, 0, 1, 0),)),
                ExtendedReport(9, (VoipMetrics(first.ssrc, jitter_buffer=500),)),
                Bye((9, first.ssrc)),
            ])  # fmt: skip
            for at, sock in enumerate(strangers):
                sock.bind((f"127.0.0.{at + 2}", 0))
            for _ in range(20):
                for sock in strangers * 50:
                    sock.sendto(spoofed, ("127.0.0.1", channel.port + (not muxed)))
                await asyncio.sleep(0.01)
            report, _ = await phone.compound()
            assert aio.RtcpPacket.parse(report)[0].ssrc == first.ssrc
            stats = await channel.stats()
            assert stats["rtcp_foreign"] > 100
            assert {one["reason"] for one in stats["refused_sources"]} == {"rtcp_foreign"}
            assert (stats["rtcp_received"], channel.remote_delay) == (0, BUFFER)
            assert "remote_lost" not in stats
            channel.close()

    with_engine(scenario)


def test_strangers_on_the_port_of_rtcp_are_counted():
    async def scenario(engine):
        phone = Reporter(muxed=False)
        channel = await engine.open(phone.events.put_nowait)
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stranger.bind(("127.0.0.2", 0))
        with contextlib.closing(phone.sock), contextlib.closing(phone.control), contextlib.closing(stranger):
            phone.meet(channel)
            await phone.packet()
            stranger.sendto(ReceiverReport(9).encode(), ("127.0.0.1", channel.port + 1))
            phone.control.send(ReceiverReport(9).encode())
            async with asyncio.timeout(HANG):
                while not (stats := await channel.stats())["rtcp_received"]:
                    await asyncio.sleep(0.02)
            assert (stats["rtcp_foreign"], stats["rtcp_malformed"]) == (1, 0)
            channel.close()

    with_engine(scenario)
