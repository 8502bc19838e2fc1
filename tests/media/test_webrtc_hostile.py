"""What a stranger, or the browser itself, sends to the port of a browser's call to end it or to slow others down."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pylibsrtp
import pytest
from aioice import Candidate
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCIceGatherer, RTCIceParameters
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport, candidate_from_aioice

from media.browsers.transport import Network
from media.browsers.webrtc import STREAMS, UNREAD, BrowserPath
from media.browsers.worker import Ranged
from media.g711 import FRAME, SILENCE
from media.rtp import packet as rtp
from tests.waiting import HANG

SHORT_ATTRIBUTE = struct.pack("!HHI12sHH", 1, 4, 0x2112A442, bytes(12), 0x0024, 0)
"""STUN whose priority has no bytes."""


class Call:
    """A browser that is connected to a path, and the port of the media process."""

    def __init__(self) -> None:
        self.path = BrowserPath(Network())
        gatherer = RTCIceGatherer(iceServers=[])
        self._ice = RTCIceTransport(gatherer)
        self._ice._connection.ice_controlling = True
        self.dtls = RTCDtlsTransport(self._ice, [RTCCertificate.generateCertificate()])
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.media.bind(("127.0.0.1", 0))
        self.media.setblocking(False)
        self.address = ("", 0)

    async def connect(self, flood: int = 0) -> None:
        ours = await self.path.gather()
        candidates = [Candidate.from_sdp(one) for one in ours.candidates]
        self.address = next((one.host, one.port) for one in candidates if ":" not in one.host)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(flood):
                stranger.sendto(bytes(1400), self.address)
                await asyncio.sleep(0)
        await self._ice.iceGatherer.gather()
        for one in candidates:
            await self._ice.addRemoteCandidate(candidate_from_aioice(one))
        await self._ice.addRemoteCandidate(None)
        told = self._ice.iceGatherer.getLocalParameters()
        theirs = tuple((one.algorithm, one.value) for one in self.dtls.getLocalParameters().fingerprints)
        prints = [RTCDtlsFingerprint(name, value) for name, value in ours.fingerprints]
        async with asyncio.TaskGroup() as group:
            group.create_task(self.path.connect(told.usernameFragment or "", told.password or "", theirs))
            await self._ice.start(RTCIceParameters(ours.user, ours.password))
            await self.dtls.start(RTCDtlsParameters(prints))
        self.path.attach("127.0.0.1", self.media.getsockname()[1])

    async def speak(self, ssrc: int, number: int = 0) -> rtp.Packet | None:
        """Send a packet of sound; returns the next one that reaches the media process."""
        await self.dtls._send_rtp(rtp.build(0, False, number, number * FRAME, ssrc, SILENCE))
        return rtp.parse(await asyncio.get_running_loop().sock_recv(self.media, 2000))

    async def close(self) -> None:
        await self.path.close()
        await self.dtls.stop()
        await self._ice.stop()
        self.media.close()


@contextlib.asynccontextmanager
async def connected(flood: int = 0) -> AsyncIterator[Call]:
    """A call; before the browser comes, a stranger sends a `flood` of datagrams."""
    call = Call()
    try:
        async with asyncio.timeout(HANG):
            await call.connect(flood)
            yield call
    finally:
        await call.close()


def run(scenario: Callable[[Call], Awaitable[None]], flood: int = 0) -> list[dict[str, object]]:
    """Run it on the loop of the process for browsers; returns the errors that the loop was told."""
    told: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with connected(flood) as call:
            await scenario(call)

    with asyncio.Runner(loop_factory=lambda: Ranged(None)) as runner:
        runner.run(main())
    return told


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\x80" + bytes(1600), b"\x80", b"\x16" + bytes(1600), SHORT_ATTRIBUTE],
    ids=["empty", "long sound", "short sound", "long handshake", "STUN"],
)
def test_a_datagram_of_a_stranger_does_not_end_the_call(datagram: bytes) -> None:
    async def scenario(call: Call) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(9):
                stranger.sendto(datagram, call.address)
                heard = await call.speak(1, number)
                assert heard is not None
                assert (heard.sequence, heard.payload) == (number, SILENCE)

    assert run(scenario) == []


def test_a_stranger_who_floods_the_port_before_the_browser_comes_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited, get = list[int](), asyncio.Queue.get

    async def got(queue: asyncio.Queue[bytes]) -> bytes:
        waited.append(queue.qsize())
        return await get(queue)

    async def scenario(call: Call) -> None:
        assert await call.speak(1) is not None

    monkeypatch.setattr(asyncio.Queue, "get", got)
    assert run(scenario, flood=3 * UNREAD) == []
    assert UNREAD - 1 <= max(waited) <= UNREAD


def test_a_browser_that_changes_its_ssrc_does_not_fill_libsrtp() -> None:
    async def scenario(call: Call) -> None:
        for ssrc in range(1, 101):
            heard = await call.speak(ssrc)
            assert heard is not None
            assert heard.ssrc == ssrc
        received = call.path._dtls._rx_srtp
        for ssrc in range(1, 101 - STREAMS):
            with pytest.raises(pylibsrtp.Error):
                received.remove_stream(ssrc)
        for ssrc in range(101 - STREAMS, 101):
            received.remove_stream(ssrc)

    assert run(scenario) == []


def test_packets_of_a_removed_stream_are_not_taken_again() -> None:
    async def scenario(call: Call) -> None:
        old = call.dtls._tx_srtp.protect(rtp.build(0, False, 7, 7 * FRAME, 1, SILENCE))
        await call.dtls.transport._send(old)
        for ssrc in range(1, STREAMS + 3):
            await asyncio.get_running_loop().sock_recv(call.media, 2000)
            await call.dtls._send_rtp(rtp.build(0, False, 0, 0, ssrc + 1, SILENCE))
        await asyncio.get_running_loop().sock_recv(call.media, 2000)
        await call.dtls.transport._send(old)
        heard = await call.speak(STREAMS + 3, 1)
        assert heard is not None
        assert heard.ssrc == STREAMS + 3

    assert run(scenario) == []
