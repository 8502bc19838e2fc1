"""A full agent of ICE (aioice) calls the gateway, which is lite: real SIP, real checks, sound on the chosen way."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aioice
import pytest
from aioice.ice import StunProtocol

from media.rtp import packet as rtp
from media.rtp.rtcp import is_rtcp
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.sdp import Sdp
from tests.calls.test_cloud_call import records
from tests.cloud import Cloud, cloud
from tests.waiting import within


def described(connection: aioice.Connection, offer: bytes) -> bytes:
    """`offer` with the credentials and candidates of `connection`, which may have a port for RTCP."""
    sdp = Sdp.parse(offer)
    (stream,) = sdp.media
    more = (
        f"ice-ufrag:{connection.local_username}",
        f"ice-pwd:{connection.local_password}",
        *(f"candidate:{one.to_sdp()}" for one in connection.local_candidates),
    )
    own = [one for one in stream.attributes if one != "rtcp-mux" or connection._components == {1}]
    return replace(sdp, media=(replace(stream, attributes=(*own, *more)),)).to_bytes()


async def take(connection: aioice.Connection, answer: bytes) -> None:
    """Let the checks begin, and wait until a way is chosen."""
    sdp = Sdp.parse(answer)
    (stream,) = sdp.media
    connection.remote_is_lite = "ice-lite" in sdp.attributes
    assert connection.remote_is_lite
    connection.remote_username, connection.remote_password = stream.attribute("ice-ufrag"), stream.attribute("ice-pwd")
    for line in stream.attributes:
        if line.startswith("candidate:"):
            await connection.add_remote_candidate(aioice.Candidate.from_sdp(line.partition(":")[2]))
    await connection.add_remote_candidate(None)
    await within(connection.connect())


@pytest.fixture
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1", "127.0.0.3"])


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_sound_goes_where_a_full_agent_chooses(tmp_path: Path) -> None:
    async def call(world: Cloud, phone: Endpoint) -> tuple[Leg, aioice.Connection]:
        connection = aioice.Connection(ice_controlling=True, components=1)
        await connection.gather_candidates()
        default = connection.get_default_candidate(1)
        assert default is not None
        offer = described(connection, make_offer(LocalMedia(default.host, default.port, tls=False)))
        leg, answer = await phone.invite(world.target, "<sip:me@127.0.0.1>", offer)
        await take(connection, answer or b"")
        return leg, connection

    async def scenario() -> dict[str, object]:
        options = EndpointOptions("127.0.0.1", 0, tcp=False)
        async with cloud(tmp_path, [], []) as world, Endpoint(options, lambda leg: None, lambda *_: None) as phone:
            leg, connection = await call(world, phone)
            for number in range(50):
                await connection.sendto(rtp.build(0, number == 0, number, 160 * number, 7, b"\x7f" * 160), 1)
                await asyncio.sleep(0.02)
            data, component = await within(connection.recvfrom())
            packet = rtp.parse(data)
            assert packet is not None
            assert (packet.payload_type, component) == (0, 1)
            leg.hangup()
            await connection.close()
            (record,) = await records(world.gateway)
            media: dict[str, object] = record["media"]
            return media

    media = asyncio.run(scenario())
    assert media["ice_checks"]
    assert media["foreign"] == 0


@pytest.mark.usefixtures("on_loopback")
def test_the_way_that_is_chosen_need_not_be_the_default(tmp_path: Path) -> None:
    """The default address of the offer is dead, as the private one of a caller behind a NAT is; another one works. RTCP
    has a port of its own, and goes where the caller chose for it."""

    async def scenario() -> None:
        options = EndpointOptions("127.0.0.1", 0, tcp=False)
        async with cloud(tmp_path, [], []) as world, Endpoint(options, lambda leg: None, lambda *_: None) as phone:
            connection = aioice.Connection(ice_controlling=True, components=2)
            await connection.gather_candidates()
            default = connection.get_default_candidate(1)
            assert default is not None
            offer = described(connection, make_offer(LocalMedia(default.host, default.port, tls=False)))
            silence(connection._protocols, default)
            leg, answer = await phone.invite(world.target, "<sip:me@127.0.0.1>", offer)
            await take(connection, answer or b"")
            await within(hears(connection, {1, 2}))
            leg.hangup()
            await connection.close()

    def silence(protocols: list[StunProtocol], default: aioice.Candidate) -> None:
        for one in protocols:
            if one.local_candidate is not None and one.local_candidate.host == default.host:
                one.datagram_received = lambda data, addr: None  # type: ignore[method-assign]

    async def hears(connection: aioice.Connection, components: set[int]) -> None:
        while components:
            data, component = await connection.recvfrom()
            assert is_rtcp(data) is (component == 2)
            components.discard(component)

    asyncio.run(scenario())
