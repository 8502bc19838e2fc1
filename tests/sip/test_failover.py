# mypy: disable-error-code="attr-defined, union-attr"
"""One request, several addresses (RFC 3263 §4.3): silence, 503, broken transports, and answers that come too late."""

import pytest

from sipgw.sip.checks import Refusal
from sipgw.sip.client_transactions import Located
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Confirmed, Ended, Progress
from sipgw.sip.failover import LARGEST_DATAGRAM, PATIENCE
from sipgw.sip.health import AVOIDED, MAX_KEPT, Health
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from tests.sip.test_calls import nothing_left
from tests.sip.wire import ANSWER, OFFER, Wire

US, FIRST, SECOND = "10.0.0.1", "10.0.0.11", "10.0.0.12"
NAME = "carrier.example"


class Calling:
    """We call a domain that has two servers; each picks up unless told otherwise."""

    def __init__(
        self,
        wire: Wire,
        hosts: tuple[str, ...] = (FIRST, SECOND),
        offer: bytes = OFFER,
        credentials=None,
        transport: str = "",
    ) -> None:
        self.wire = wire
        self.agent = wire.parties[US].agent
        self.events: list[object] = []

        def locate(peer: Peer, located: Located, now: float) -> None:
            found = [Peer(peer.transport or "udp", host, 5060, name=NAME) for host in hosts]
            located(tuple(found) if peer.host == NAME else (peer,), now)

        wire.parties[US].locate = locate
        for host in (FIRST, SECOND):
            wire.parties[host].on_call = lambda call, now: call.answer(ANSWER, now)
        target = Uri.parse(f"sip:x@{NAME}{transport and ';transport='}{transport}")
        self.client = InviteClient.to(self.agent.core, target, "<sip:me@10.0.0.1>", offer, credentials=credentials)
        self.client.on_event = lambda event: None if isinstance(event, Progress) else self.events.append(event)
        self.client.start(wire.now)

    def asked(self) -> list[tuple[float, str]]:
        return [(at, target) for at, host, target, one in self.wire.trace if host == US and _method(one) == "INVITE"]


def _method(message) -> str:
    return getattr(message, "method", "")


@pytest.fixture
def wire() -> Wire:
    return Wire(US, FIRST, SECOND)


def silence(wire: Wire, *hosts: str) -> None:
    wire.drop = lambda source, message: source in hosts


def test_after_four_seconds_of_silence_the_next_address_is_asked_with_another_branch(wire: Wire) -> None:
    silence(wire, FIRST)
    call = Calling(wire)
    wire.run(5)
    assert [at for at, host in call.asked() if host == SECOND] == [PATIENCE]
    invites = [one for _, host, _, one in wire.trace if host == US and _method(one) == "INVITE"]
    assert len({one.via.branch for one in invites}) == 2
    assert len({(one.call_id, one.cseq, one.from_.tag) for one in invites}) == 1
    assert call.events == [Confirmed(ANSWER)]


def test_what_failed_is_asked_last_for_a_while(wire: Wire) -> None:
    silence(wire, FIRST)
    Calling(wire)
    wire.run(5)
    wire.trace.clear()
    again = Calling(wire)
    wire.run(1)
    assert [host for _, host in again.asked()] == [SECOND]
    wire.run(AVOIDED[0])
    wire.drop = lambda source, message: False
    wire.trace.clear()
    later = Calling(wire)
    wire.run(1)
    assert [host for _, host in later.asked()] == [FIRST]


def test_a_503_sends_the_call_to_the_next_address_at_once(wire: Wire) -> None:
    call = Calling(wire)
    wire.parties[FIRST].on_call = lambda invite, now: invite.reject(503, now)
    wire.run(1)
    assert [host for _, host in call.asked()] == [FIRST, SECOND]
    assert call.events == [Confirmed(ANSWER)]


def test_a_503_of_the_last_address_is_the_answer(wire: Wire) -> None:
    call = Calling(wire, (FIRST,))
    wire.parties[FIRST].on_call = lambda invite, now: invite.reject(503, now)
    wire.run(1)
    assert [(one.by, one.status) for one in call.events] == [("callee", 503)]


@pytest.mark.parametrize("status", [404, 486, 500, 603])
def test_any_other_refusal_is_the_answer(wire: Wire, status: int) -> None:
    call = Calling(wire)
    wire.parties[FIRST].on_call = lambda invite, now: invite.reject(status, now)
    wire.run(1)
    assert [host for _, host in call.asked()] == [FIRST]
    assert call.events[0].status == status


def test_a_broken_transport_sends_the_call_to_the_next_address_at_once(wire: Wire) -> None:
    call = Calling(wire)
    wire.collect()
    call.agent.unreachable(Peer("udp", FIRST, 5060), "connection refused", wire.now)
    wire.run(1)
    assert call.asked()[:2] == [(0.0, FIRST), (0.0, SECOND)]
    assert Confirmed(ANSWER) in call.events


def test_when_no_address_can_be_reached_that_is_told_at_once(wire: Wire) -> None:
    """RFC 3261 §17.1.4 and §8.1.3.1: a transport error is a 503, not a timeout."""
    call = Calling(wire)
    for host in (FIRST, SECOND):
        wire.collect()
        call.agent.unreachable(Peer("udp", host, 5060), "connection refused", wire.now)
    assert call.events == [Ended("network", "unreachable", "connection refused", 503)]
    wire.run(0.1)
    wire.run(60)
    nothing_left(wire)


def test_a_name_without_an_address_is_told_at_once(wire: Wire) -> None:
    call = Calling(wire, ())
    wire.run(0.1)
    assert call.events == [Ended("network", "unreachable", f"no address of {NAME} was found", 503)]
    assert not call.agent.waiting
    nothing_left(wire)


def test_when_nobody_answers_the_end_is_a_408(wire: Wire) -> None:
    silence(wire, FIRST, SECOND)
    call = Calling(wire)
    wire.run(40)
    assert [(one.how, one.status) for one in call.events] == [("no answer", 408)]
    nothing_left(wire)


def test_an_address_that_rings_when_it_is_too_late_gets_a_cancel(wire: Wire) -> None:
    held = []
    wire.drop = lambda source, message: source == FIRST
    call = Calling(wire)
    wire.parties[FIRST].on_call = lambda invite, now: held.append(invite)
    wire.run(5)
    wire.drop = lambda source, message: False
    held[0].ringing(wire.now)
    wire.run(1)
    cancels = [(target, one) for _, host, target, one in wire.trace if host == US and _method(one) == "CANCEL"]
    assert [target for target, _ in cancels] == [FIRST]
    assert wire.seen(FIRST, 487)
    assert call.events == [Confirmed(ANSWER)]


def test_an_address_that_answers_late_but_first_gets_the_call(wire: Wire) -> None:
    held = []
    wire.drop = lambda source, message: source == FIRST
    call = Calling(wire)
    wire.parties[FIRST].on_call = lambda invite, now: held.append(invite)
    wire.parties[SECOND].on_call = lambda invite, now: invite.ringing(now)
    wire.run(5)
    wire.drop = lambda source, message: False
    held[0].answer(ANSWER, wire.now)
    wire.run(1)
    assert Confirmed(ANSWER) in call.events
    assert wire.seen(SECOND, 487), "the other one stops ringing"
    call.client.hangup(wire.now)
    wire.run(40)
    nothing_left(wire)


def test_both_answer_and_the_later_one_is_ended(wire: Wire) -> None:
    held = []
    wire.drop = lambda source, message: source == FIRST
    call = Calling(wire)
    wire.parties[FIRST].on_call = lambda invite, now: held.append(invite)
    wire.run(5)
    wire.drop = lambda source, message: False
    held[0].answer(ANSWER, wire.now)
    wire.run(2)
    byes = [target for _, host, target, one in wire.trace if host == US and _method(one) == "BYE"]
    assert byes == [FIRST]
    assert call.events == [Confirmed(ANSWER)]


def test_a_call_that_was_given_up_is_not_tried_elsewhere(wire: Wire) -> None:
    silence(wire, FIRST)
    call = Calling(wire)
    wire.run(1)
    call.client.hangup(wire.now)
    wire.run(40)
    assert {host for _, host in call.asked()} == {FIRST}
    assert call.events[-1].how == "CANCEL"


def test_the_dialog_stays_with_the_server_that_answered(wire: Wire) -> None:
    silence(wire, FIRST)
    call = Calling(wire)
    wire.run(5)
    dialog = call.client.dialog
    assert dialog.source == Peer("udp", SECOND, 5060, name=NAME)
    dialog.target = Uri.parse(f"sip:x@{NAME}")
    assert dialog.next_hop.host == SECOND
    dialog.target = Uri.parse(f"sip:x@{NAME}:5080")
    assert dialog.next_hop == Peer("udp", NAME, 5080)


def test_a_challenge_is_answered_where_it_came_from(wire: Wire) -> None:
    silence(wire, FIRST)
    call = Calling(wire, credentials=Credentials("u", "p"))
    challenge = Refusal(401, headers=(("WWW-Authenticate", 'Digest realm="r", nonce="n"'),))
    wire.parties[SECOND].admit = lambda request, source: (
        None if "authorization" in str(request.headers).lower() else challenge
    )
    wire.run(6)
    asked = [host for at, host in call.asked() if at >= PATIENCE]
    assert asked == [SECOND, SECOND]
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.parametrize(("tcp", "transports"), [(True, ["TCP"]), (False, ["TCP", "UDP"])])
def test_a_large_request_goes_over_tcp_and_over_udp_where_there_is_none(
    wire: Wire, tcp: bool, transports: list[str]
) -> None:
    """RFC 3261 §18.1.1."""
    call = Calling(wire, (FIRST,), OFFER + b"a=x:" + b"y" * LARGEST_DATAGRAM)
    if not tcp:
        wire.parties[US].handle(wire.now)
        packets = list(call.agent.to_send())
        assert [packet.peer.transport for packet in packets] == ["tcp"]
        assert b";transport=tcp>" in packets[0].data
        call.agent.unreachable(packets[0].peer, "connection refused", wire.now)
    wire.run(1)
    sent = {one.via.transport: one for _, host, _, one in wire.trace if host == US and _method(one) == "INVITE"}
    assert list(sent) == transports[-1:]
    assert sent[transports[-1]].contact.uri.param("transport") == ("tcp" if tcp else None)
    again = Calling(wire, (FIRST,), call.client.invite.body)
    wire.run(1)
    assert again.client._failover.request.via.transport == transports[-1], "what is known is not tried again"


def test_a_registration_fails_over_and_stays_where_it_succeeded(wire: Wire) -> None:
    silence(wire, FIRST)
    Calling(wire)  # brings the addresses
    agent = wire.parties[US].agent
    registration = Registration(agent.clients, RegistrationOptions(Uri.parse(f"sip:{NAME}"), "u"))
    registration.register(wire.now)
    wire.run(10)
    asked = [(at, target) for at, host, target, one in wire.trace if host == US and _method(one) == "REGISTER"]
    assert (PATIENCE, SECOND) in asked
    assert registration.state is RegistrationState.FAILED, "these parties are no registrars: 405"
    assert registration._flow.peer.host == SECOND


def test_what_fails_again_and_again_is_avoided_ever_longer() -> None:
    health, peer, now, pauses = Health(), Peer("tcp", "h", 5060), 0.0, []
    for _ in range(7):
        health.failed(peer, now)
        health.failed(peer, now + 1)  # two requests, one failure
        began = now
        while not health.good(peer, now):
            now += 1
        pauses.append(now - began)
    assert pauses == [61, 121, 241, 481, 961, 961, 961]
    health.answered(peer)
    health.failed(peer, now)
    assert health.good(peer, now + AVOIDED[0])


def test_the_memory_for_failures_is_bounded() -> None:
    health = Health()
    for number in range(3 * MAX_KEPT):
        health.failed(Peer("udp", f"h{number}", 5060), 0.0)
    assert len(health._failures) == MAX_KEPT
    assert not health.good(Peer("udp", f"h{3 * MAX_KEPT - 1}", 5060), 1.0)


def test_a_request_on_a_lost_connection_goes_over_a_new_one_and_if_that_is_lost_too_nobody_is_there(wire: Wire) -> None:
    call = Calling(wire, (FIRST,), transport="tcp")
    silence(wire, FIRST)
    wire.run(0.1)
    clients, peer = call.agent.clients, Peer("tcp", FIRST, 5060)
    clients.lost(Peer("tcp", SECOND, 5060), wire.now)
    wire.run(0.1)
    assert len(call.asked()) == 1
    clients.lost(peer, wire.now)
    wire.run(0.1)
    first, again = (one for _, host, _, one in wire.trace if host == US)
    assert first.to_bytes() == again.to_bytes(), "whoever has seen it takes it for a retransmission"
    assert call.events == []
    clients.lost(peer, wire.now)
    assert call.events == [Ended("network", "unreachable", "connection lost", 503)]
    clients.health.answered(peer)
    clients.lost(peer, wire.now)
    assert clients.health.good(peer, wire.now), "an idle connection is not held against anybody"


@pytest.mark.parametrize(("method", "after"), [("BYE", PATIENCE), ("UPDATE", 32.0)])
def test_a_dialog_whose_server_dies_goes_on_with_another_of_its_domain(wire: Wire, method: str, after: float) -> None:
    """RFC 3263 §4.3, RFC 3261 §12.2.1.1: its route set names the domain."""
    call = Calling(wire)
    wire.run(1)
    dialog = call.client.dialog
    dialog.target = Uri.parse(f"sip:x@{NAME}")
    silence(wire, FIRST)
    came: list[object] = []
    call.client.request(method, wire.now, on_final=lambda response, now: came.append(response))
    wire.run(after + PATIENCE + 1)
    sent = [(round(at), host) for at, source, host, one in wire.trace if source == US and _method(one) == method]
    assert sent[0] == (1, FIRST)
    assert (1 + round(after), SECOND) in sent
    assert [one.status for one in came] == [481], "which is what that one knows; the call is over for a reason"
    call.client.hangup(wire.now)
    wire.run(80)
    assert wire.parties[US].agent.open == 0


def test_a_dialog_whose_only_server_dies_is_told(wire: Wire) -> None:
    call = Calling(wire, (FIRST,))
    wire.run(1)
    call.client.dialog.target = Uri.parse(f"sip:x@{NAME}")
    silence(wire, FIRST)
    came: list[object] = []
    call.client.request("UPDATE", wire.now, on_final=lambda response, now: came.append(response))
    wire.run(34)
    assert came == [None]
