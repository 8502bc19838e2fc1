"""A bare telephone for tests: real SIP and RTP, every packet kept with its time, nothing clever in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from media.rtp import packet as rtp
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.uri import Uri
from tests.waiting import until


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Phone(asyncio.DatagramProtocol):
    """One call. `sound(at)` gives the mu-law frame for each 20 ms from the first one on."""

    sound: Callable[[int], bytes] = lambda frame: b"\xff" * 160
    received: list[tuple[float, rtp.Packet]] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    leg: Leg | None = None
    remote: tuple[str, int] = ("", 0)
    _transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        packet = rtp.parse(data)
        if packet is not None:
            self.received.append((now(), packet))

    async def talk(self) -> None:
        """Send 20 ms frames on absolute deadlines for ever."""
        start = now()
        frame = 0
        while True:
            await asyncio.sleep(max(0.0, start + frame * 0.02 - now()))
            packet = rtp.build(0, frame == 0, 1000 + frame, 5000 + 160 * frame, 0x5EED, self.sound(frame))
            self.sent_at.append(now())
            self._transport.sendto(packet, self.remote)
            frame += 1

    def heard(self) -> bytes:
        """Everything received, in order of its timestamps, without the silence frames at both ends."""
        first = self.received[0][1].timestamp if self.received else 0
        packets = sorted((packet for _, packet in self.received), key=lambda p: (p.timestamp - first) & 0xFFFFFFFF)
        return b"".join(packet.payload for packet in packets).strip(b"\xff")

    async def hears(self, sound: bytes) -> None:
        """Wait until `sound` was received, byte for byte."""
        await until(lambda: sound.strip(b"\xff") in self.heard())


@contextlib.asynccontextmanager
async def calling(
    target: Uri,
    sound: Callable[[int], bytes],
    fields: tuple[tuple[str, str], ...] = (),
    host: str = "127.0.0.1",
    caller: str = "phone",
    *,
    sends: bool = True,
) -> AsyncIterator[Phone]:
    """Call `target` on loopback and talk until the block ends, then hang up; `fields` are headers of the INVITE.

    The sound goes to and from `host`, whatever the signalling does; unless the phone `sends`, only from us to it.
    """
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(lambda: Phone(sound), (host, 0))
    options = EndpointOptions(host="127.0.0.1", port=0, tcp=False)
    async with Endpoint(options, lambda leg: leg.reject(603), lambda *_: DROP) as endpoint:
        local = LocalMedia(host, transport.get_extra_info("sockname")[1], tls=False)
        offer = make_offer(local)
        phone.leg, reply = await endpoint.invite(target, f"<sip:{caller}@127.0.0.1>", offer, fields=fields)
        negotiated = accept_answer(offer, reply or b"", local)
        phone.remote = (negotiated.remote_address, negotiated.remote_port)
        async with asyncio.TaskGroup() as group:
            talking = [group.create_task(phone.talk())] if sends else []
            yield phone
            for task in talking:
                task.cancel()
        phone.leg.hangup()
        async for _ in phone.leg.events():
            pass
    transport.close()
