"""Where a request comes from that a proxy before the gateway has passed on."""

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.edge import by_origin, origin
from sipgw.sip.message import Headers, Request
from sipgw.sip.uri import Uri

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
