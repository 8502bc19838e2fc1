# mypy: disable-error-code="arg-type, attr-defined"
"""One request that is tried at two addresses at once: each try is a branch, and one of them gets the call."""

import pytest

from sipgw.sip.client_transactions import LOCATE_LIMIT, Located
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Confirmed, Ended, Progress
from sipgw.sip.failover import LARGEST_DATAGRAM, LIMIT, PATIENCE, SHORT_PATIENCE, Failover
from sipgw.sip.fields import NameAddr
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Request, Response, response_to
from sipgw.sip.registration import Registration, RegistrationOptions
from sipgw.sip.timers import TIMEOUT
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, nothing_left
from tests.sip.wire import ANSWER, OFFER, Wire, has_registered

US, FIRST, SECOND = "10.0.0.1", "10.0.0.11", "10.0.0.12"
NAME = "carrier.example"
HOPS = tuple(Peer("udp", host, 5060, name=NAME) for host in (FIRST, SECOND))


def _unheard(message: Request | Response | None, now: float) -> None:
    """Take what a hunt tells."""


class Shared:
    """We call a domain of two servers in front of one switch; both are silent until the test lets them speak."""

    def __init__(self, hops: tuple[Peer, ...] = HOPS) -> None:
        self.wire = Wire(US)
        self.events: list[object] = []
        self.progress: list[int] = []

        def locate(peer: Peer, located: Located, now: float) -> None:
            located(hops if peer.host == NAME else (peer,), now)

        self.party = self.wire.parties[US]
        self.party.locate = locate
        self.client = InviteClient.to(self.party.agent.core, Uri.parse(f"sip:x@{NAME}"), f"<sip:me@{US}>", OFFER)
        self.client.on_event = self._told
        self.client.start(self.wire.now)

    def _told(self, event: object) -> None:
        if isinstance(event, Progress):
            self.progress.append(event.status)
        else:
            self.events.append(event)

    def sent(self, method: str) -> list[str]:
        """Where requests of ours went."""
        return [target for _, _, target, one in self.wire.trace if isinstance(one, Request) and one.method == method]

    def says(self, host: str, status: int) -> None:
        """`host` answers the INVITE that it got."""
        invite = next(
            one
            for _, _, target, one in self.wire.trace
            if target == host and isinstance(one, Request) and one.method == "INVITE"
        )
        body = {"body": ANSWER, "content_type": "application/sdp"} if status == 200 else {}
        fields = (("Contact", f"<sip:x@{NAME}>"),)
        self.wire.send(response_to(invite, status, to_tag=f"at{host}", headers=fields, **body).to_bytes(), host, US)
        self.wire.run(0.1)


@pytest.mark.faults("B3")
def test_a_merged_request_at_the_second_address_leaves_the_call_to_the_first() -> None:
    """RFC 3261 §8.2.2.2: 482 says that the switch has got the INVITE already, by way of the first."""
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    assert set(call.sent("INVITE")) == {FIRST, SECOND}
    call.says(SECOND, 482)
    call.wire.run(2 * PATIENCE)
    assert call.events == []
    call.says(FIRST, 180)
    assert call.progress == [180]
    assert call.sent("CANCEL") == []
    call.says(FIRST, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
def test_ack_and_bye_go_to_the_branch_that_has_answered() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(SECOND, 482)
    call.says(FIRST, 200)
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    assert call.client.peer.host == FIRST
    assert call.sent("ACK") == [SECOND, FIRST], "of the 482, of the 200"
    assert call.sent("BYE") == [FIRST]


@pytest.mark.faults("B3")
def test_the_late_answer_of_the_first_is_acknowledged_there_while_the_second_is_silent() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(FIRST, 200)
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    assert (call.sent("ACK"), call.sent("BYE")) == ([FIRST], [FIRST])
    call.says(SECOND, 180)
    assert call.sent("CANCEL") == [SECOND], "it is not wanted any more"
    call.wire.run(2 * TIMEOUT + 1)
    assert call.party.agent.open == 0, "though it never answers the CANCEL"


@pytest.mark.faults("B3")
def test_what_rings_first_is_kept_and_the_other_is_taken_back() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(FIRST, 180)
    call.says(SECOND, 100)
    assert call.sent("CANCEL") == [SECOND]
    call.says(SECOND, 487)
    call.says(FIRST, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
@pytest.mark.parametrize("last", [503, 408, 487])
def test_a_branch_that_rings_is_not_ended_by_the_failure_of_another(last: int) -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(SECOND, 100)
    call.says(FIRST, 180)
    call.says(SECOND, last)
    call.wire.run(20)
    assert call.events == []
    call.says(FIRST, 486)
    assert [one.status for one in call.events] == [486]


@pytest.mark.faults("B3")
def test_a_refusal_waits_a_little_for_the_silent_branch_and_is_then_the_answer() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(SECOND, 486)
    assert call.events == []
    call.wire.run(PATIENCE)
    assert [one.status for one in call.events] == [486]
    call.says(FIRST, 180)
    assert call.sent("CANCEL") == [FIRST]
    call.wire.run(2 * TIMEOUT + 1)
    assert call.party.agent.open == 0


@pytest.mark.faults("B3")
def test_an_address_that_cannot_be_reached_does_not_end_what_another_may_still_answer() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.party.agent.unreachable(HOPS[1], "connection refused", call.wire.now)
    assert call.events == []
    call.says(FIRST, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
def test_a_merged_request_and_silence_after_it_is_told_when_all_are_over() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(SECOND, 482)
    call.wire.run(TIMEOUT)
    assert [one.status for one in call.events] == [482]
    call.wire.run(TIMEOUT)
    nothing_left(call.wire)


THIRD = "10.0.0.13"
THREE = (*HOPS, Peer("udp", THIRD, 5060, name=NAME))


@pytest.mark.faults("B3")
@pytest.mark.parametrize("refusal", [482, 503])
def test_a_branch_that_has_begun_is_waited_for_though_an_older_one_is_refused(refusal: int) -> None:
    call = Shared(THREE)
    call.wire.run(PATIENCE + 0.1)
    call.says(SECOND, 100)
    call.says(FIRST, refusal)
    call.wire.run(2 * PATIENCE)
    assert THIRD not in call.sent("INVITE")
    assert call.events == []
    assert call.party.agent.clients.health.good(HOPS[1], call.wire.now), "it has not failed"
    call.says(SECOND, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
@pytest.mark.parametrize("newest", [503, None])
def test_a_branch_that_has_begun_late_is_waited_for_though_the_newest_fails(newest: int | None) -> None:
    call = Shared(THREE)
    call.wire.run(PATIENCE + 0.1)
    call.says(FIRST, 100)
    if newest is None:
        call.wire.run(TIMEOUT)
    else:
        call.says(SECOND, newest)
    call.wire.run(2 * PATIENCE)
    assert THIRD not in call.sent("INVITE")
    assert call.events == []
    call.says(FIRST, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
@pytest.mark.parametrize("newest", [503, 482, None])
def test_the_next_address_is_tried_when_the_branch_that_had_the_call_fails_last(newest: int | None) -> None:
    call = Shared(THREE)
    call.wire.run(PATIENCE + 0.1)
    call.says(FIRST, 100)
    if newest is None:
        call.wire.run(TIMEOUT)
    else:
        call.says(SECOND, newest)
    call.says(FIRST, 503)
    assert THIRD in call.sent("INVITE")
    call.says(THIRD, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
def test_what_was_merged_is_tried_elsewhere_when_the_branch_that_has_it_stays_silent() -> None:
    call = Shared(THREE)
    call.wire.run(PATIENCE + 0.1)
    call.says(SECOND, 482)
    call.wire.run(2 * PATIENCE)
    assert THIRD not in call.sent("INVITE")
    call.wire.run(TIMEOUT - 3 * PATIENCE)
    call.says(THIRD, 200)
    assert call.events == [Confirmed(ANSWER)]


@pytest.mark.faults("B3")
def test_nobody_else_is_asked_when_a_branch_speaks_during_the_lookup_of_others() -> None:
    call, waiting = Shared(HOPS[:1]), list[Located]()
    call.wire.run(2 * TIMEOUT)
    call.wire.trace.clear()
    call.party.locate = lambda peer, located, now: (
        located(HOPS[:1], now) if peer.host == NAME else waiting.append(located)
    )
    first, other = (Peer("udp", host, 5060) for host in (NAME, "other.example"))
    failover = Failover.start(
        call.party.agent.clients, call.client.invite, first, _unheard, call.wire.now, others=other
    )
    call.wire.run(PATIENCE + 0.1)
    call.says(FIRST, 100)
    (located,) = waiting
    located(THREE[2:], call.wire.now)
    call.wire.run(0.1)
    assert call.sent("INVITE").count(THIRD) == 0
    assert failover.running


@pytest.mark.faults("B3")
def test_a_call_that_is_given_up_takes_both_branches_back() -> None:
    call = Shared()
    call.wire.run(PATIENCE + 0.1)
    call.says(FIRST, 100)
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    call.says(SECOND, 180)
    assert call.sent("CANCEL") == [FIRST, SECOND]
    call.says(FIRST, 487)
    assert call.events == [Ended("gateway", "CANCEL", "", 487)]
    call.wire.run(2 * TIMEOUT + 1)
    assert call.party.agent.open == 0


@pytest.mark.faults("A8")
def test_a_lookup_that_never_ends_ends_the_request() -> None:
    call = Shared()
    call.wire.run(2 * TIMEOUT)
    call.party.locate = lambda peer, located, now: None
    agent, wire = call.party.agent, call.wire
    agent.clients.pending.clear()
    again = InviteClient.to(agent.core, Uri.parse(f"sip:x@{NAME}"), f"<sip:me@{US}>", OFFER)
    told: list[object] = []
    again.on_event = told.append
    again.start(wire.now)
    registration = Registration(agent.clients, RegistrationOptions(Uri.parse(f"sip:{NAME}"), "u"))
    registration.register(wire.now)
    wire.run(LOCATE_LIMIT + 0.1)
    assert told == [Ended("network", "unreachable", f"no address of {NAME} was found", 503)]
    assert "no address" in registration.reason
    looked: list[float] = []
    call.party.locate = lambda peer, located, now: looked.append(now)
    wire.run(10)
    assert looked, "it registers on"


CHALLENGE = (("WWW-Authenticate", 'Digest realm="carrier", nonce="n", algorithm=MD5'),)


@pytest.mark.faults("F6")
@pytest.mark.parametrize(
    ("says", "told"),
    [([183], 183), ([183, 100], 183), ([100], None), ([183, 401], None), ([183, 401, 100], None), ([401, 183], 183)],
    ids=str,
)
def test_a_change_that_is_never_answered_by_way_of_a_proxy(says: list[int], told: int | None) -> None:
    """Only a provisional response to the last try, of the other side and not of the proxy (100), shows that it is
    there: without one it has lost the call (RFC 3261 §12.2.1.2)."""
    proxied = NameAddr.parse("<sip:10.0.0.2;lr>")
    assert never_answered(says, (proxied,)) == [told], "and nothing after it"


@pytest.mark.faults("F6")
@pytest.mark.parametrize(("says", "told"), [([100], 100), ([183, 401, 100], 100), ([183, 401], None)], ids=str)
def test_a_change_that_is_never_answered_is_taken_back_and_forgotten(says: list[int], told: int | None) -> None:
    assert never_answered(says) == [told], "and nothing after it"


def never_answered(says: list[int], routes: tuple[NameAddr, ...] = ()) -> list[int | None]:
    """What is told of a re-INVITE to which the other side says `says`."""
    wire = Wire()
    call = Call(wire).answered()
    assert call.client.dialog is not None
    call.client.credentials, call.client.dialog.routes = Credentials("me", "secret"), routes
    has_registered(wire.parties[US].agent, Credentials("me", "secret"), "carrier", "10.0.0.2")
    wire.run(40)
    agent = wire.parties[US].agent
    wire.parties["10.0.0.2"].agent.receive = lambda data, source, now: None  # type: ignore[method-assign]
    came: list[Response | None] = []
    call.client.request("INVITE", wire.now, on_final=lambda response, now: came.append(response))
    wire.run(0.1)
    for status in says:
        invite = wire.last(US, "INVITE")
        assert isinstance(invite, Request)
        wire.send(response_to(invite, status, headers=CHALLENGE if status == 401 else ()).to_bytes(), "10.0.0.2", US)
        wire.run(0.1)
    wire.run(LIMIT)
    assert (len(wire.seen(US, "CANCEL")) > 0) is (says[-1] < 200)
    wire.run(TIMEOUT + 1)
    assert len(agent.clients) == 0
    assert not agent.waiting
    return [one and one.status for one in came]  # type: ignore[misc]


BEHIND = Peer("udp", "203.0.113.9", 34567)


def large(wire: Wire, target: str, peer: Peer | None = None) -> InviteClient:
    call = InviteClient.to(
        wire.parties[US].agent.core,
        Uri.parse(target),
        f"<sip:me@{US}>",
        OFFER + b"a=x:" + b"y" * LARGEST_DATAGRAM,
        peer=peer,
    )
    call.start(wire.now)
    return call


@pytest.mark.faults("B11")
def test_a_phone_that_is_reached_where_it_was_seen_gets_large_requests_there_and_over_udp() -> None:
    """Its router has opened the way for UDP alone; nobody listens for TCP behind that port."""
    wire = Wire(US)
    large(wire, "sip:phone@192.168.1.5:5060", BEHIND)
    assert [packet.peer for packet in wire.parties[US].agent.to_send()] == [BEHIND]


@pytest.mark.faults("B11")
def test_a_server_that_does_not_answer_over_tcp_gets_a_large_request_over_udp_soon() -> None:
    wire = Wire(US)
    large(wire, f"sip:x@{FIRST}")
    wire.run(SHORT_PATIENCE + 0.1)
    sent = [(at, one.via.transport) for at, _, _, one in wire.trace if isinstance(one, Request)]
    assert sent[0] == (0.0, "TCP")
    assert (SHORT_PATIENCE, "UDP") in sent
    assert SHORT_PATIENCE <= 1 < PATIENCE
