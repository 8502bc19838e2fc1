"""Where a request comes from that a proxy before the gateway has passed on."""

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.edge import by_origin, origin
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.message import Headers, Request
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import ANSWER, LOCAL, OFFER, admit_all, run

EDGE = Peer("udp", "127.0.0.1", 5060)
CARRIER = Peer("tls", "198.51.100.7", 5061)


def passed_on(told: str = "tls 198.51.100.7 5061") -> Request:
    return Request("INVITE", Uri("sip", "agent", "127.0.0.1"), headers=Headers((("X-Sipgw-Source", told),)))


def test_the_proxy_says_where_a_request_comes_from() -> None:
    assert origin(passed_on(), EDGE, "127.0.0.1") == CARRIER
    judged: list[Peer] = []
    by_origin(lambda request, source: judged.append(source), "127.0.0.1")(passed_on(), EDGE)
    assert judged == [CARRIER]


def test_nobody_else_is_believed() -> None:
    assert origin(passed_on(), Peer("udp", "203.0.113.5", 5060), "127.0.0.1").host == "203.0.113.5"
    assert origin(passed_on(), EDGE, "") == EDGE, "without [sip] edge there is no proxy"


@pytest.mark.parametrize(
    "told", ["", "udp", "udp example.com 5060", "udp 198.51.100.7 0", "udp 198.51.100.7 99999", "sctp 198.51.100.7 1",
             "udp 198.51.100.7 5060 x", "udp 198.51.100.7 ²", "udp 198.51.100.7 -1"],
)  # fmt: skip
def test_what_is_no_place_is_not_taken_for_one(told: str) -> None:
    assert origin(passed_on(told), EDGE, "127.0.0.1") == EDGE


def test_a_caller_of_the_internet_is_told_the_public_address_though_the_proxy_is_here() -> None:
    told: list[str] = []

    async def called() -> None:
        options = EndpointOptions("0.0.0.0", 0, public_address="198.51.100.7", edge="127.0.0.1")

        def take(leg: Leg) -> None:
            told.append(here.contact_host(leg.source))
            leg.answer(ANSWER)

        async with Endpoint(options, take, admit_all) as here, Endpoint(LOCAL, print, admit_all) as proxy:
            target, field = Uri("sip", "agent", "127.0.0.1", here.port), ("X-Sipgw-Source", "udp 203.0.113.9 5060")
            await proxy.invite(target, "<sip:x@127.0.0.1>", OFFER, fields=(field,))

    run(called)
    assert told == ["198.51.100.7"]
