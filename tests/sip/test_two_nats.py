# mypy: disable-error-code="union-attr"
"""A phone, or a PBX in a container, behind two NATs: what it says of itself leads nowhere, only its flow leads back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from sipgw.sip.dialog import Dialog, Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Changed, Ended, Offered
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.sip.registrar import Registrar
from sipgw.sip.registration import RegistrationOptions
from sipgw.sip.uri import Uri
from tests.sip.nat import Nat
from tests.sip.test_endpoint import LOCAL, admit_all, last, run, taking
from tests.sip.wire import ANSWER, INVITE, OFFER
from tests.waiting import until

CONTAINER = "172.17.0.2"
"""The address that the phone knows of itself."""


@dataclass
class World:
    gateway: Endpoint
    phone: Endpoint
    registrar: Registrar
    taken: list[Leg]
    rung: list[Leg]
    nats: tuple[Nat, Nat]
    way: int
    """The port of 127.0.0.11 that leads through both NATs to the gateway."""

    def peer(self, transport: str) -> Peer:
        return Peer(transport, "127.0.0.11", self.way)


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    taken: list[Leg] = []
    rung: list[Leg] = []
    registrar = Registrar()

    def register(request, source, now):
        return registrar.register("anna", request, source, now)

    def bound(now):
        return registrar.bound(now)

    inner = EndpointOptions("127.0.0.10", 0, public_address=CONTAINER)
    async with (
        Endpoint(LOCAL, taking(taken), admit_all, register=register, bound=bound) as gateway,
        Endpoint(inner, taking(rung), admit_all) as phone,
    ):
        outer = Nat(("127.0.0.1", gateway.port), "127.0.0.13")
        async with outer.open("127.0.0.12") as between:
            bridge = Nat(("127.0.0.12", between), "127.0.0.12")
            async with bridge.open("127.0.0.11") as way:
                yield World(gateway, phone, registrar, taken, rung, (bridge, outer), way)
                phone.unregister()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("routed", [False, True], ids=["phone", "behind a proxy of its own"])
def test_requests_in_a_call_go_over_the_flow_that_it_came_in_on(transport: str, routed: bool) -> None:
    """With a proxy in the same container: its Record-Route names an address that leads nowhere, too."""
    record = (("Record-Route", f"<sip:{CONTAINER}:5060;lr;transport={transport}>"),) if routed else ()

    async def call() -> None:
        async with world() as here:
            target = Uri.parse(f"sip:agent@127.0.0.1;transport={transport}")
            leg, answer = await here.phone.invite(
                target, "<sip:anna@h>", OFFER, peer=here.peer(transport), fields=record
            )
            assert answer == ANSWER
            ours = here.taken[0]
            assert ours.source.host == "127.0.0.13"
            assert ours.target.host == CONTAINER

            async def follow() -> None:
                async for event in leg.events():
                    if isinstance(event, Offered):
                        leg.accept_offer(leg.local)

            async with asyncio.TaskGroup() as group:
                group.create_task(follow())
                assert await ours.acknowledged()
                changed = await ours.reinvite(ANSWER)
                assert isinstance(changed, Changed)
                assert changed.status == 200
                ours.hangup()
            assert (await last(ours)).by == "gateway"
            await until(lambda: not here.gateway.agent.waiting)

    run(call)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_new_call_goes_over_the_flow_of_the_registration(transport: str) -> None:
    async def call() -> None:
        async with world() as here:
            proxy = Uri.parse(f"sip:127.0.0.11:{here.way};transport={transport}")
            here.phone.register(
                RegistrationOptions(Uri.parse("sip:127.0.0.1"), "anna", proxy=proxy, instance="urn:uuid:phone")
            )
            now = asyncio.get_running_loop().time
            await until(lambda: here.registrar.bindings("anna", now()))
            (binding,) = here.registrar.bindings("anna", now())
            assert binding.contact.host == CONTAINER
            assert binding.peer.host == "127.0.0.13"
            leg, _ = await here.gateway.invite(binding.contact, "<sip:agent@h>", OFFER, peer=binding.peer)
            leg.hangup()
            assert isinstance(await last(here.rung[0]), Ended)

    run(call)


@pytest.mark.slow
def test_after_a_restart_of_a_nat_a_request_of_the_phone_shows_the_new_way_back() -> None:
    async def call() -> None:
        async with world() as here:
            leg, _ = await here.phone.invite(Uri.parse("sip:a@127.0.0.1"), "<sip:anna@h>", OFFER, peer=here.peer("udp"))
            ours = here.taken[0]
            source = ours._call.dialog.source

            async def answer_offers() -> None:
                async for event in ours.events():
                    if isinstance(event, Offered):
                        ours.accept_offer(ANSWER)

            here.nats[1].forget()
            async with asyncio.TaskGroup() as group:
                group.create_task(answer_offers())
                # The phone goes on to send over its flow: in a network that is where all of its packets go.
                leg._call.dialog.target = Uri.parse(f"sip:agent@127.0.0.11:{here.way}")
                assert (await leg.reinvite(OFFER)).status == 200
                assert ours._call.dialog.source.port != source.port
                ours.hangup()
            await last(leg)

    run(call)


# The rule


def dialog(source: Peer, *lines: str, contact: str = "<sip:me@172.17.0.2:5060>", via: str = CONTAINER) -> Dialog:
    text = INVITE.format(call_id="x").replace("<sip:me@10.0.0.1:5060>", contact)
    text = text.replace("UDP 10.0.0.1:5060", f"UDP {via}:5060").replace("Max-Forwards", "".join(lines) + "Max-Forwards")
    request = parse_message(text.replace("\n", "\r\n").encode())
    assert isinstance(request, Request)
    return Dialog.of_server(request, "t", source, 1)


BRIDGE = Peer("udp", "192.168.1.10", 40123)
ROUTE = "Record-Route: <sip:172.17.0.3:5060;lr>\n"
SECOND = "Via: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKz\n"


@pytest.mark.parametrize(
    ("made", "hop"),
    [
        pytest.param(dialog(BRIDGE), BRIDGE, id="a phone in a container"),
        pytest.param(dialog(BRIDGE, ROUTE, SECOND), BRIDGE, id="behind a proxy in a container"),
        pytest.param(
            dialog(BRIDGE, ROUTE, SECOND, via=BRIDGE.host), Peer("udp", "172.17.0.3", 5060), id="a routed network"
        ),
        pytest.param(
            dialog(Peer("udp", "198.51.100.7", 5060), ROUTE, SECOND, via="198.51.100.7"),
            Peer("udp", "198.51.100.7", 5060),
            id="a carrier whose route is its inner address",
        ),
        pytest.param(
            dialog(BRIDGE, contact="<sip:me@198.51.100.9:5060;ob>", via=BRIDGE.host),
            BRIDGE,
            id="a phone that asks for it",
        ),
        pytest.param(
            dialog(BRIDGE, contact="<sip:me@198.51.100.9:5060>", via=BRIDGE.host),
            Peer("udp", "198.51.100.9", 5060),
            id="a public contact",
        ),
    ],
)
def test_where_requests_in_a_call_go(made: Dialog, hop: Peer) -> None:
    assert made.next_hop[:3] == hop[:3]
