"""Our side of a call as it is described, by where the call came from or goes to."""

from dataclasses import dataclass, replace

import pytest

from sipgw.calls.negotiation import OurSide, agree, agree_late, describe, ours, renegotiate, taking_over, usable
from sipgw.sip.dialog import Peer
from sipgw.sip.events import Offered
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable
from sipgw.sip.sdes import SECRET
from sipgw.sip.sdp import UNKNOWN, Sdp

UDP, TLS = Peer("udp", "192.0.2.1", 5060), Peer("tls", "192.0.2.1", 5061)
THEIRS = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=video 6000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0\r\n"
)


@dataclass
class Leg:
    """The leg of a call, which remembers our description as `sipgw.sip.offer_exchange.OfferExchange` does."""

    source: Peer
    local: bytes = b""
    id: str = "call"
    waits: bool = True
    host: str = ""
    calling: bool = True
    remote: bytes = b""

    def accept_offer(self, sdp: bytes) -> bool:
        if self.waits:
            self.local = sdp
        return self.waits

    def reject_offer(self, status: int) -> None:
        assert status == 488


@pytest.mark.faults("G1")
@pytest.mark.parametrize(("source", "keyed"), [(UDP, False), (TLS, True)])
def test_an_offer_in_a_200_holds_keys_only_where_the_call_came_over_tls(source: Peer, keyed: bool) -> None:
    """RFC 4568 §8.3; the INVITE had no offer."""
    leg = Leg(source)
    description, agreed = describe(leg, ours("203.0.113.7", 20000, "optional", leg), None)  # type: ignore[arg-type]
    assert agreed is None
    assert (b"a=crypto:" in description) is keyed


@pytest.mark.faults("G1")
def test_each_place_that_is_tried_gets_offers_and_keys_of_its_own() -> None:
    side = OurSide(20000)
    over_tls, over_udp = (side.offers("optional", there) for there in (TLS, UDP))
    assert [len(over_tls), len(over_udp)] == [3, 1]
    again = side.offers("optional", TLS)
    assert not {line for one in over_tls for line in one.split(b"\r\n") if b"inline" in line} & {
        *again[0].split(b"\r\n")
    }


@pytest.mark.parametrize("answered", [True, False])
def test_an_offer_before_the_answer_decides_what_is_agreed_unless_another_branch_answers(answered: bool) -> None:
    """RFC 3311, RFC 4568: the keys are those of their offer and of our answer to it, not of our INVITE."""
    side, theirs = OurSide(20000), OurSide(4000)
    leg = Leg(TLS, local=side.offers("optional", TLS)[1].replace(UNKNOWN.encode(), b"192.0.2.7"))
    offer = theirs.offers("optional", TLS)[1].replace(UNKNOWN.encode(), b"192.0.2.1")
    other = offer.replace(b"192.0.2.1", b"192.0.2.2").replace(b"SAVP", b"AVP")
    other = b"\r\n".join(line for line in other.split(b"\r\n") if b"crypto" not in line)
    sent = leg.local
    side.early(leg, Offered(offer))  # type: ignore[arg-type]
    if not answered:
        leg.local = sent
    leg.remote = offer if answered else other
    _, agreed = agree(leg, side)  # type: ignore[arg-type]
    assert agreed is not None and agreed.sdp == leg.local
    assert (agreed.remote_address, agreed.srtp is not None) == ("192.0.2.1" if answered else "192.0.2.2", answered)


@pytest.mark.parametrize("second", [b"not usable", b"of another branch"])
def test_an_offer_before_the_answer_holds_after_a_later_one_that_was_refused_or_came_from_another_branch(
    second: bytes,
) -> None:
    side, theirs = OurSide(20000), OurSide(4000)
    leg = Leg(TLS, local=side.offers("optional", TLS)[1].replace(UNKNOWN.encode(), b"192.0.2.7"))
    offer = theirs.offers("optional", TLS)[1].replace(UNKNOWN.encode(), b"192.0.2.1")
    side.early(leg, Offered(offer))  # type: ignore[arg-type]
    ours = leg.local
    later = b"" if second == b"not usable" else offer.replace(b"192.0.2.1", b"192.0.2.2")
    side.early(leg, Offered(later))  # type: ignore[arg-type]
    leg.local, leg.remote = ours, offer
    _, agreed = agree(leg, side)  # type: ignore[arg-type]
    assert agreed is not None
    assert (agreed.sdp, agreed.remote_address, agreed.srtp is not None) == (ours, "192.0.2.1", True)


@pytest.mark.parametrize(("before", "ice"), [(UNKNOWN, False), ("203.0.113.7", False), ("192.168.1.20", True)])
def test_who_takes_the_place_of_another_is_told_our_address_in_its_own_network(before: str, ice: bool) -> None:
    """Of a call of ours that rings (RFC 3891 §3), too. ICE goes on only where it was sure to work."""
    local = replace(LocalMedia(before, 20000, tls=False, secret=bytes(SECRET)), ice=True)
    took = taking_over(Leg(UDP, host="192.168.1.20"), local)  # type: ignore[arg-type]
    assert (took.address, took.ice, took.port) == ("192.168.1.20", ice, 20000)
    assert took.secret != local.secret


@pytest.mark.faults("F3", "B1")
def test_an_offer_that_they_ask_for_has_their_streams_and_no_older_version() -> None:
    """RFC 3264 §8."""
    leg = Leg(UDP)
    local = ours("203.0.113.7", 20000, "optional", leg)  # type: ignore[arg-type]
    leg.local, _ = describe(leg, local, THEIRS)  # type: ignore[arg-type]
    assert renegotiate(leg, local, None) is None  # type: ignore[arg-type]
    offered = Sdp.parse(leg.local)
    assert [(media.kind, media.port) for media in offered.media] == [("video", 0), ("audio", 20000)]
    assert renegotiate(leg, local, THEIRS) is not None  # type: ignore[arg-type]
    versions = [int(offered.origin.split()[2]), int(Sdp.parse(leg.local).origin.split()[2])]
    assert versions == [2, 3]


@pytest.mark.faults("F7")
@pytest.mark.parametrize("asked", [True, False])
def test_a_late_answer_with_port_0_is_no_end_of_a_call_that_is_up(asked: bool) -> None:
    """It answers our refresh, or in an ACK the offer that they had asked for."""
    leg, off = Leg(UDP), THEIRS.replace(b"audio 4000", b"audio 0").replace(b"video 6000", b"video 0")
    local = ours("203.0.113.7", 20000, "off", leg)  # type: ignore[arg-type]
    for sdp in (THEIRS, None if asked else off):
        renegotiate(leg, local, sdp)  # type: ignore[arg-type]
    agreed = agree_late(leg, local, off, begun=True)  # type: ignore[arg-type]
    assert (agreed.sdp, agreed.remote_port, agreed.direction) == (leg.local, 0, "inactive")
    if asked:
        with pytest.raises(NotAcceptable):
            agree_late(leg, local, off, begun=False)  # type: ignore[arg-type]


@pytest.mark.faults("F4")
@pytest.mark.parametrize("c", [b"IP4 192.0.2.1", b"IP6 2001:db8::1"])
def test_an_offer_of_either_family_can_pick_up_a_call(c: bytes) -> None:
    offer = THEIRS.replace(b"c=IN IP4 192.0.2.1", b"c=IN " + c)
    assert usable(offer, "off")
    assert not usable(offer.replace(b"AVP 0", b"AVP 18"), "off")


@pytest.mark.faults("F8")
def test_nothing_is_agreed_on_by_an_answer_that_comes_after_the_offer_was_refused() -> None:
    """An offer that nobody answers is refused by itself (`sipgw.sip.offer_exchange.ANSWER_LIMIT`)."""
    leg = Leg(UDP, waits=False)
    local = ours("203.0.113.7", 20000, "off", leg)  # type: ignore[arg-type]
    assert renegotiate(leg, local, THEIRS) is None  # type: ignore[arg-type]
    assert leg.local == b""
