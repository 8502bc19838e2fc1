# mypy: disable-error-code="comparison-overlap, union-attr"
"""Calls between two of our user agents on a wire with a clock of its own (RFC 3261 §13, §15, §17; RFC 6026)."""

import pytest

from sipgw.sip.digest import Credentials
from sipgw.sip.events import Confirmed, Ended, KeyPressed, Offered, Phase, Progress
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Request, Response
from sipgw.sip.uri import Uri
from tests.sip.wire import ANSWER, OFFER, Wire

A, B = "10.0.0.1", "10.0.0.2"


class Call:
    """A call from A to B."""

    def __init__(self, wire: Wire, ring_timeout: float = 600.0, credentials: Credentials | None = None) -> None:
        self.wire = wire
        self.here: list[object] = []
        self.there: list[object] = []
        caller = wire.parties[A].agent
        self.client = InviteClient.to(
            caller.core,
            Uri.parse(f"sip:agent@{B}"),
            f"<sip:me@{A}>",
            OFFER,
            ring_timeout=ring_timeout,
            credentials=credentials,
        )
        self.client.on_event = self.here.append
        wire.parties[B].on_call = self._came

    def _came(self, call, now):
        call.on_event = self.there.append
        self.server = call

    def start(self) -> "Call":
        self.client.start(self.wire.now)
        self.wire.run(0.1)
        return self

    def answered(self) -> "Call":
        self.start()
        self.server.answer(ANSWER, self.wire.now)
        self.wire.run(0.1)
        return self


def nothing_left(wire: Wire) -> None:
    wire.run(200)
    assert [party.agent.open for party in wire.parties.values()] == [0] * len(wire.parties)
    assert [len(party.agent.core.timers) for party in wire.parties.values()] == [0] * len(wire.parties)


def test_a_call_is_rung_answered_and_ended_by_the_caller() -> None:
    wire = Wire()
    call = Call(wire).start()
    assert wire.seen(B, 100)
    call.server.ringing(wire.now)
    wire.run(1)
    assert call.here == [Progress(100, "Trying"), Progress(180, "Ringing")]
    call.server.answer(ANSWER, wire.now)
    wire.run(0.1)
    assert call.here[-1] == Confirmed(ANSWER)
    assert call.there == [Confirmed(None)]
    call.client.hangup(wire.now)
    wire.run(0.1)
    assert call.here[-1] == Ended("gateway", "BYE")
    assert call.there[-1] == Ended("caller", "BYE")
    assert [len(wire.seen(A, method)) for method in ("INVITE", "ACK", "BYE")] == [1, 1, 1]
    nothing_left(wire)


def test_an_invite_that_nobody_answers_is_resent_as_figure_5_says() -> None:
    wire = Wire()
    wire.drop = lambda source, message: True
    call = Call(wire)
    call.client.start(wire.now)
    wire.run(60)
    assert wire.seen(A, "INVITE") == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
    assert call.here == [Ended("network", "no answer", "no response to the INVITE came", 408)]
    nothing_left(wire)


def test_ringing_may_last_longer_than_timer_b() -> None:
    wire = Wire()
    call = Call(wire).start()
    call.server.ringing(wire.now)
    wire.run(180)
    assert call.client.phase is Phase.RINGING
    assert [round(at) for at in wire.seen(B, 180)] == [0, 60, 120, 180], "§13.3.1.1: proxies' Timer C is kept alive"
    call.server.answer(ANSWER, wire.now)
    wire.run(1)
    assert call.client.phase is Phase.CONFIRMED


def test_ringing_ends_at_the_callers_limit_with_cancel_and_487() -> None:
    wire = Wire()
    call = Call(wire, ring_timeout=30).start()
    call.server.ringing(wire.now)
    wire.run(31)
    assert wire.seen(A, "CANCEL")
    assert wire.seen(B, 487)
    assert call.here[-1] == Ended("gateway", "CANCEL", "nobody answered in time", 487)
    assert call.there[-1] == Ended("caller", "CANCEL")
    nothing_left(wire)


def test_cancel_waits_for_the_first_provisional_response() -> None:
    wire = Wire()
    wire.drop = lambda source, message: source == B
    call = Call(wire)
    call.client.start(wire.now)
    wire.run(0.2)
    call.client.hangup(wire.now)
    wire.run(0.2)
    assert not wire.seen(A, "CANCEL")
    wire.drop = lambda source, message: False
    wire.run(2)
    assert wire.seen(A, "CANCEL")
    nothing_left(wire)


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_ended() -> None:
    wire = Wire()
    call = Call(wire).start()
    call.server.answer(ANSWER, wire.now)
    call.client.hangup(wire.now)
    wire.run(2)
    assert wire.seen(A, "ACK")
    assert wire.seen(A, "BYE")
    assert isinstance(call.here[-1], Ended)
    assert isinstance(call.there[-1], Ended)
    nothing_left(wire)


def test_the_200_is_resent_until_its_ack() -> None:
    wire = Wire()
    wire.drop = lambda source, message: isinstance(message, Request) and message.method == "ACK"
    call = Call(wire).start()
    call.server.answer(ANSWER, wire.now)
    start = wire.now - 1000
    wire.run(40)
    sent = [at - start for at in wire.seen(B, 200)]
    assert sent[:7] == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5], abs=0.02)
    assert call.there[-1] == Ended("network", "ACK timeout", "the 200 was never acknowledged")
    assert wire.seen(B, "BYE")
    nothing_left(wire)


def test_a_lost_200_and_a_lost_ack_are_repaired() -> None:
    wire = Wire()
    lost: list[object] = []

    def drop(source, message):
        kind = message.method if isinstance(message, Request) else message.status
        if kind in (200, "ACK") and lost.count(kind) < 2:
            lost.append(kind)
            return True
        return False

    wire.drop = drop
    call = Call(wire).answered()
    wire.run(10)
    assert lost == [200, 200, "ACK", "ACK"]
    assert call.server.phase is Phase.CONFIRMED
    assert call.here.count(Confirmed(ANSWER)) == 1


def test_a_bye_that_is_lost_is_resent_as_figure_6_says() -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.drop = lambda source, message: True
    call.client.hangup(wire.now)
    start = wire.now - 1000
    wire.run(40)
    sent = [at - start for at in wire.seen(A, "BYE")]
    assert sent == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])


def test_the_callees_bye_waits_for_the_ack() -> None:
    wire = Wire()
    wire.drop = lambda source, message: isinstance(message, Request) and message.method == "ACK"
    call = Call(wire).start()
    call.server.answer(ANSWER, wire.now)
    call.server.hangup(wire.now)
    wire.run(0.6)
    assert not wire.seen(B, "BYE")
    wire.drop = lambda source, message: False
    wire.run(2)
    assert wire.seen(B, "BYE")
    nothing_left(wire)


@pytest.mark.parametrize("status", [486, 488, 503, 603])
def test_a_refusal_is_acknowledged_and_ends_the_call(status: int) -> None:
    wire = Wire()
    call = Call(wire).start()
    call.server.reject(status, wire.now, headers=(("Retry-After", "5"),))
    wire.run(1)
    assert isinstance(call.here[-1], Ended)
    assert call.here[-1].status == status
    assert "Retry-After: 5" in call.here[-1].text
    assert wire.seen(A, "ACK")
    nothing_left(wire)


@pytest.mark.parametrize("seed", range(25))
def test_calls_end_cleanly_whatever_the_network_does(seed: int) -> None:
    """10 % of all messages lost and 20 % doubled and reordered: both sides agree, and nothing is remembered."""
    wire = Wire(seed=seed, lost=0.10, doubled=0.20)
    calls = []
    for number in range(8):
        call = Call(wire)
        call.client.start(wire.now)
        wire.run(3)
        if call.there or hasattr(call, "server"):
            call.server.ringing(wire.now)
            wire.run(1)
            call.server.answer(ANSWER, wire.now)
        wire.run(5)
        (call.client if number % 2 else getattr(call, "server", call.client)).hangup(wire.now)
        calls.append(call)
    nothing_left(wire)
    assert len(wire.parties[B].calls) <= len(calls), "a doubled INVITE became two calls"
    for call in calls:
        assert isinstance(call.here[-1], Ended)
        assert sum(isinstance(event, Ended) for event in call.here) == 1
        assert sum(isinstance(event, Ended) for event in call.there) <= 1


def test_a_duplicate_invite_is_absorbed_before_and_after_the_200() -> None:
    wire = Wire()
    call = Call(wire).start()
    invite = next(message for _, host, _, message in wire.trace if host == A)
    wire.send(invite.to_bytes())
    wire.run(0.1)
    assert len(wire.parties[B].calls) == 1
    call.server.answer(ANSWER, wire.now)
    wire.run(0.2)
    wire.send(invite.to_bytes())
    wire.run(0.2)
    assert len(wire.parties[B].calls) == 1
    assert not wire.seen(B, 481)


def test_a_second_200_from_a_fork_is_acknowledged_and_ended() -> None:
    wire = Wire()
    call = Call(wire).answered()
    first = wire.last(B, 200)
    other = first.to_bytes().replace(first.to.tag.encode(), b"anotherfork")
    wire.send(other, source=B, target=A)
    wire.run(0.5)
    to_fork = [m for _, _, _, m in wire.trace if isinstance(m, Request) and m.to.tag == "anotherfork"]
    assert [message.method for message in to_fork][:2] == ["ACK", "BYE"]
    assert call.client.phase is Phase.CONFIRMED


# Inside the dialog


def test_a_stranger_with_the_call_id_cannot_end_a_call() -> None:
    wire = Wire()
    call = Call(wire).answered()
    bye = f"""BYE sip:agent@{B} SIP/2.0
Via: SIP/2.0/UDP 10.6.6.6:5060;branch=z9hG4bKevil
From: <sip:me@{A}>;tag=wrong
To: <sip:agent@{B}>;tag=wrong
Call-ID: {call.server.invite.call_id}
CSeq: 99 BYE
Max-Forwards: 70
Content-Length: 0

"""
    wire.send(bye, source="10.6.6.6")
    wire.run(0.2)
    assert wire.seen(B, 481)
    assert call.server.phase is Phase.CONFIRMED


def request_in_dialog(call: Call, method: str, number: int, body: str = "", kind: str = "", extra: str = "") -> str:
    dialog = call.client.dialog
    content = f"Content-Type: {kind}\n" if kind else ""
    return f"""{method} sip:agent@{B} SIP/2.0
Via: SIP/2.0/UDP {A}:5060;branch=z9hG4bK{method}{number};rport
From: {dialog.local}
To: {dialog.remote}
Call-ID: {dialog.call_id}
CSeq: {number} {method}
Contact: <sip:me@{A}:5060>
Max-Forwards: 70
{extra}{content}Content-Length: {len(body.encode()) + body.count(chr(10))}

{body}"""


def test_a_reinvite_is_offered_answered_and_acknowledged() -> None:
    wire = Wire()
    call = Call(wire).answered()
    offer = OFFER.decode().replace("\r\n", "\n")
    wire.send(request_in_dialog(call, "INVITE", 20000, offer, "application/sdp"))
    wire.run(0.1)
    assert call.there[-1] == Offered(OFFER)
    wire.send(request_in_dialog(call, "INVITE", 20001, offer, "application/sdp"))
    wire.run(0.1)
    assert wire.last(B, 500).headers.get("retry-after"), "one offer at a time (§14.2)"
    call.server.accept_offer(ANSWER, wire.now)
    wire.run(0.1)
    assert wire.last(B, 200).body == ANSWER
    wire.run(1)
    assert len([m for _, h, _, m in wire.trace if h == B and isinstance(m, Response) and m.cseq.number == 20000]) > 1
    wire.send(request_in_dialog(call, "UPDATE", 20002, offer, "application/sdp"))
    wire.run(0.1)
    assert call.there[-1] == Offered(OFFER), "RFC 5407 §3.1.4: offer and answer are exchanged, only the ACK was lost"
    call.server.accept_offer(ANSWER, wire.now)
    wire.send(request_in_dialog(call, "ACK", 20000))
    wire.run(0.1)
    before = len(wire.seen(B, 200))
    wire.run(20)
    assert len(wire.seen(B, 200)) == before
    assert call.server.phase is Phase.CONFIRMED


def test_a_refused_reinvite_leaves_the_call_up() -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.send(request_in_dialog(call, "INVITE", 20000, OFFER.decode().replace("\r\n", "\n"), "application/sdp"))
    wire.run(0.1)
    call.server.reject_offer(488, wire.now)
    wire.run(0.1)
    assert wire.seen(B, 488)
    assert call.server.phase is Phase.CONFIRMED


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("UPDATE", 200), ("MESSAGE", 405), ("PUBLISH", 405), ("REFER", 603)]
)
def test_requests_inside_the_dialog_are_answered(method: str, status: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.send(request_in_dialog(call, method, 20000))
    wire.run(0.1)
    assert wire.seen(B, status)
    assert call.server.phase is Phase.CONFIRMED


def test_a_key_by_info_reaches_the_call_and_an_old_cseq_does_not() -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.send(request_in_dialog(call, "INFO", 20000, "Signal=5\n", "application/dtmf-relay"))
    wire.run(0.1)
    assert call.there[-1] == KeyPressed("5", 0.16)
    wire.send(request_in_dialog(call, "INFO", 19999))
    wire.run(0.1)
    assert wire.seen(B, 500)


def test_a_reason_header_is_told() -> None:
    wire = Wire()
    call = Call(wire).answered()
    reason = 'Reason: Q.850;cause=16;text="Normal call clearing"\n'
    wire.send(request_in_dialog(call, "BYE", 20000, extra=reason))
    wire.run(0.1)
    assert call.there[-1] == Ended("caller", "BYE", "Q.850 16 Normal call clearing", cause=16)


@pytest.mark.faults("G9")
def test_whom_we_have_called_is_not_called_the_caller() -> None:
    wire = Wire()
    call = Call(wire).start()
    call.server.reject(486, wire.now)
    wire.run(0.1)
    assert str(call.here[-1]) == "callee: 486 (Busy Here)"
    call = Call(wire).answered()
    call.server.hangup(wire.now)
    wire.run(0.1)
    assert call.here[-1] == Ended("callee", "BYE")
    assert not call.here[-1].lost
