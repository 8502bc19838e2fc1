"""Transfers between whole user agents: REFER in and out (RFC 3515, 3892, 4488)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.sip.events import Ended, Phase, Referred, ReferRequested
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Request, Response
from sipgw.sip.timers import TIMEOUT
from sipgw.sip.transferor import ANSWER_TIME, REFER_LIMIT
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, nothing_left, request_in_dialog
from tests.sip.wire import ANSWER, INVITE, Wire, in_dialog

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def requests(wire: Wire, source: str, method: str) -> list[Request]:
    return [
        message
        for _, host, _, message in wire.trace
        if host == source and isinstance(message, Request) and message.method == method
    ]


def frags(wire: Wire, source: str) -> list[tuple[str, str]]:
    """What was reported, and the state of the subscription."""
    return [
        (notify.body.decode().strip(), (notify.headers.get("subscription-state") or "").partition(";")[0])
        for notify in requests(wire, source, "NOTIFY")
    ]


# We refer


def test_refer_says_where_and_by_whom() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.transferor.refer(Uri.parse("sip:+15551234@carrier.example"), wire.now)
    wire.run(0.1)
    (refer,) = requests(wire, B, "REFER")
    assert refer.headers.get("refer-to") == "<sip:+15551234@carrier.example>"
    assert refer.headers.get("referred-by") == f"<sip:agent@{B}>"
    assert refer.headers.get("supported") == "norefersub"
    assert refer.headers.get("contact")


def referred(call: Call) -> Call:
    """A refers B's caller; A's agent is let to be referred, but its owner decides when it reports."""
    call.client.transferee.allowed = True
    call.server.transferor.refer(Uri.parse(f"sip:human@{C}"), call.wire.now)
    call.wire.run(0.2)
    return call


def test_a_referral_is_accepted_reported_and_concluded() -> None:
    wire = Wire()
    call = referred(Call(wire).answered())
    assert call.here[-1] == ReferRequested(Uri.parse(f"sip:human@{C}"), None, f"<sip:agent@{B}>")
    assert wire.seen(A, 202)
    assert frags(wire, A) == [("SIP/2.0 100 Trying", "active")]
    assert not [event for event in call.there if isinstance(event, Referred)]
    wire.run(ANSWER_TIME)
    call.client.transferee.outcome(200, "OK", wire.now)
    wire.run(0.1)
    assert frags(wire, A)[1:] == [("SIP/2.0 200 OK", "terminated")]
    assert call.there[-1] == Referred(True, 200, "OK")
    call.server.hangup(wire.now)
    nothing_left(wire)


def test_what_the_target_answered_is_passed_on() -> None:
    wire = Wire()
    call = referred(Call(wire).answered())
    call.client.transferee.outcome(486, "Busy\r\nHere\udce4", wire.now)
    wire.run(0.1)
    assert call.there[-1] == Referred(False, 486, "Busy Here?")
    assert call.server.phase is call.client.phase is Phase.CONFIRMED, "the call goes on"
    with pytest.raises(RuntimeError, match="no REFER waits"):
        call.client.transferee.outcome(200, "OK", wire.now)
    wire.run(0.1)
    assert len(frags(wire, A)) == 2, "there is one outcome"


def test_a_second_referral_has_a_subscription_of_its_own() -> None:
    wire = Wire()
    call = referred(Call(wire).answered())
    call.client.transferee.outcome(486, "Busy Here", wire.now)
    wire.run(0.1)
    call.server.transferor.refer(Uri.parse("tel:+1555"), wire.now)
    wire.run(0.1)
    number = requests(wire, B, "REFER")[1].cseq.number
    assert requests(wire, A, "NOTIFY")[-1].headers.get("event") == f"refer;id={number}"
    wire.run(ANSWER_TIME)
    call.client.transferee.outcome(200, "OK", wire.now)
    wire.run(0.1)
    assert [event.status for event in call.there if isinstance(event, Referred)] == [486, 200]


def test_a_late_report_of_an_earlier_referral_is_not_taken_for_the_present_one() -> None:
    wire = Wire()
    call = referred(Call(wire).answered())
    first = requests(wire, B, "REFER")[0].cseq.number
    call.client.transferee.outcome(486, "Busy Here", wire.now)
    wire.run(0.1)
    call.server.transferor.refer(Uri.parse("tel:+1555"), wire.now)
    wire.run(0.1)
    text = request_in_dialog(call, "NOTIFY", 30000, "SIP/2.0 200 OK", "message/sipfrag")
    wire.send(text.replace("Max-Forwards", f"Event: refer;id={first}\nMax-Forwards", 1))
    wire.run(0.1)
    assert [event.status for event in call.there if isinstance(event, Referred)] == [486]


@pytest.mark.parametrize("late", [False, True], ids=["none at all", "late"])
def test_a_late_answer_to_an_earlier_refer_is_not_taken_for_that_of_the_present_one(late: bool) -> None:
    """A REFER without an answer is given up before its transaction is."""
    wire = Wire()
    call = Call(wire).answered()
    wire.drop = lambda source, message: source == A
    call.server.transferor.refer(Uri.parse("tel:+1444"), wire.now)
    wire.run(REFER_LIMIT)
    first = requests(wire, B, "REFER")[0].cseq.number
    call.server.transferor.refer(Uri.parse("tel:+1555"), wire.now)
    if late:
        wire.drop = lambda source, message: source == A and message.cseq.number != first
    wire.run(TIMEOUT - REFER_LIMIT + 1)
    assert [event.status for event in call.there if isinstance(event, Referred)] == [408]


def test_reports_that_are_lost_come_in_their_order() -> None:
    wire = Wire(lost=0.3, seed=7)
    call = Call(wire)
    call.start()
    wire.run(10)
    call.server.answer(ANSWER, wire.now)
    wire.run(30)
    call.client.transferee.allowed = True
    call.server.transferor.refer(Uri.parse("tel:+1555"), wire.now)
    wire.run(5)
    call.client.transferee.outcome(200, "OK", wire.now)
    wire.run(20)
    assert call.there[-1] == Referred(True, 200, "OK")


def test_who_wants_no_reports_gets_none() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.transferee.allowed = True
    text = request_in_dialog(call, "REFER", 30000)
    wire.send(text.replace("Max-Forwards", "Refer-To: <sip:x@10.0.0.9>\nRefer-Sub: false\nMax-Forwards", 1))
    wire.run(0.1)
    assert wire.last(B, 202).headers.get("refer-sub") == "false"
    call.server.transferee.outcome(200, "OK", wire.now)
    wire.run(0.1)
    assert frags(wire, B) == []


def test_who_sends_no_reports_has_accepted() -> None:
    wire = Wire(B)
    events: list[object] = []
    calls = []

    def came(call, now: float) -> None:
        calls.append(call)
        call.on_event = events.append

    wire.parties[B].on_call = came
    wire.send(INVITE.format(call_id="x"))
    wire.run(0.1)
    calls[0].answer(ANSWER, wire.now)
    wire.run(0.1)
    wire.send(in_dialog("ACK", 1, "x", calls[0].tag))
    wire.run(0.1)
    calls[0].transferor.refer(Uri.parse("tel:+1555"), wire.now)
    wire.run(0.1)
    fields = "".join(f"{name}: {value}\n" for name, value in wire.last(B, "REFER").headers)
    wire.send(f"SIP/2.0 202 Accepted\n{fields}Refer-Sub: false\n\n")
    wire.run(0.1)
    assert events[-1] == Referred(True, 202, "passed on; the other side does not report the outcome")


@pytest.mark.parametrize(
    ("event", "status"), [("refer", 481), ("presence", 489), ('refer;id="', 400), ("message-summary", 489)]
)
def test_a_report_that_nobody_asked_for_is_refused(event: str, status: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    text = request_in_dialog(call, "NOTIFY", 30000, "SIP/2.0 200 OK", "message/sipfrag")
    wire.send(text.replace("Max-Forwards", f"Event: {event}\nMax-Forwards", 1))
    wire.run(0.1)
    assert wire.seen(B, status)
    assert wire.last(B, status).headers.get("allow-events") == ("refer" if status == 489 else None)


# They refer us


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("", 400),
        ("Refer-To: <sip:a@x>\nRefer-To: <sip:b@x>\n", 400),
        ("Refer-To: nonsense\n", 400),
        ("Refer-To: <http://x/>\n", 416),
        ("Refer-To: <sip:a@x;method=BYE>\n", 603),
        ("Refer-To: <sip:a@x?Replaces=broken>\n", 400),
        ("Refer-To: <sip:a@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=x>\n", 400),
        ("Refer-To: <sip:a@x;method=INVITE?Subject=hi&Route=%3Csip:evil%3E>\n", 202),
        ("Refer-To: <sip:a@x?Replaces=a%3Bto-tag%3D%221%0D%0AX%3A%20y%22%3Bfrom-tag%3D2>\n", 400),
        ("Refer-To: <sip:a@x>\nReferred-By: <nonsense\n", 202),
        ("r: <sip:a@x>\n", 202),
    ],
)
def test_a_refer_must_make_sense(fields: str, status: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.transferee.allowed = True
    wire.send(request_in_dialog(call, "REFER", 30000).replace("Max-Forwards", f"{fields}Max-Forwards", 1))
    wire.run(0.1)
    assert wire.seen(B, status)
    asked = [event for event in call.there if isinstance(event, ReferRequested)]
    assert asked == ([ReferRequested(Uri.parse("sip:a@x"), None, "")] if status == 202 else [])


ODD = st.text(alphabet='<>sip:;,="\\@a1 \u00e9?&%ReplacsTo-tgfm0D', max_size=80)


@given(method=st.sampled_from(["REFER", "NOTIFY", "INFO"]), values=st.tuples(ODD, ODD, ODD), body=ODD)
def test_whatever_a_request_inside_a_call_says_it_is_answered(
    method: str, values: tuple[str, str, str], body: str
) -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.transferee.allowed = True
    call.server.transferor.refer(Uri.parse("tel:+1555"), wire.now)
    wire.run(0.1)
    odd = "Refer-To: {}\nEvent: {}\nReferred-By: {}\nRefer-Sub: x\nMax-Forwards".format(*values)
    text = request_in_dialog(call, method, 30000, body, "application/dtmf-relay")
    wire.send(text.replace("Max-Forwards", odd, 1).encode())
    before = len(wire.trace)
    wire.run(0.1)
    assert [message for _, host, _, message in wire.trace[before:] if host == B and isinstance(message, Response)]


def test_one_referral_at_a_time() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.transferee.allowed = True
    for number in (30000, 30001):
        text = request_in_dialog(call, "REFER", number)
        wire.send(text.replace("Max-Forwards", "Refer-To: <sip:a@x>\nMax-Forwards", 1))
        wire.run(0.1)
    assert (len(wire.seen(B, 202)), len(wire.seen(B, 491))) == (1, 1)


def test_a_referrer_that_hangs_up_is_told_the_outcome_all_the_same() -> None:
    wire = Wire()
    call = referred(Call(wire).answered())
    call.server.hangup(wire.now)
    wire.run(0.1)
    call.client.transferee.outcome(200, "OK", wire.now)
    wire.run(0.1)
    assert frags(wire, A)[-1] == ("SIP/2.0 200 OK", "terminated")  # RFC 5057 §4: the subscription outlives the call
    nothing_left(wire)


def test_a_refer_outside_a_call_is_refused() -> None:
    wire = Wire()
    text = INVITE.format(call_id="y").replace("INVITE", "REFER").replace("Max", "Refer-To: <sip:a@x>\nMax", 1)
    wire.send(text)
    wire.run(0.1)
    assert wire.seen(B, 403)


def test_neither_refer_nor_invite_is_sent_to_a_forbidden_address() -> None:
    wire = Wire()
    call = Call(wire).answered()
    agent = wire.parties[B].agent
    agent.clients.environment = agent.clients.environment._replace(forbidden=lambda target, now: f"not {target.user}")
    call.server.transferor.refer(Uri.parse("tel:112"), wire.now)
    wire.run(0.1)
    assert call.there[-1] == Referred(False, 403, "not 112")
    assert requests(wire, B, "REFER") == []
    invite = InviteClient.to(agent.core, Uri.parse(f"sip:112@{A}"), "<sip:b@b>", b"")
    ended: list[object] = []
    invite.on_event = ended.append
    invite.start(wire.now)
    wire.run(0.1)
    assert ended == [Ended("gateway", "403", "not 112", 403)]
    assert requests(wire, B, "INVITE") == []
