# mypy: disable-error-code="var-annotated"
"""Corners of dialogs: early BYE, late answers, credentials, routes to nowhere, servers that never answer."""

import pytest

from sipgw.sip.dialog import Dialog, Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.events import CallEvent, Confirmed, Ended, Offered, Phase
from sipgw.sip.fields import NameAddr
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.message import Request, response_to
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, nothing_left, request_in_dialog
from tests.sip.wire import ANSWER, INVITE, OFFER, Wire, in_dialog

A, B = "10.0.0.1", "10.0.0.2"
CHALLENGE = ("Proxy-Authenticate", 'Digest realm="pstn", nonce="n1", qop="auth", algorithm=MD5')


def test_a_bye_before_the_answer_ends_the_call_and_its_invite() -> None:
    """RFC 3261 §15.1.2: the pending INVITE is answered 487."""
    wire = Wire(B)
    events: list[object] = []
    wire.parties[B].on_call = lambda call, now: setattr(call, "on_event", events.append)
    wire.send(INVITE.format(call_id="early"))
    wire.run(0.1)
    call = wire.parties[B].calls[0]
    call.ringing(wire.now)
    wire.send(in_dialog("BYE", 2, "early", call.tag))
    wire.run(0.1)
    assert [len(wire.seen(B, status)) for status in (200, 487)] == [1, 1]
    assert events == [Ended("caller", "BYE")]
    nothing_left(wire)


def test_an_answer_to_our_offer_in_a_reinvite_comes_with_the_ack() -> None:
    """RFC 3261 §14.2: a re-INVITE without offer asks for ours, as PBXs do after hold."""
    wire = Wire()
    call = Call(wire).answered()
    wire.send(request_in_dialog(call, "INVITE", 20000))
    wire.run(0.1)
    assert call.there[-1] == Offered(None)
    call.server.accept_offer(OFFER, wire.now)
    wire.run(0.1)
    answer = ANSWER.decode().replace("\r\n", "\n")
    wire.send(request_in_dialog(call, "ACK", 20000, answer, "application/sdp"))
    wire.run(0.1)
    assert call.there[-1] == Confirmed(ANSWER)  # type: ignore[comparison-overlap]
    count = len(call.there)
    wire.send(request_in_dialog(call, "INVITE", 20001, answer, "application/sdp"))
    wire.run(0.1)
    call.server.accept_offer(ANSWER, wire.now)
    wire.run(0.1)
    wire.send(request_in_dialog(call, "ACK", 20001, answer, "application/sdp"))
    wire.run(0.1)
    assert len(call.there) == count + 1, "an answer that nobody owes is no answer"


def test_a_reinvite_before_the_answer_has_to_wait() -> None:
    wire = Wire(B)
    wire.send(INVITE.format(call_id="wait"))
    wire.run(0.1)
    call = wire.parties[B].calls[0]
    wire.send(in_dialog("INVITE", 2, "wait", call.tag))
    wire.run(0.1)
    assert wire.last(B, 500).headers.get("retry-after")
    call.answer(ANSWER, wire.now)
    wire.run(0.1)
    wire.send(in_dialog("INVITE", 3, "wait", call.tag))
    wire.run(0.1)
    assert wire.seen(B, 491)
    wire.send(in_dialog("ACK", 1, "wait", call.tag))
    wire.run(0.1)
    assert call.phase is Phase.CONFIRMED


@pytest.mark.parametrize(("method", "status"), [("INVITE", 420), ("INFO", 420), ("BYE", 200)])
def test_a_required_extension_is_refused_inside_a_dialog_too_but_not_for_bye(method: str, status: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.send(request_in_dialog(call, method, 20000, extra="Require: frob\n"))
    wire.run(0.1)
    assert wire.last(B, status).headers.get("unsupported") == ("frob" if status == 420 else None)


class Carrier:
    """The far end of our INVITE, played by hand."""

    def __init__(self, wire: Wire, *statuses: int) -> None:
        self.wire = wire
        self.requests: list[Request] = []
        self.events: list[object] = []
        self._statuses = list(statuses)
        self.client = InviteClient.to(
            wire.parties[A].agent.core,
            Uri.parse(f"sip:+15551234@{B}"),
            f"<sip:me@{A}>",
            OFFER,
            credentials=Credentials("agent", "s3cret"),
            ring_timeout=20,
        )
        self.client.on_event = self.events.append
        wire.parties[B].agent.receive = self._receive  # type: ignore[method-assign]
        self.client.start(wire.now)

    def _receive(self, data, source, now):
        from sipgw.sip.parse import parse_message

        request = parse_message(data)
        assert isinstance(request, Request)
        self.requests.append(request)
        if request.method == "ACK":
            return
        status = self._statuses.pop(0) if request.method == "INVITE" and self._statuses else 200
        if request.method == "INVITE" and status == 200:
            headers = [("Contact", f"<sip:pstn@{B}>")]
        else:
            headers = [CHALLENGE] if status == 407 else []
        self.wire.send(response_to(request, status, to_tag="far", headers=headers).to_bytes(), B, A)

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]


def test_a_challenged_invite_is_sent_again_with_the_next_cseq_and_its_ack_carries_the_credentials() -> None:
    wire = Wire()
    carrier = Carrier(wire, 407, 200)
    wire.run(1)
    assert carrier.methods() == ["INVITE", "ACK", "INVITE", "ACK"]
    first, _, second, ack = carrier.requests
    assert (first.call_id, first.from_.tag) == (second.call_id, second.from_.tag)
    assert second.cseq.number == first.cseq.number + 1 == ack.cseq.number
    assert first.via.branch != second.via.branch
    credentials = second.headers.get("proxy-authorization")
    assert credentials
    assert ack.headers.get("proxy-authorization") == credentials, "§22.1: an ACK cannot be challenged"
    assert carrier.client.phase is Phase.CONFIRMED


def test_wrong_credentials_are_tried_once() -> None:
    wire = Wire()
    carrier = Carrier(wire, 407, 407, 407)
    wire.run(1)
    assert carrier.methods() == ["INVITE", "ACK", "INVITE", "ACK"]
    assert carrier.events == [Ended("callee", "407", "Proxy Authentication Required", 407)]
    nothing_left(wire)


def test_a_server_that_forgets_the_cancelled_invite_holds_nothing() -> None:
    """§9.1: 64*T1 after the CANCEL the INVITE counts as cancelled."""
    wire = Wire()
    carrier = Carrier(wire, 100)
    wire.run(60)
    assert carrier.methods() == ["INVITE", "CANCEL"]
    assert carrier.events[-1] == Ended("gateway", "CANCEL", "nobody answered in time", 487)
    nothing_left(wire)


@pytest.mark.parametrize(
    ("reason", "cause"), [('SIP;cause=200;text="Call completed elsewhere"', 26), ("Q.850;cause=16", 16), ("", None)]
)
def test_the_cancel_of_a_forked_call_tells_that_another_phone_has_answered(reason: str, cause: int | None) -> None:
    """RFC 3326 §3.1."""
    wire, events = Wire(B, A), list[CallEvent]()
    ringing = INVITE.format(call_id="group")
    wire.send(ringing)
    wire.run(0.1)
    wire.parties[B].calls[0].on_event = events.append
    cancel = ringing.replace("INVITE", "CANCEL").replace("Contact: <sip:me@10.0.0.1:5060>", f"Reason: {reason}")
    wire.send(cancel)
    wire.run(0.1)
    (ended,) = events
    assert isinstance(ended, Ended)
    assert (ended.how, ended.cause) == ("CANCEL", cause)


def test_a_contact_that_leads_nowhere_is_reached_where_the_call_came_from() -> None:
    wire = Wire(B, A)
    wire.send(INVITE.format(call_id="tel").replace("<sip:me@10.0.0.1:5060>", "<tel:+15551234>"))
    wire.run(0.1)
    call = wire.parties[B].calls[0]
    call.answer(ANSWER, wire.now)
    wire.run(0.1)
    wire.send(in_dialog("ACK", 1, "tel", call.tag))
    wire.run(0.1)
    call.hangup(wire.now)
    wire.run(0.1)
    assert [peer for _, host, peer, m in wire.trace if isinstance(m, Request) and m.method == "BYE"] == [A]


def test_a_strict_router_gets_itself_as_the_request_uri_and_the_target_last() -> None:
    """RFC 3261 §12.2.1.1, for proxies of RFC 2543; §16.12 has the example."""
    here, there = (NameAddr.parse(f"<sip:{user}@h>;tag=1") for user in "ab")
    routes = (NameAddr.parse("<sip:strict.example;x=1>"), NameAddr.parse("<sip:loose.example;lr>"))
    target = Uri.parse("sip:b@10.0.0.2:5070")
    dialog = Dialog("id", here, there, target, routes, Peer("udp", "10.0.0.9", 5060), 1)
    bye = dialog.request("BYE", "<sip:a@10.0.0.1>")
    assert str(bye.uri) == "sip:strict.example;x=1"
    assert bye.headers.all("route") == ["<sip:loose.example;lr>", "<sip:b@10.0.0.2:5070>"]
    assert dialog.next_hop == Peer("", "strict.example", 0)


# Where requests of ours go behind a NAT

DOCKER, HOST = "172.18.0.5", "172.17.0.1"


@pytest.mark.faults("F8")
def test_behind_a_nat_of_the_same_network_the_bye_goes_back_to_where_the_call_came_from() -> None:
    """A phone in a container: it gives itself an address that nobody else has, and its host translates it."""
    wire = Wire(B)
    wire.send(INVITE.format(call_id="docker").replace(A, DOCKER), source=HOST)
    wire.run(0.1)
    call = wire.parties[B].calls[0]
    assert call.dialog
    assert call.dialog.next_hop == Peer("udp", HOST, 5060)
    call.dialog.target = Uri.parse("sip:me@198.51.100.7")
    assert call.dialog.next_hop.host == "198.51.100.7", "an address of the Internet is believed"


@pytest.mark.faults("F8")
def test_a_proxy_without_record_route_is_no_nat() -> None:
    """Its Via is not that of the phone, whose Contact is where requests in the call go (RFC 3261 §12.2.1.1)."""
    wire = Wire(B)
    invite = INVITE.format(call_id="proxied").replace("<sip:me@10.0.0.1:5060>", f"<sip:me@{DOCKER}>")
    via = f"Via: SIP/2.0/UDP {HOST};branch=z9hG4bKproxy\nVia: SIP/2.0/UDP {DOCKER};branch=z9hG4bKphone\nFrom"
    wire.send(invite.replace("Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKinvproxied;rport\nFrom", via), source=HOST)
    wire.run(0.1)
    dialog = wire.parties[B].calls[0].dialog
    assert dialog
    assert dialog.next_hop.host == DOCKER


@pytest.mark.faults("F8")
def test_a_phone_that_we_have_called_where_it_was_seen_gets_everything_there() -> None:
    wire = Wire(A)
    client = InviteClient.to(
        wire.parties[A].agent.core, Uri.parse(f"sip:me@{DOCKER}"), f"<sip:us@{A}>", OFFER, peer=Peer("udp", HOST, 40000)
    )
    client.start(wire.now)
    wire.run(0.1)
    invite = wire.last(A, "INVITE")
    assert isinstance(invite, Request)
    contact = (("Contact", f"<sip:me@{DOCKER}>"),)
    wire.send(response_to(invite, 200, to_tag="there", headers=contact).to_bytes(), HOST, A)
    wire.run(0.1)
    client.hangup(wire.now)
    wire.run(0.1)
    assert [target for _, _, target, one in wire.trace if isinstance(one, Request)] == [HOST] * 3


# The time that an INVITE gives itself (RFC 3261 §13.3.1)


def expiring(wire: Wire, seconds: str, events: list[object]) -> InviteServer:
    wire.parties[B].on_call = lambda call, now: setattr(call, "on_event", events.append)
    wire.send(INVITE.format(call_id="expiring").replace("Max-Forwards", f"Expires: {seconds}\nMax-Forwards"))
    wire.run(0.1)
    return wire.parties[B].calls[0]


@pytest.mark.faults("F8")
def test_an_invite_that_expires_before_it_is_answered_gets_a_487() -> None:
    wire, events = Wire(B), []
    call = expiring(wire, "2", events)
    call.ringing(wire.now)
    wire.run(1.8)
    assert events == []
    wire.run(0.3)
    assert wire.seen(B, 487)
    assert events == [Ended("caller", "487", "it was not answered in the time that the caller set", 487)]
    call.answer(ANSWER, wire.now)
    wire.run(1)
    assert not wire.seen(B, 200)
    nothing_left(wire)


@pytest.mark.faults("F8")
@pytest.mark.parametrize("seconds", ["2", "3600"])
def test_an_invite_that_is_answered_in_time_does_not_expire(seconds: str) -> None:
    wire, events = Wire(B), []
    call = expiring(wire, seconds, events)
    call.answer(ANSWER, wire.now)
    wire.run(0.1)
    wire.send(in_dialog("ACK", 1, "expiring", call.tag))
    wire.run(5)
    assert events == [Confirmed(None)]
    call.hangup(wire.now)
    wire.run(40)
    assert len(wire.parties[B].agent.core.timers) == 0
