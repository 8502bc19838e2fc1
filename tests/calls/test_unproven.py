"""A call over UDP from an address that may be forged: nothing is said, sent or paid for before its ACK."""

import asyncio

import pytest

from sipgw.calls import sip_connection
from sipgw.events import Disposition
from sipgw.sip import retransmitter
from tests.calling import World
from tests.calls.test_one_call import invite
from tests.sip.test_endpoint import run
from tests.waiting import until

pytestmark = pytest.mark.slow

ACK = b"""ACK sip:agent@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK8;rport
From: <sip:1002@127.0.0.1>;tag=1
To: <sip:agent@127.0.0.1>;tag=%b
Call-ID: x
CSeq: 1 ACK
Content-Length: 0

""".replace(b"\n", b"\r\n")


class Peer(asyncio.DatagramProtocol):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(data)

    @property
    def tag(self) -> bytes:
        """The gateway's, once the call is answered."""
        answers = [data for data in self.heard if data.startswith(b"SIP/2.0 200")]
        return answers[0].partition(b"\r\nTo: ")[2].partition(b";tag=")[2].partition(b"\r\n")[0] if answers else b""


@pytest.fixture(autouse=True)
def from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_connection, "is_private", lambda host: False)


async def answered(world: World) -> tuple[asyncio.DatagramTransport, Peer]:
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", world.endpoint.port))
    transport.sendto(invite(b"x"))
    await until(lambda: peer.tag)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not world.talk.running.is_set()
    assert world.peers == []
    return transport, peer


def test_the_conversation_begins_with_the_ack() -> None:
    async def scenario() -> None:
        async with World().alone() as world:
            transport, peer = await answered(world)
            transport.sendto(ACK % peer.tag)
            await world.talk.running.wait()
            assert world.peers == [9]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"
            transport.close()

    run(scenario)


def test_without_an_ack_it_is_over_before_anything_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retransmitter, "TIMEOUT", 0.2)

    async def scenario() -> None:
        async with World().alone() as world:
            transport, _ = await answered(world)
            assert await world.ending == Disposition(
                "line_lost", "network: ACK timeout (the 200 was never acknowledged)"
            )
            assert world.peers == []
            assert not world.talk.running.is_set()
            assert world.engine.channels[0].closed
            transport.close()

    run(scenario)
