"""A gateway that starts takes calls from the moment that its sockets are open."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.config.config import GatewayConfig
from sipgw.events import CallEnded
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.message import Response
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.parse import parsed
from sipgw.tools.load.host import ParrotGateway
from sipgw.tools.trial import EMBEDDED, trial
from tests.waiting import HANG


class Caller:
    """Whose INVITE is there as soon as there are sockets."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.peer = Peer("udp", *self.socket.getsockname())

    def request(self, number: int, method: str, to: str = "<sip:agent@127.0.0.1>", body: bytes = b"") -> bytes:
        lines = (
            f"{method} sip:agent@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.peer.port};branch=z9hG4bK-early-{method}",
            "From: <sip:1001@127.0.0.1>;tag=early",
            f"To: {to}",
            "Call-ID: early@127.0.0.1",
            f"CSeq: {number} {method}",
            f"Contact: <sip:1001@127.0.0.1:{self.peer.port}>",
            "Max-Forwards: 70",
            "Content-Type: application/sdp",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join((*lines, "", "")).encode() + body

    async def final(self) -> Response:
        """The first response that is no provisional one."""
        async with asyncio.timeout(HANG):
            while True:
                message = parsed(await asyncio.get_running_loop().sock_recv(self.socket, 65535))
                if isinstance(message, Response) and message.status >= 200:
                    return message


def test_a_call_that_is_there_when_the_sockets_open_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        caller, opened, over = Caller(), Endpoint.__aenter__, asyncio.Event()

        async def opening(endpoint: Endpoint) -> Endpoint:
            invite = caller.request(1, "INVITE", body=make_offer(LocalMedia("127.0.0.1", 9, tls=False)))
            asyncio.get_running_loop().call_soon(endpoint.datagram, invite, caller.peer)
            return await opened(endpoint)

        monkeypatch.setattr(Endpoint, "__aenter__", opening)
        config = trial(GatewayConfig(agent=replace(EMBEDDED, greeting="Hello.")), tmp_path)
        gateway = ParrotGateway(config)
        gateway.watchers.add(lambda event: over.set() if isinstance(event, CallEnded) else None)
        async with gateway:
            answer = await caller.final()
            assert answer.status == 200
            for number, method in ((1, "ACK"), (2, "BYE")):
                gateway.endpoint.datagram(caller.request(number, method, answer.headers.get("to") or ""), caller.peer)
            await asyncio.wait_for(over.wait(), HANG)
        caller.socket.close()

    asyncio.run(scenario())
