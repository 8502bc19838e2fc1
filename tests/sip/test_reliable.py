"""Reliable provisional responses that we send (RFC 3262 §3, §5), and offers before the answer (RFC 3311)."""

import pytest

from sipgw.sip.events import Answered, Confirmed, Ended, Offered, Phase
from sipgw.sip.message import Response
from tests.sip.test_calls import nothing_left
from tests.sip.wire import ANSWER, INVITE, OFFER, Wire, in_dialog

A, B = "10.0.0.1", "10.0.0.2"
MOVED = OFFER.replace(b"4000", b"5000")


def text(sdp: bytes) -> str:
    return sdp.decode().replace("\r\n", "\n")


# The server side


class Caller:
    """Somebody who calls B, played by hand."""

    def __init__(self, extra: str = "Require: 100rel\n", sdp: bytes = OFFER) -> None:
        self.wire = Wire(B)
        self.events: list[object] = []
        self.wire.parties[B].on_call = lambda call, now: setattr(call, "on_event", self.events.append)
        body = f"Content-Type: application/sdp\nContent-Length: {len(sdp)}\n\n{text(sdp)}" if sdp else ""
        invite = INVITE.format(call_id="rel").replace("Max-Forwards", extra + "Max-Forwards")
        self.wire.send(invite.replace("Content-Length: 0\n\n", body) if sdp else invite)
        self.wire.run(0.1)
        self.call = self.wire.parties[B].calls[0]

    def sends(self, method: str, number: int, extra: str = "", sdp: bytes = b"") -> None:
        """Send a request inside the dialog and let 0.1 s pass."""
        raw = in_dialog(method, number, "rel", self.call.tag, text(sdp)).replace("message/sipfrag", "application/sdp")
        raw = raw.replace(f"Content-Length: {len(text(sdp))}", f"Content-Length: {len(sdp)}")
        self.wire.send(raw.replace("Event: refer\n", extra))
        self.wire.run(0.1)

    def pracks(self, number: int, response: Response, sdp: bytes = b"") -> None:
        """PRACK `response`."""
        self.sends("PRACK", number, f"RAck: {response.headers.get('rseq')} {response.cseq}\n", sdp)

    def last(self, status: int, method: str = "INVITE") -> Response:
        found = [m for _, _, _, m in self.wire.trace if isinstance(m, Response) and m.status == status]
        return [message for message in found if message.cseq.method == method][-1]


@pytest.mark.parametrize(
    ("extra", "reliable"), [("", False), ("Supported: 100rel\n", False), ("Require: 100rel\n", True)]
)
def test_a_provisional_response_is_reliable_only_if_the_caller_requires_it(extra: str, reliable: bool) -> None:
    caller = Caller(extra)
    caller.call.ringing(caller.wire.now)
    caller.wire.run(5)
    ringing = caller.last(180)
    assert ("100rel" in ringing.require, bool(ringing.headers.get("rseq"))) == (reliable, reliable)
    assert (len(caller.wire.seen(B, 180)) > 1) is reliable


def test_without_prack_it_is_resent_with_doubled_intervals_and_the_call_ends_with_504() -> None:
    caller = Caller()
    start = caller.wire.now - 1000
    caller.call.ringing(caller.wire.now)
    caller.wire.run(40)
    sent = [at - start for at in caller.wire.seen(B, 180)]
    assert sent == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
    assert caller.wire.seen(B, 504)[0] - start == pytest.approx(32)
    assert isinstance(caller.events[-1], Ended)
    nothing_left(caller.wire)


def test_a_prack_ends_the_resending_and_only_the_right_one_does() -> None:
    caller = Caller()
    caller.call.ringing(caller.wire.now)
    caller.wire.run(0.1)
    ringing = caller.last(180)
    number = int(ringing.headers.get("rseq") or 0)
    assert 1 <= number < 2**31
    wrong = [f"RAck: {number + 1} 1 INVITE\n", f"RAck: {number} 2 INVITE\n", f"RAck: {number} 1 OPTIONS\n", "RAck: x\n"]
    for at, rack in enumerate([*wrong, ""]):
        caller.sends("PRACK", 2 + at, rack)
        assert caller.last(481, "PRACK").cseq.number == 2 + at
    caller.pracks(10, ringing)
    assert caller.last(200, "PRACK")
    before = len(caller.wire.seen(B, 180))
    caller.pracks(11, ringing)
    assert caller.last(481, "PRACK").cseq.number == 11, "once is enough"
    caller.wire.run(40)
    assert len(caller.wire.seen(B, 180)) == before
    assert caller.call.phase is Phase.RINGING


def test_the_next_one_waits_for_the_prack_and_has_the_next_number() -> None:
    caller = Caller()
    caller.call.ringing(caller.wire.now)
    caller.call.progress(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    assert not caller.wire.seen(B, 183)
    first = caller.last(180)
    caller.pracks(2, first)
    second = caller.last(183)
    assert second.body == ANSWER
    assert int(second.headers.get("rseq") or 0) == int(first.headers.get("rseq") or 0) + 1


def test_the_200_waits_for_the_prack_and_does_not_repeat_the_answer() -> None:
    """§3, §5: the answer was in the 183."""
    caller = Caller()
    caller.call.progress(ANSWER, caller.wire.now)
    caller.call.answer(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    assert not caller.wire.seen(B, 200)
    caller.pracks(2, caller.last(183))
    assert caller.last(200).body == b""
    caller.sends("ACK", 1)
    assert caller.events == [Confirmed(None)]
    assert (caller.call.session.local, caller.call.session.remote) == (ANSWER, OFFER)
    caller.call.hangup(caller.wire.now)
    nothing_left(caller.wire)


def test_a_183_that_is_not_reliable_leaves_the_answer_to_the_200() -> None:
    caller = Caller("")
    caller.call.progress(ANSWER, caller.wire.now)
    caller.call.progress(MOVED, caller.wire.now)
    caller.call.answer(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    assert len(caller.wire.seen(B, 183)) == 1
    assert (caller.last(183).body, caller.last(200).body) == (ANSWER, ANSWER)


def test_our_offer_in_the_183_is_answered_by_the_prack() -> None:
    """§5: an INVITE without offer; the first reliable response must bring ours, so a bare 180 is not sent."""
    caller = Caller(sdp=b"")
    caller.call.ringing(caller.wire.now)
    caller.wire.run(0.1)
    assert not caller.wire.seen(B, 180)
    caller.call.progress(OFFER, caller.wire.now)
    caller.wire.run(0.1)
    caller.pracks(2, caller.last(183), ANSWER)
    assert caller.events == [Answered(ANSWER)]
    caller.call.answer(OFFER, caller.wire.now)
    caller.wire.run(0.1)
    assert caller.last(200).body == b""
    caller.sends("ACK", 1, sdp=MOVED)
    assert caller.events[-1] == Confirmed(None), "the answer was given"


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    caller = Caller()
    caller.call.progress(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    caller.pracks(2, caller.last(183), MOVED)
    assert caller.events == [Offered(MOVED)]
    caller.call.accept_offer(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    assert caller.last(200, "PRACK").body == ANSWER
    caller.call.answer(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    caller.sends("ACK", 1)
    assert caller.call.phase is Phase.CONFIRMED
    assert caller.call.session.remote == MOVED


def test_an_update_changes_the_session_before_the_call_is_answered() -> None:
    caller = Caller()
    caller.call.progress(ANSWER, caller.wire.now)
    caller.sends("UPDATE", 2, sdp=MOVED)
    assert caller.last(500, "UPDATE").headers.get("retry-after"), "RFC 3311 §5.2: the first offer has no answer yet"
    caller.pracks(3, caller.last(183))
    caller.sends("UPDATE", 4, "Supported: timer\nSession-Expires: 600\n", MOVED)
    assert caller.events == [Offered(MOVED)]
    caller.call.accept_offer(ANSWER, caller.wire.now)
    caller.wire.run(0.1)
    assert caller.last(200, "UPDATE").body == ANSWER
    assert caller.last(200, "UPDATE").headers.get("session-expires") is None, "a session timer begins with the call"
    assert caller.call.phase is Phase.RINGING


def test_an_update_while_our_own_early_offer_is_out_gets_491() -> None:
    caller = Caller(sdp=b"")
    caller.call.progress(OFFER, caller.wire.now)
    caller.sends("UPDATE", 2, sdp=MOVED)
    assert caller.last(491, "UPDATE")


@pytest.mark.parametrize("how", ["CANCEL", "BYE", "reject"])
def test_whatever_ends_the_call_ends_the_resending(how: str) -> None:
    caller = Caller()
    caller.call.ringing(caller.wire.now)
    if how == "reject":
        caller.call.reject(486, caller.wire.now)
    elif how == "BYE":
        caller.sends("BYE", 2)
    else:
        cancel = INVITE.format(call_id="rel").replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")
        caller.wire.send(cancel)
    caller.wire.run(0.2)
    before = len(caller.wire.seen(B, 180))
    caller.wire.run(40)
    assert len(caller.wire.seen(B, 180)) == before
    assert isinstance(caller.events[-1], Ended)
    nothing_left(caller.wire)
