"""Early dialogs of calls that we make: PRACK (RFC 3262 §4), early media, UPDATE, forks (RFC 3261 §13.2.2.4)."""

from dataclasses import replace

import pytest

from sipgw.sip.events import Confirmed, Ended, Offered, Phase, Progress
from sipgw.sip.message import Request, Response, response_to
from sipgw.sip.reliable import MAX_BRANCHES
from tests.sip.test_calls import Call, nothing_left
from tests.sip.test_reliable import MOVED, text
from tests.sip.wire import ANSWER, OFFER, Wire

A, B = "10.0.0.1", "10.0.0.2"


class Callee:
    """Whom A calls, played by hand."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.call = Call(self.wire)
        self.wire.parties[B].agent.receive = self._receive  # type: ignore[method-assign]
        self.requests: list[Request] = []
        self.call.client.start(self.wire.now)
        self.wire.run(0.1)

    def _receive(self, data, source, now):
        from sipgw.sip.parse import parse_message

        message = parse_message(data)
        if isinstance(message, Request):
            self.requests.append(message)
            if message.method not in ("INVITE", "ACK"):
                self.wire.send(response_to(message, 200).to_bytes(), B, A)

    def sends(self, status: int, rseq: int = 0, sdp: bytes = b"", tag: str = "one") -> None:
        """Answer the INVITE and let 0.1 s pass."""
        headers = [("Contact", f"<sip:{tag}@{B}>"), ("Allow", "INVITE, UPDATE")]
        headers += [("Require", "100rel"), ("RSeq", str(rseq))] if rseq else []
        kind = "application/sdp" if sdp else ""
        invite = self.requests[0]
        response = response_to(invite, status, to_tag=tag, headers=headers, body=sdp, content_type=kind)
        self.wire.send(response.to_bytes(), B, A)
        self.wire.run(0.1)

    def asks(self, method: str, number: int, sdp: bytes = b"", tag: str = "one") -> Response:
        """Send a request in the early dialog of `tag`; returns the answer."""
        invite = self.requests[0]
        kind = f"Content-Type: application/sdp\nContent-Length: {len(sdp)}\n\n{text(sdp)}" if sdp else ""
        raw = f"""{method} sip:me@{A} SIP/2.0
Via: SIP/2.0/UDP {B}:5060;branch=z9hG4bK{method}{number}{tag};rport
From: {replace(invite.to, params=(("tag", tag),))}
To: {invite.from_}
Call-ID: {invite.call_id}
CSeq: {number} {method}
Contact: <sip:{tag}@{B}>
Max-Forwards: 70
"""
        self.wire.send(raw + (kind or "Content-Length: 0\n\n"), B, A)
        self.wire.run(0.1)
        found = [m for _, h, _, m in self.wire.trace if h == A and isinstance(m, Response) and m.cseq.method == method]
        return found[-1]

    def pracks(self, tag: str = "one") -> list[str]:
        mine = [m for m in self.requests if m.method == "PRACK" and m.to.tag == tag]
        return [(m.headers.get("rack") or "").split()[0] for m in mine]


def test_reliable_responses_are_acknowledged_in_order_and_once() -> None:
    callee = Callee()
    invite = callee.requests[0]
    assert "100rel" in invite.supported
    for number in (7, 7, 9, 8, 9, 8, 12, 10):
        callee.sends(180, number)
    assert callee.pracks() == ["7", "8", "9", "10"], "§4: out of order means unheard"
    assert callee.call.here.count(Progress(180, "Ringing")) == 4
    first = next(m for m in callee.requests if m.method == "PRACK")
    assert first.headers.get("rack") == f"7 {invite.cseq.number} INVITE"
    assert (first.cseq.number, str(first.uri)) == (invite.cseq.number + 1, f"sip:one@{B}")


def test_a_lost_prack_is_resent() -> None:
    callee = Callee()
    lost: list[object] = []

    def drop(source, message):
        if isinstance(message, Request) and message.method == "PRACK" and len(lost) < 2:
            lost.append(message)
            return True
        return False

    callee.wire.drop = drop
    callee.sends(180, 1)
    callee.wire.run(3)
    assert callee.pracks() == ["1"]
    assert len(callee.wire.seen(A, "PRACK")) == 3


def test_the_answer_in_a_reliable_183_is_early_media_and_is_the_answer() -> None:
    callee = Callee()
    callee.sends(183, 1, ANSWER)
    assert callee.call.here == [Progress(183, "Session Progress", ANSWER)]
    callee.sends(200, sdp=MOVED)
    assert callee.call.here[-1] == Confirmed(None), "RFC 3262 §5: what comes after it is no answer"
    assert callee.call.client.session.remote == ANSWER
    callee.call.client.hangup(callee.wire.now)
    callee.wire.run(0.1)
    numbers = [m.cseq.number - callee.requests[0].cseq.number for m in callee.requests if m.method in ("PRACK", "BYE")]
    assert numbers == [1, 2], "the dialog goes on counting where the early dialog was"


def test_the_answer_in_a_183_that_is_not_reliable_waits_for_the_200() -> None:
    callee = Callee()
    callee.sends(183, sdp=ANSWER)
    assert callee.asks("UPDATE", 1, MOVED).status == 491, "our offer has no answer yet"
    callee.sends(200, sdp=ANSWER)
    assert callee.call.here == [Progress(183, "Session Progress", ANSWER), Confirmed(ANSWER)]
    assert not callee.pracks()


def test_a_200_without_a_description_leaves_that_of_the_183_of_its_branch() -> None:
    """RFC 3261 §13.2.1: the first description is the answer. Some gateways send it only there."""
    callee = Callee()
    callee.sends(183, sdp=OFFER, tag="two")
    callee.sends(183, sdp=ANSWER)
    callee.sends(180)
    callee.sends(200)
    assert callee.call.here[-1] == Confirmed(ANSWER)
    assert callee.call.client.session.remote == ANSWER


def test_the_callee_changes_the_session_by_update_before_it_answers() -> None:
    callee = Callee()
    callee.sends(183, 1, ANSWER)
    client = callee.call.client
    client.on_event = lambda event: client.accept_offer(OFFER, callee.wire.now) if isinstance(event, Offered) else None  # type: ignore[assignment]
    response = callee.asks("UPDATE", 1, MOVED)
    assert (response.status, response.body) == (200, OFFER)
    callee.sends(200)
    assert client.phase is Phase.CONFIRMED
    assert client.session.remote == MOVED


@pytest.mark.parametrize("answered", [b"", ANSWER], ids=["it answered early", "it answers now"])
def test_an_update_of_one_branch_changes_nothing_for_another(answered: bytes) -> None:
    """Each branch knows only what was exchanged with it (RFC 3261 §13.2.2.4)."""
    for winner in ("one", "two"):
        callee = Callee()
        client, offered = callee.call.client, callee.call.client.session.local
        theirs, ours = {"one": MOVED, "two": ANSWER}, {"one": offered + b"a=answer\r\n", "two": offered}
        told = client.on_event

        def take(event: object, client=client, ours=ours, callee=callee, told=told) -> None:
            if isinstance(event, Offered):
                client.accept_offer(ours["one"], callee.wire.now)
            told(event)

        client.on_event = take
        callee.sends(183, 1, ANSWER, tag="one")
        if not answered:
            callee.sends(183, 1, ANSWER, tag="two")
        assert callee.asks("UPDATE", 1, MOVED, tag="one").status == 200
        callee.sends(200, sdp=answered if winner == "two" else b"", tag=winner)
        assert client.phase is Phase.CONFIRMED
        assert (client.session.local, client.session.remote) == (ours[winner], theirs[winner])


def test_an_offer_that_waits_is_refused_when_another_branch_answers() -> None:
    callee = Callee()
    client = callee.call.client
    callee.sends(183, 1, ANSWER, tag="one")
    assert callee.asks("UPDATE", 1, tag="one").status == 200
    callee.asks("UPDATE", 2, MOVED, tag="one")
    callee.sends(200, sdp=ANSWER, tag="two")
    assert callee.asks("UPDATE", 3, tag="one").status == 481
    answers = [
        m.status for _, _, at, m in callee.wire.trace if isinstance(m, Response) and m.cseq.number == 2 and at == B
    ]
    assert 487 in answers
    assert not client.accept_offer(OFFER, callee.wire.now)
    assert client.session.remote == ANSWER


@pytest.mark.parametrize(("method", "status"), [("BYE", 481), ("INVITE", 491), ("UPDATE", 200), ("OPTIONS", 200)])
def test_what_a_callee_may_ask_before_it_answers(method: str, status: int) -> None:
    callee = Callee()
    callee.sends(180)
    assert callee.asks(method, 1).status == status
    assert callee.call.client.phase is Phase.RINGING
    assert callee.asks(method, 1, tag="stranger").status == 481


def test_each_branch_of_a_fork_has_its_own_early_dialog_and_numbers() -> None:
    callee = Callee()
    callee.sends(183, 5, ANSWER, tag="one")
    callee.sends(183, 900, MOVED, tag="two")
    callee.sends(180, 6, tag="one")
    assert (callee.pracks("one"), callee.pracks("two")) == (["5", "6"], ["900"])
    assert callee.asks("UPDATE", 1, tag="one").status == callee.asks("UPDATE", 1, tag="two").status == 200
    callee.sends(200, tag="one")
    assert callee.call.client.session.remote == ANSWER
    assert callee.call.client.dialog is not None
    assert callee.call.client.dialog.remote.tag == "one"
    assert callee.asks("UPDATE", 2, tag="two").status == 481
    callee.sends(200, sdp=MOVED, tag="two")
    to_two = {m.method: m.cseq.number for m in callee.requests if m.to.tag == "two"}
    assert list(to_two) == ["PRACK", "ACK", "BYE"]
    assert to_two["BYE"] > to_two["PRACK"], "else it is out of order (§12.2.2), and that phone stays in the call"
    assert callee.call.client.phase is Phase.CONFIRMED
    callee.call.client.hangup(callee.wire.now)
    nothing_left(callee.wire)


def test_a_branch_that_answers_without_having_rung_is_taken() -> None:
    callee = Callee()
    callee.sends(183, 5, ANSWER, tag="one")
    callee.sends(200, sdp=MOVED, tag="two")
    assert callee.call.here[-1] == Confirmed(MOVED)


def test_a_storm_of_branches_takes_no_more_memory_than_a_few() -> None:
    callee = Callee()
    for number in range(50):
        callee.sends(183, 1, ANSWER, tag=f"branch{number}")
    assert len([m for m in callee.requests if m.method == "PRACK"]) == MAX_BRANCHES
    callee.call.client.hangup(callee.wire.now)
    nothing_left(callee.wire)


@pytest.mark.parametrize("rseq", ["0", "-1", "x", "1" * 40])
def test_an_rseq_that_is_none_is_not_acknowledged(rseq: str) -> None:
    callee = Callee()
    headers = (("Require", "100rel"), ("RSeq", rseq))
    callee.wire.send(response_to(callee.requests[0], 180, to_tag="one", headers=headers).to_bytes(), B, A)
    callee.wire.run(0.1)
    assert not callee.pracks()
    assert not callee.call.here


# Both


@pytest.mark.parametrize(("lost", "doubled"), [(0.10, 0.20), (0.0, 1.0)])
@pytest.mark.parametrize("seed", range(10))
def test_two_of_us_agree_whatever_the_network_does(seed: int, lost: float, doubled: float) -> None:
    """10 % of all messages lost and 20 % doubled, or all of them doubled: early media, an answer, a BYE."""
    wire = Wire(seed=seed, lost=lost, doubled=doubled)
    call = Call(wire)
    invite = call.client.invite
    call.client.invite = replace(invite, headers=invite.headers.with_(("Require", "100rel")))
    call.client.start(wire.now)
    wire.run(8)
    call.server.ringing(wire.now)
    call.server.progress(ANSWER, wire.now)
    wire.run(8)
    call.server.answer(ANSWER, wire.now)
    wire.run(12)
    assert (call.client.phase, call.server.phase) == (Phase.CONFIRMED, Phase.CONFIRMED)
    assert Progress(183, "Session Progress", ANSWER) in call.here
    assert (call.here[-1], call.client.session.remote) == (Confirmed(None), ANSWER)
    call.client.hangup(wire.now)
    nothing_left(wire)
    for told in (call.here, call.there):
        assert sum(isinstance(event, Confirmed) for event in told) == 1
        assert sum(isinstance(event, Ended) for event in told) == 1
