# mypy: disable-error-code="arg-type"
"""docker/kamailio.cfg where the addresses of its gateways mean nothing inside: behind NAT, and by TLS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed, Offered
from sipgw.sip.leg import Leg
from sipgw.sip.message import Headers, Request
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.uri import Uri
from tests.interop.kamailio_edge import Edge
from tests.ports import free_ports
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import admit_all
from tests.waiting import HANG, until

pytestmark = pytest.mark.programs("kamailio")

NOWHERE = "127.0.0.9"
"""The address that gateways tell: nobody listens there."""
MEDIA = LocalMedia("127.0.0.1", 4000, tls=False)


@dataclass
class Taking:
    """Endpoints that take calls."""

    legs: list[Leg] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)

    def take(self, leg: Leg) -> None:
        assert leg.offer
        leg.answer(answer(leg.offer, MEDIA).sdp)
        self.legs.append(leg)


@contextlib.asynccontextmanager
async def taking(*options: EndpointOptions) -> AsyncIterator[Taking]:
    one = Taking()
    async with contextlib.AsyncExitStack() as stack:
        for each in options:
            one.endpoints.append(await stack.enter_async_context(Endpoint(each, one.take, admit_all)))
        yield one


@contextlib.asynccontextmanager
async def behind(edge: Edge, ports: list[int]) -> AsyncIterator[Taking]:
    """The edge, and gateways behind it whose Contact leads nowhere."""
    ours = [EndpointOptions("127.0.0.1", port, public_address=NOWHERE) for port in ports]
    async with taking(*ours) as gateways:
        with edge.running():
            yield gateways


async def called(caller: Endpoint, target: Uri, gateways: Taking) -> tuple[Leg, Leg]:
    """A call to the gateways, and what it is there."""
    leg, sdp = await caller.invite(target, "<sip:caller@127.0.0.1>", make_offer(MEDIA))
    assert sdp is not None
    async for event in gateways.legs[-1].events():
        if isinstance(event, Confirmed):
            break
    return leg, gateways.legs[-1]


@pytest.mark.parametrize("by_nat", [False, True])
def test_a_call_that_the_gateway_has_renewed_is_ended_by_the_caller(tmp_path: Path, by_nat: bool) -> None:
    ports = [free_ports() for _ in range(2)]
    edge = Edge(tmp_path, ports, behind_nat="127.0.0.3" if by_nat else "")

    async def scenario() -> None:
        async with behind(edge, ports) as gateways, taking(EndpointOptions("127.0.0.1", 0)) as carrier:
            target = Uri("sip", "agent", "127.0.0.3" if by_nat else "127.0.0.1", edge.port)
            leg, here = await called(carrier.endpoints[0], target, gateways)
            async with asyncio.TaskGroup() as group, asyncio.timeout(HANG):
                agreeing = group.create_task(agrees(leg))
                assert (await here.reinvite(make_offer(MEDIA))).sdp
                agreeing.cancel()
            leg.hangup()
            assert await here.over(HANG)
            leg, here = await called(carrier.endpoints[0], target, gateways)
            here.hangup()
            assert await leg.over(HANG)

    asyncio.run(scenario())


def test_a_gateway_is_told_where_a_call_comes_from_whatever_the_caller_says(tmp_path: Path) -> None:
    ports = [free_ports() for _ in range(2)]
    edge = Edge(tmp_path, ports)

    async def scenario() -> None:
        ours = [EndpointOptions("127.0.0.1", port, edge="127.0.0.1") for port in ports]
        async with taking(*ours) as gateways, taking(EndpointOptions("127.0.0.1", 0)) as carrier:
            with edge.running():
                target, claim = Uri("sip", "agent", "127.0.0.1", edge.port), ("X-Sipgw-Source", "udp 192.0.2.9 5060")
                await carrier.endpoints[0].invite(target, "<sip:x@127.0.0.1>", make_offer(MEDIA), fields=(claim,))
                assert gateways.legs[0].source == Peer("udp", "127.0.0.1", carrier.endpoints[0].port)

    asyncio.run(scenario())


async def agrees(leg: Leg) -> None:
    async for event in leg.events():
        if isinstance(event, Offered) and event.sdp:
            leg.accept_offer(answer(event.sdp, MEDIA).sdp)


def test_a_call_of_a_gateway_is_ended_by_who_was_called(tmp_path: Path) -> None:
    ports = [free_ports() for _ in range(2)]
    edge = Edge(tmp_path, ports)

    async def scenario() -> None:
        async with behind(edge, ports) as gateways, taking(EndpointOptions("127.0.0.1", 0, tcp=False)) as carrier:
            callee = Uri("sip", "callee", "127.0.0.1", carrier.endpoints[0].port)
            proxy = Uri("sip", None, "127.0.0.1", edge.port)
            out, _ = await gateways.endpoints[0].invite(callee, "<sip:us@127.0.0.1>", make_offer(MEDIA), proxy=proxy)
            await until(lambda: carrier.legs)
            carrier.legs[0].hangup()
            assert await out.over(HANG)

    asyncio.run(scenario())


def test_a_carrier_that_asks_is_told_whether_calls_are_taken(tmp_path: Path) -> None:
    ports = [free_ports() for _ in range(2)]
    edge = Edge(tmp_path, ports)

    async def scenario() -> None:
        async with taking(EndpointOptions("127.0.0.1", 0)) as carrier:

            async def asked() -> int:
                there, peer = Uri("sip", None, "127.0.0.1", edge.port), Peer("udp", "127.0.0.1", edge.port)
                fields = (("To", f"<{there}>"), ("From", "<sip:carrier@127.0.0.1>;tag=1"), ("Call-ID", "x"),
                          ("CSeq", "1 OPTIONS"), ("Max-Forwards", "70"))  # fmt: skip
                request = Request("OPTIONS", there, headers=Headers(fields))
                told = await carrier.endpoints[0].ask(request, peer, 5.0)
                return told.response.status if told.response else 0

            async with behind(edge, ports), asyncio.timeout(HANG):
                assert await asked() == 200
            with edge.running():
                async with asyncio.timeout(HANG):
                    while await asked() != 503:
                        await asyncio.sleep(0.2)

    asyncio.run(scenario())


def test_a_call_by_tls_is_answered_and_ended_from_both_sides(tmp_path: Path) -> None:
    ports, authority = [free_ports() for _ in range(2)], Authority(tmp_path)
    edge = Edge(tmp_path, ports, certificate=authority.issue("127.0.0.1", file="edge.pem"))

    async def scenario() -> None:
        ours = EndpointOptions("127.0.0.1", 0, tls=authority.server())
        async with behind(edge, ports) as gateways, taking(ours) as carrier:
            target = Uri.parse(f"sip:agent@127.0.0.1:{edge.tls_port};transport=tls")
            for ends in (0, 1):
                both = await called(carrier.endpoints[0], target, gateways)
                both[ends].hangup()
                assert await both[1 - ends].over(HANG)

    asyncio.run(scenario())
