"""A carrier's edge that nobody here wrote: located by SRV, reached over TLS, and calls come back the same way."""

import asyncio
from pathlib import Path

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed, Ended
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from tests.fakes.dns import DnsServer
from tests.interop.kamailio import kamailio
from tests.ports import free_ports
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import admit_all
from tests.waiting import HANG

pytestmark = pytest.mark.programs("kamailio")

DOMAIN = "edge.example"
ZONE = """
{service}.edge 60 IN SRV 1 1 {dead} host
{service}.edge 60 IN SRV 2 1 {port} host
host 60 IN A 127.0.0.1
"""
SERVICE = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
MEDIA = LocalMedia("127.0.0.1", 4000, tls=False)


async def state(registration: Registration, wanted: RegistrationState) -> None:
    async with asyncio.timeout(HANG):
        while registration.state is not wanted:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("nat", [True, False], ids=["where we were seen", "where our Contact says"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_we_register_past_a_dead_server_and_calls_come_back_over_the_same_way(
    transport: str, nat: bool, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    port, tls_port, dead = free_ports(), free_ports(), free_ports()
    taken: list[Leg] = []

    def take(leg: Leg) -> None:
        taken.append(leg)
        assert leg.offer
        leg.answer(answer(leg.offer, MEDIA).sdp)

    async def register_and_talk() -> None:
        zone = ZONE.format(service=SERVICE[transport], dead=dead, port=tls_port if transport == "tls" else port)
        async with DnsServer(zone) as dns:
            ours = EndpointOptions("127.0.0.1", 0, tcp=False, dns=(dns.address,), tls=authority.client())
            async with (
                Endpoint(ours, take, admit_all) as gateway,
                Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: None, admit_all) as caller,
            ):
                registrar = Uri.parse(f"sip:{DOMAIN};transport={transport}")
                options = RegistrationOptions(registrar, "agent", Credentials("agent", "s3cret"))
                registration = gateway.register(options)
                await state(registration, RegistrationState.REGISTERED)
                assert registration._flow.peer.name == DOMAIN  # type: ignore[union-attr]

                target = Uri.parse(f"sip:agent@127.0.0.1:{port}")
                leg, sdp = await caller.invite(target, "<sip:caller@127.0.0.1>", make_offer(MEDIA))
                assert sdp is not None
                assert taken[0].source.transport == transport
                assert (taken[0].source.connection > 0) is (transport != "udp")
                await confirmed(taken[0])
                taken[0].hangup()
                assert (await ended(leg)).how == "BYE"

                leg, _ = await caller.invite(target, "<sip:caller@127.0.0.1>", make_offer(MEDIA))
                leg.hangup()
                assert (await ended(taken[1])).by == "caller"

                # We have no TCP or TLS port: all of it came over the connection that we opened.
                if transport != "udp":
                    assert len(gateway._transports._streams._open) == 1
        assert registration.reason == "unregistered"

    with kamailio(tmp_path, port, tls_port, authority.issue(DOMAIN), DOMAIN, nat=nat):
        asyncio.run(register_and_talk())


async def confirmed(leg: Leg) -> None:
    async with asyncio.timeout(HANG):
        async for event in leg.events():
            if isinstance(event, Confirmed):
                return


async def ended(leg: Leg) -> Ended:
    async with asyncio.timeout(HANG):
        async for event in leg.events():
            if isinstance(event, Ended):
                return event
    raise AssertionError("no end")


def test_kamailio_tells_us_our_address_by_stun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.sip.public_address.is_private", lambda host: False)  # the loopback plays the Internet
    port, tls_port = free_ports(), free_ports()

    async def ask() -> None:
        options = EndpointOptions("0.0.0.0", 0, stun_server=f"127.0.0.1:{port}")
        async with Endpoint(options, lambda leg: None, admit_all) as gateway, asyncio.timeout(HANG):
            anybody = Peer("udp", "198.51.100.1", 5060)
            while gateway._transports._public_address.address(anybody) is None:
                await asyncio.sleep(0.02)
            assert gateway._transports.address(anybody) == ("127.0.0.1", gateway.port)

    with kamailio(tmp_path, port, tls_port, Authority(tmp_path).issue("x")):
        asyncio.run(ask())
