"""Blind transfer (RFC 3515): REFER out, its outcome by NOTIFY."""

import pytest

from sipgw.sip.digest import Credentials
from sipgw.sip.events import Ended, Phase, Referred
from sipgw.sip.message import Request
from sipgw.sip.replaces import Replaces
from sipgw.sip.transferor import ANSWER_TIME, PROOF_LIMIT, REFER_LIMIT, RING_LIMIT
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call
from tests.sip.wire import ANSWER, INVITE, Wire, has_registered, in_dialog

A, B = "10.0.0.1", "10.0.0.2"


def test_a_refused_refer_is_told() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.transferor.refer(Uri.parse("sip:human@10.0.0.9"), wire.now)
    wire.run(0.1)
    refer = wire.last(B, "REFER")
    assert refer.headers.get("refer-to") == "<sip:human@10.0.0.9>"
    assert wire.seen(A, 603), "nobody may send us anywhere who was not let"
    assert call.there[-1] == Referred(False, 603, "Decline")


class Transfer:
    """A call that was answered, whose caller is asked to call somebody else and says 202."""

    def __init__(self, *, challenged: bool = False, replaces: Replaces | None = None) -> None:
        self.wire = Wire(B)
        self.events: list[object] = []
        self.wire.parties[B].on_call = self._came
        self.wire.send(INVITE.format(call_id="refer-me"))
        self.wire.run(0.1)
        self.call.answer(ANSWER, self.wire.now)
        self.wire.run(0.1)
        self.say("ACK", 1)
        self.call.credentials = Credentials("agent", "s3cret")
        has_registered(self.wire.parties[B].agent, self.call.credentials, "x", "10.0.0.9")
        self.call.transferor.refer(Uri.parse("tel:+15551234"), self.wire.now, replaces)
        self.wire.run(0.1)
        if challenged:
            self.answer("407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="x", nonce="y"')
        self.answer("202 Accepted")
        self.say("NOTIFY", 2, "SIP/2.0 100 Trying")

    def answer(self, status: str, *more: str) -> None:
        """Answer the last REFER."""
        fields = "".join(f"{name}: {value}\n" for name, value in self.wire.last(B, "REFER").headers)
        self.wire.send(f"SIP/2.0 {status}\n{fields}" + "".join(f"{line}\n" for line in more) + "\n")
        self.wire.run(0.1)

    def _came(self, call, now):
        self.call = call
        call.on_event = self.events.append

    def say(self, method: str, number: int, body: str = "", state: str = "active") -> None:
        text = in_dialog(method, number, "refer-me", self.call.tag, body)
        self.wire.send(text.replace("Event: refer", f"Event: refer\nSubscription-State: {state}"))
        self.wire.run(0.1)

    def outcomes(self) -> list[object]:
        return [event for event in self.events if isinstance(event, Referred)]


def test_a_transfer_is_over_when_the_final_status_is_told() -> None:
    transfer = Transfer()
    assert transfer.outcomes() == []
    transfer.say("NOTIFY", 3, "SIP/2.0 180 Ringing")
    assert transfer.outcomes() == []
    transfer.wire.run(ANSWER_TIME)
    transfer.say("NOTIFY", 4, "SIP/2.0 200 OK", "terminated;reason=noresource")
    assert transfer.outcomes() == [Referred(True, 200, "OK")]
    transfer.say("NOTIFY", 5, "SIP/2.0 503 Service Unavailable")
    assert len(transfer.outcomes()) == 1


PASSED_ON = Referred(True, 202, "passed on; reported as answered sooner than a person can answer")
DONE = ("SIP/2.0 200 OK", "terminated;reason=noresource")


@pytest.mark.faults("G4")
@pytest.mark.parametrize("rings", [True, False], ids=["as Asterisk", "as FreeSWITCH"])
def test_a_200_sooner_than_anybody_answers_proves_nothing(rings: bool) -> None:
    """The PBX has passed the caller on; whether the target answers, is busy or does not exist it never tells."""
    transfer = Transfer()
    if rings:
        transfer.wire.run(5)
        transfer.say("NOTIFY", 3, "SIP/2.0 180 Ringing")
    transfer.say("NOTIFY", 4, *DONE)
    transfer.say("NOTIFY", 5, *DONE)
    assert transfer.outcomes() == []
    transfer.wire.run(PROOF_LIMIT)
    assert transfer.outcomes() == [PASSED_ON]
    assert PASSED_ON.accepted
    assert not PASSED_ON.proven


@pytest.mark.faults("G4")
def test_a_failure_that_follows_such_a_200_counts() -> None:
    transfer = Transfer()
    transfer.say("NOTIFY", 3, "SIP/2.0 200 OK")
    transfer.say("NOTIFY", 4, "SIP/2.0 180 Ringing")
    transfer.say("NOTIFY", 5, "SIP/2.0 486 Busy Here", "terminated;reason=noresource")
    assert transfer.outcomes() == [Referred(False, 486, "Busy Here")]


@pytest.mark.faults("G4")
def test_who_takes_the_caller_away_after_such_a_200_has_them() -> None:
    transfer = Transfer()
    transfer.say("NOTIFY", 3, *DONE)
    transfer.say("BYE", 4)
    assert transfer.events[-2:] == [PASSED_ON, Ended("caller", "BYE")]


@pytest.mark.faults("G4")
@pytest.mark.parametrize("times", [1, 5])
def test_a_200_after_it_has_rung_for_a_while_is_believed(times: int) -> None:
    transfer = Transfer()
    for number in range(times):
        transfer.say("NOTIFY", 3 + number, "SIP/2.0 180 Ringing")
        transfer.wire.run(ANSWER_TIME)
    transfer.say("NOTIFY", 9, *DONE)
    assert transfer.outcomes() == [Referred(True, 200, "OK")]
    assert transfer.outcomes()[0].proven  # type: ignore[attr-defined]


@pytest.mark.faults("G4")
def test_who_was_called_before_has_answered_already() -> None:
    """RFC 5589 §7: an attended transfer, whose target we have spoken with."""
    transfer = Transfer(replaces=Replaces("call", "here", "there"))
    transfer.say("NOTIFY", 3, *DONE)
    assert transfer.outcomes() == [Referred(True, 200, "OK")]


def test_a_transfer_that_failed_leaves_the_call_up() -> None:
    transfer = Transfer()
    transfer.say("NOTIFY", 3, "SIP/2.0 486 Busy Here")
    assert transfer.outcomes() == [Referred(False, 486, "Busy Here")]
    assert transfer.call.phase is Phase.CONFIRMED
    transfer.call.transferor.refer(Uri.parse("tel:+15555678"), transfer.wire.now)
    transfer.wire.run(0.1)
    assert len(transfer.wire.seen(B, "REFER")) == 2, "another target may be tried"


def test_a_report_that_ends_without_a_result_is_no_success() -> None:
    transfer = Transfer()
    transfer.say("NOTIFY", 3, "SIP/2.0 100 Trying", "terminated;reason=timeout")
    assert transfer.outcomes() == [Referred(False, 100, "Trying")]


def test_a_transfer_whose_outcome_is_never_told_is_given_up() -> None:
    transfer = Transfer()
    transfer.wire.run(REFER_LIMIT)
    assert transfer.outcomes() == [Referred(False, 408, "the other side did not report the outcome of the transfer")]


def test_a_target_may_ring_long_if_that_is_told_but_not_for_ever() -> None:
    transfer = Transfer()
    for number in range(3, 3 + int(RING_LIMIT / 25)):
        transfer.wire.run(24.9)
        transfer.say("NOTIFY", number, "SIP/2.0 180 Ringing")
        assert transfer.outcomes() == []
    transfer.wire.run(REFER_LIMIT)
    assert transfer.outcomes() == [Referred(False, 408, "the other side did not report the outcome of the transfer")]
    assert round(transfer.wire.now - 1000) <= RING_LIMIT + REFER_LIMIT


def test_a_challenge_of_a_refer_is_answered() -> None:
    transfer = Transfer(challenged=True)
    first, second = (
        message
        for _, host, _, message in transfer.wire.trace
        if host == B and isinstance(message, Request) and message.method == "REFER"
    )
    assert "proxy-authorization" not in str(first.headers).lower()
    assert 'username="agent"' in (second.headers.get("proxy-authorization") or "")
    assert second.cseq.number == first.cseq.number + 1
    assert second.headers.get("refer-to") == "<tel:+15551234>"
    transfer.wire.run(ANSWER_TIME)
    transfer.say("NOTIFY", 3, "SIP/2.0 200 OK", "terminated;reason=noresource")
    assert transfer.outcomes() == [Referred(True, 200, "OK")]


def test_one_transfer_at_a_time() -> None:
    transfer = Transfer()
    transfer.call.transferor.refer(Uri.parse("tel:+15555678"), transfer.wire.now)
    transfer.wire.run(0.1)
    assert len(transfer.wire.seen(B, "REFER")) == 1


def test_when_the_caller_hangs_up_the_transfer_is_over() -> None:
    transfer = Transfer()
    transfer.say("BYE", 3)
    assert transfer.events[-2:] == [Referred(False, 0, "the call ended"), Ended("caller", "BYE")]


@pytest.mark.parametrize("body", ["", "SIP/2.0", "SIP/2.0 x", "HTTP/1.1 200 OK", "SIP/2.0 \u00b2\u00b2\u00b2 OK", "\n"])
def test_a_report_that_cannot_be_read_changes_nothing(body: str) -> None:
    transfer = Transfer()
    transfer.say("NOTIFY", 3, body)
    assert transfer.outcomes() == []
