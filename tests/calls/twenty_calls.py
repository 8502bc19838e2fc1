"""A gateway with calls over real SIP, half of them on one TCP connection, and real RTP; what each loses is counted."""

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from media.g711 import FRAME
from media.rtp import packet as rtp
from sipgw.config.config import GatewayConfig
from sipgw.config.records import WebhookOptions
from sipgw.events import Event
from sipgw.records.webhooks import deliveries
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.uri import Uri
from sipgw.tools.load.host import ParrotGateway
from sipgw.tools.trial import EMBEDDED, trial
from tests.waiting import HANG, until

BAD = "6666"
"""The number of who is in the call in which something raises."""
BEAT = 0.02


class Bug(Exception):  # noqa: N818  not one of ours
    """Some fault in our code."""


def bug(*_: Any, **__: Any) -> Any:
    raise Bug("in the call of 6666")


@dataclass
class RemoteSide:
    """The other side of one call: its signalling, and a socket that speaks and counts."""

    number: str
    leg: Leg
    sound: socket.socket
    sent: int = 0
    got: list[int] = field(default_factory=list)
    """Sequence numbers."""

    def speak(self) -> None:
        self.sound.send(rtp.build(0, self.sent == 0, self.sent, self.sent * FRAME, 7, b"\xff" * FRAME))
        self.sent += 1

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                if packet := rtp.parse(self.sound.recv(2000)):
                    self.got.append(packet.sequence)

    async def hang_up(self) -> None:
        self.leg.hangup()
        async with asyncio.timeout(HANG):
            async for event in self.leg.events():
                if isinstance(event, Ended):
                    return


class GatewayUnderTest:
    """The gateway, those who call it, and what was told of it."""

    def __init__(self, gateway: ParrotGateway, phone: Endpoint, stack: contextlib.ExitStack) -> None:
        self.gateway = gateway
        self.phone = phone
        self.told: list[Event] = []
        self.delivered: Counter[bytes] = Counter()
        self.fars: list[RemoteSide] = []
        self._stack = stack

    async def call(self, number: str, transport: str = "tcp") -> RemoteSide:
        sound = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sound.bind(("127.0.0.1", 0))
        sound.setblocking(False)
        target = Uri("sip", "agent", "127.0.0.1", self.gateway.endpoint.port, (("transport", transport),))
        local = LocalMedia("127.0.0.1", sound.getsockname()[1], tls=False)
        offer = make_offer(local)
        leg, reply = await self.phone.invite(target, f"<sip:{number}@127.0.0.1>", offer)
        agreed = accept_answer(offer, reply or b"", local)
        sound.connect((agreed.remote_address, agreed.remote_port))
        return RemoteSide(number, leg, sound)

    @contextlib.asynccontextmanager
    async def bad(self, transport: str = "tcp") -> AsyncIterator[RemoteSide]:
        """The twenty-first call, until the end of the block."""
        far = await self.call(BAD, transport)
        speaking = asyncio.create_task(self._babble(far))  # noqa: TID251  a test
        try:
            yield far
        finally:
            speaking.cancel()
            await far.hang_up()
            await until(lambda: not any(live.info.caller == BAD for live in self.gateway.calls.values()))

    async def _babble(self, far: RemoteSide) -> None:
        while True:
            with contextlib.suppress(OSError):
                far.speak()
            await asyncio.sleep(BEAT)

    async def talk(self) -> None:
        """All twenty speak until the task is cancelled, and read what comes."""
        while True:
            for far in self.fars:
                far.speak()
                far.read()
            await asyncio.sleep(BEAT)

    def bad_id(self) -> str:
        return next(call for call, live in self.gateway.calls.items() if live.info.caller == BAD)

    def kinds(self, number: str) -> list[str]:
        """What the webhook was told of the call of that number."""
        told = [json.loads(body) for body in self.delivered]
        return [one["event"] for one in told if one["about"].get("caller") == number and one["event"] != "turn"]

    def of(self, kind: type[Any]) -> Counter[str]:
        return Counter(event.call for event in self.told if isinstance(event, kind))


@contextlib.asynccontextmanager
async def housed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GatewayUnderTest]:
    config = trial(GatewayConfig(agent=replace(EMBEDDED, greeting="Hello.")), folder)
    hook = WebhookOptions("elsewhere", "https://example.com", "sixteen letters and more", concurrency=100)
    config = replace(config, webhooks=(hook,), sip=replace(config.sip, tcp=True))
    config = replace(config, admission=replace(config.admission, delay_limit=HANG))
    phone = Endpoint(EndpointOptions("127.0.0.1", 0, tcp=False), lambda leg: leg.reject(603), lambda *_: DROP)
    with contextlib.ExitStack() as stack:
        under_test: GatewayUnderTest | None = None

        async def post(client: object, target: object, body: bytes, headers: object) -> None:
            assert under_test is not None
            if b'"caller": "6666"' in body:
                bug()
            under_test.delivered[body] += 1

        monkeypatch.setattr(deliveries, "post", post)
        async with ParrotGateway(config) as gateway, phone:
            under_test = GatewayUnderTest(gateway, phone, stack)
            gateway.watchers.add(under_test.told.append)
            yield under_test


def options(call_id: str) -> bytes:
    """A request outside any call."""
    head = f"""OPTIONS sip:x SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{call_id}
From: <sip:a@127.0.0.1>;tag=1
To: <sip:x@127.0.0.1>
Call-ID: {call_id}
CSeq: 1 OPTIONS
Content-Length: 0

"""
    return head.replace("\n", "\r\n").encode()
