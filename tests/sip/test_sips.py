"""``sips:`` (RFC 3261 §26.2.2, RFC 3263 §4, RFC 5630): TLS on port 5061 unless it is said otherwise."""

import pytest

from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Request
from sipgw.sip.uri import Uri
from tests.sip.test_locate import found
from tests.sip.wire import ANSWER, INVITE, OFFER, Wire

A, B = "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    ("uri", "where"),
    [
        ("sips:pbx.example", "tls:192.0.2.9:5061"),
        ("sips:pbx.example:5071", "tls:192.0.2.9:5071"),
        ("sips:pbx.example;transport=tcp", "tls:192.0.2.9:5061"),
    ],
)
def test_without_naptr_and_srv_it_is_tls_on_5061(uri: str, where: str) -> None:
    assert found(uri, {("pbx.example", "A"): ["192.0.2.9"]}) == [where]


def test_an_address_needs_no_dns() -> None:
    assert peer_of(Uri.parse("sips:192.0.2.9")).completed == Peer("tls", "192.0.2.9", 5061)


@pytest.mark.parametrize(
    ("request_uri", "more", "scheme"),
    [
        ("sips:agent@10.0.0.2", "", "sips"),
        ("sip:agent@10.0.0.2", "Record-Route: <sips:10.0.0.1;lr>\n", "sips"),
        ("sip:agent@10.0.0.2", "Record-Route: <sip:10.0.0.1;lr>\n", "sip"),
        ("sip:agent@10.0.0.2", "", "sip"),
    ],
)
def test_a_secure_call_is_answered_with_a_secure_contact(request_uri: str, more: str, scheme: str) -> None:
    wire = Wire()
    wire.parties[B].on_call = lambda call, now: call.answer(ANSWER, now)
    invite = INVITE.format(call_id="x").replace("INVITE sip:agent@10.0.0.2", f"INVITE {request_uri}")
    wire.send(invite.replace("CSeq:", f"{more}CSeq:"))
    wire.run(0.1)
    contact = wire.last(B, 200).contact
    assert contact is not None
    assert contact.uri.scheme == scheme


@pytest.mark.parametrize(("target", "proxy"), [("sips:x@10.0.0.2", ""), ("sip:x@10.0.0.2", "sips:10.0.0.2")])
def test_a_secure_call_of_ours_has_a_secure_contact_and_goes_over_tls(target: str, proxy: str) -> None:
    wire = Wire()
    agent = wire.parties[A].agent
    route = Uri.parse(proxy) if proxy else None
    InviteClient.to(agent.core, Uri.parse(target), "<sip:me@10.0.0.1>", OFFER, proxy=route).start(wire.now)
    (packet,) = agent.to_send()
    wire.send(packet.data, A, B)
    assert packet.peer == Peer("tls", B, 5061)
    assert b"Via: SIP/2.0/TLS" in packet.data
    assert b"Contact: <sips:agent@" in packet.data
    received: list[Request] = []
    wire.parties[B].on_call = lambda call, now: received.append(call.invite)
    wire.run(0.1)
    assert len(received) == 1
