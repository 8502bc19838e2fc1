# mypy: disable-error-code="union-attr"
"""A browser, played by aiortc's own peer connection: offers, connects, sends mu-law, keeps what it hears."""

import asyncio
import contextlib
from collections.abc import Callable
from fractions import Fraction

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from agent.ulaw import from_linear
from media.g711 import FRAME, SILENCE
from media.rtp.rtcp import is_rtcp
from sipgw.calls.browser_phone import TRUNK, BrowserPhone, PromptDraft

EVENTS = 126
ENDS, LENGTHS = (0, 0, 0, 1, 1, 1), (160, 320, 480, 640, 640, 640)
EVENT = [bytes([end << 7 | 10]) + length.to_bytes(2, "big") for end, length in zip(ENDS, LENGTHS, strict=True)]
LOOPBACK = RTCConfiguration(iceServers=[])


class Microphone(MediaStreamTrack):
    """Speaks mu-law that aiortc packs as it is."""

    kind = "audio"

    def __init__(self, sound: Callable[[int], bytes]) -> None:
        super().__init__()
        self.frame = 0
        self._sound = sound
        self._began = 0.0

    async def recv(self) -> av.Packet:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(self._began + self.frame * 0.02 - loop.time())
        packet = av.Packet(self._sound(self.frame))
        packet.pts, packet.time_base = self.frame * FRAME, Fraction(1, 8000)
        self.frame += 1
        return packet


class Browser:
    """One page with one call."""

    def __init__(self, sound: Callable[[int], bytes] = lambda frame: SILENCE) -> None:
        self.connection = RTCPeerConnection(LOOPBACK)
        self.call = ""
        self.answer = ""
        self.heard = bytearray()
        """Mu-law; decoded and encoded again, which changes nothing but the negative zero."""
        self._listening: asyncio.Task[None] | None = None
        self.connection.addTrack(Microphone(sound))
        self.connection.on("track", self._on_track)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp = self.connection.localDescription.sdp
        # What browsers offer and aiortc does not.
        first, rest = sdp.split("a=rtcp-mux", 1)
        first = first.replace(" 0 8\r\n", f" 0 8 {EVENTS}\r\n")
        assert f" {EVENTS}\r\n" in first
        return f"{first}a=rtpmap:{EVENTS} telephone-event/8000\r\na=rtcp-mux{rest}"

    async def place(
        self, phone: BrowserPhone, agent: str = "agent", who: str = "", draft: PromptDraft | None = None
    ) -> None:
        self.call, self.answer = await phone.place(await self.offer(), agent, who, who or TRUNK.name, draft=draft)
        await self.connection.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))

    def press(self, key: int) -> None:
        """One key of 80 ms in place of sound, its end told three times (RFC 4733 §2.5.1.4)."""
        transport = self.connection.getSenders()[0].transport
        send, marks, first = transport._send_rtp, iter(EVENT), bytearray()

        async def instead(data: bytes) -> None:
            body = None if is_rtcp(data) else next(marks, None)
            if body is not None:
                first[:] = first or data[:12]
                marker = 0x80 if body is EVENT[0] else 0
                data = data[:1] + bytes([marker | EVENTS]) + data[2:4] + first[4:12] + bytes([key]) + body
            await send(data)

        transport._send_rtp = instead  # type: ignore[method-assign]

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.get_running_loop().create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self.heard += from_linear(bytes(frame.planes[0])[: frame.samples * 2])

    async def close(self) -> None:
        await self.connection.close()
        if self._listening:
            self._listening.cancel()  # a track that never began does not end
