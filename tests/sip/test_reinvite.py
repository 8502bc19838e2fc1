# mypy: disable-error-code="method-assign"
"""Changes of the session that we ask for: re-INVITE, its glare, its losses (RFC 3261 §14, RFC 5407 §3)."""

import pytest

from sipgw.sip.digest import Credentials
from sipgw.sip.events import Changed, Ended, Offered, Phase
from sipgw.sip.failover import LIMIT
from sipgw.sip.message import Request, Response
from tests.sip.test_calls import Call, nothing_left, request_in_dialog
from tests.sip.test_session_timer import Talk, without_update
from tests.sip.wire import ANSWER, OFFER, Wire, has_registered

A, B = "10.0.0.1", "10.0.0.2"
HELD = OFFER.replace(b"m=audio", b"a=sendonly\r\nm=audio")


def offers(events: list[object]) -> list[object]:
    return [event for event in events if isinstance(event, Offered | Changed)]


@pytest.mark.parametrize("by", [A, B])
def test_a_change_is_offered_answered_and_acknowledged(by: str) -> None:
    wire = Wire()
    call = Talk(wire).answered()
    ours, theirs = (call.client, call.server) if by == A else (call.server, call.client)
    ours_told, theirs_told = (call.here, call.there) if by == A else (call.there, call.here)
    before = theirs.session.local
    ours.session.change(HELD, wire.now)
    wire.run(1)
    assert theirs_told[-1] == Offered(HELD)
    assert ours_told[-1] == Changed(before, 200, "OK")
    assert (ours.session.local, ours.session.remote) == (HELD, before)
    assert (theirs.session.local, theirs.session.remote) == (before, HELD)
    assert wire.last(by, "ACK").cseq.number == wire.last(by, "INVITE").cseq.number
    wire.run(40)
    assert call.server.phase is call.client.phase is Phase.CONFIRMED
    ours.hangup(wire.now)
    nothing_left(wire)


@pytest.mark.parametrize("status", [488, 500, 603])
def test_a_refused_change_leaves_the_session_as_it_was(status: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.client.session.change(HELD, wire.now)
    wire.run(0.1)
    call.server.reject_offer(status, wire.now)
    wire.run(0.1)
    assert isinstance(call.here[-1], Changed)
    assert (call.here[-1].sdp, call.here[-1].status) == (None, status)
    assert (call.client.session.local, call.client.session.remote) == (OFFER, ANSWER)
    assert call.client.phase is Phase.CONFIRMED
    call.client.session.change(HELD, wire.now)
    wire.run(0.1)
    assert call.there[-2:] == [Offered(HELD), Offered(HELD)], "and another may be tried"


@pytest.mark.parametrize("status", [408, 481])
def test_a_change_that_finds_no_call_any_more_ends_it(status: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.client.session.change(HELD, wire.now)
    wire.run(0.1)
    call.server.reject_offer(status, wire.now)
    wire.run(0.1)
    ended = Ended("network", str(status), "the session could not be refreshed", 408)
    assert call.here[-2:] == [Changed(None, 0, "the call ended"), ended]
    assert wire.seen(A, "BYE")


@pytest.mark.parametrize("seed", range(10))
def test_two_changes_at_once_collide_and_are_tried_again_one_after_the_other(seed: int) -> None:
    """§14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s; both changes are made in the end."""
    wire = Wire(seed=seed)
    call = Talk(wire).answered()
    start = wire.now - 1000
    call.client.session.change(HELD, wire.now)
    call.server.session.change(ANSWER + b"a=recvonly\r\n", wire.now)
    wire.run(10)
    assert len(wire.seen(A, 491)) == len(wire.seen(B, 491)) == 1
    ours = [at - start for at in wire.seen(A, "INVITE") if at > start + 0.01]
    theirs = [at - start for at in wire.seen(B, "INVITE") if at > start + 0.01]
    assert 2.1 <= ours[0] - 0.02 <= 4.0
    assert theirs[0] - 0.02 <= 2.0
    assert sum(isinstance(event, Changed) and event.sdp is not None for event in [*call.here, *call.there]) == 2
    call.client.hangup(wire.now)
    nothing_left(wire)


@pytest.mark.faults("B1")
@pytest.mark.parametrize("change", [None, HELD], ids=["a refresh", "a change"])
def test_after_glare_nothing_is_offered_that_the_other_side_has_changed_meanwhile(change: bytes | None) -> None:
    """RFC 3264 §8: their hold, which we have answered while we waited, stays; our version never goes down."""
    wire = Wire(session=(B, 90))
    call = Talk(wire).answered()
    without_update(call)
    session, held = call.server.session, ANSWER.replace(b"- 1 1", b"- 1 2").replace(b"m=", b"a=recvonly\r\nm=")
    for host, fraction in ((A, 0.0), (B, 1.0)):  # the caller tries again before we do
        clients = wire.parties[host].agent.clients
        clients.environment = clients.environment._replace(fraction=lambda fraction=fraction: fraction)  # type: ignore[misc]
    call.server.on_event = lambda event: (
        call.server.accept_offer(held, wire.now) if isinstance(event, Offered) else None
    )
    in_dialog, told = call.client.in_dialog, list[object]()

    def glare(request: Request, transaction: object, now: float) -> None:
        call.client.in_dialog = in_dialog
        wire.parties[A].agent.core.respond(transaction, 491, now)  # type: ignore[arg-type]

    call.client.in_dialog = glare
    if change is None:
        wire.run(45)
    else:
        session.change(change, wire.now)
    wire.run(0.1)
    call.client.session.change(HELD, wire.now)
    wire.run(0.1)
    assert session.local == held
    call.server.on_event = told.append
    wire.run(5)
    offered = [message.body for _, host, _, message in wire.trace if host == B and is_invite(message)]
    if change is None:
        assert offered[-1] == held
        assert session.local == held
    else:
        assert len(offered) == 1
        assert told[-1] == Changed(None, 491, "the other side has changed the session meanwhile")


def is_invite(message: Request | Response) -> bool:
    return isinstance(message, Request) and message.method == "INVITE"


def test_a_change_waits_while_theirs_is_not_answered() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.session.change(HELD, wire.now)
    wire.run(0.1)
    call.client.session.change(HELD, wire.now)
    wire.run(1)
    assert len(wire.seen(A, "INVITE")) == 1
    call.client.accept_offer(OFFER, wire.now)
    wire.run(4)
    assert wire.seen(A, "INVITE")[1] >= 0.2 + 2.1


def test_a_side_that_is_busy_for_ever_is_given_up() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.session._status_against = lambda request: 491
    call.client.session.change(HELD, wire.now)
    wire.run(60)
    assert call.here[-1] == Changed(None, 491, "the other side is busy with changes of its own")
    assert len(wire.seen(A, "INVITE")) == 1 + 6


def test_one_change_at_a_time_and_none_before_the_call_is_up() -> None:
    wire = Wire()
    call = Call(wire).start()
    refused = Changed(None, 0, "the call is not up, or being changed")
    call.client.session.change(HELD, wire.now)
    assert call.here[-1] == refused
    call.server.answer(ANSWER, wire.now)
    wire.run(0.1)
    call.client.session.change(HELD, wire.now)
    call.client.session.change(HELD, wire.now)
    assert call.here[-1] == refused
    wire.run(0.1)
    assert len(wire.seen(A, "INVITE")) == 2


def test_a_lost_ack_is_repeated_for_every_200_of_a_reinvite() -> None:
    wire = Wire()
    call = Talk(wire).answered()
    lost: list[object] = []

    def drop(source, message):
        if isinstance(message, Request) and message.method == "ACK" and len(lost) < 3:
            lost.append(message)
            return True
        return False

    wire.drop = drop
    call.client.session.change(HELD, wire.now)
    wire.run(40)
    assert len(wire.seen(A, "ACK")) == 1 + 4
    assert sum(isinstance(event, Changed) for event in call.here) == 1
    assert call.server.phase is Phase.CONFIRMED


def test_a_reinvite_that_nobody_answers_ends_the_call() -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.drop = lambda source, message: source == B
    call.client.session.change(HELD, wire.now)
    wire.run(40)
    assert Ended("network", "no answer", "the session could not be refreshed", 408) in call.here
    assert wire.seen(A, "BYE")


@pytest.mark.faults("F6")
@pytest.mark.parametrize("change", [HELD, None])
def test_a_reinvite_that_is_only_ever_being_tried_is_taken_back_and_the_call_goes_on(change: bytes | None) -> None:
    """RFC 3261 §14.1: no final response is no end of the call; §12.2.1.2: 408, 481 or nothing at all is."""
    wire = Wire()
    call = Talk(wire).answered()

    def trying(request, transaction, now):
        wire.parties[B].agent.core.respond(transaction, 100, now)

    without_update(call)
    before, call.server.in_dialog = call.client.session.local, trying
    if change is None:
        call.client.session._refresh(wire.now)
    else:
        call.client.session.change(change, wire.now)
    wire.run(LIMIT + 1)
    assert wire.seen(A, "CANCEL")
    assert not wire.seen(A, "BYE")
    assert (call.client.phase, call.client.session.local) == (Phase.CONFIRMED, before)
    told = [event for event in call.here if isinstance(event, Changed)]
    assert told == ([] if change is None else [Changed(None, 408, "no final response came, only 100")])
    del call.server.in_dialog
    call.client.session.change(HELD, wire.now)
    wire.run(5)
    assert call.client.session.local == HELD, "the next change is made"


def test_a_challenged_reinvite_is_sent_again_and_its_ack_carries_the_credentials() -> None:
    wire = Wire()
    credentials = Credentials("agent", "s3cret")
    call = Talk(wire, credentials=credentials).answered()
    has_registered(wire.parties[A].agent, credentials, "pbx", B)
    agent, in_dialog = wire.parties[B].agent, call.server.in_dialog
    challenge = (("WWW-Authenticate", 'Digest realm="pbx", nonce="n1", qop="auth", algorithm=SHA-256'),)

    def once(request, transaction, now):
        call.server.in_dialog = in_dialog
        agent.core.respond(transaction, 401, now, headers=challenge)

    call.server.in_dialog = once
    call.client.session.change(HELD, wire.now)
    wire.run(0.2)
    assert isinstance(call.here[-1], Changed)
    assert call.here[-1].sdp == ANSWER
    invites = [m for _, h, _, m in wire.trace if h == A and isinstance(m, Request) and m.method == "INVITE"]
    assert [m.cseq.number - invites[0].cseq.number for m in invites] == [0, 1, 2]
    assert invites[2].body == HELD
    assert wire.last(A, "ACK").headers.get("authorization") == invites[2].headers.get("authorization")
    assert wire.last(A, "ACK").cseq.number == invites[2].cseq.number


def test_the_call_ends_while_a_change_is_under_way() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.client.session.change(HELD, wire.now)
    wire.run(0.1)
    call.server.hangup(wire.now)
    wire.run(0.5)
    assert Changed(None, 0, "the call ended") in call.here
    assert call.here[-1] == Ended("callee", "BYE")
    nothing_left(wire)


def test_a_reinvite_that_is_taken_back_gets_487_and_changes_nothing() -> None:
    wire = Wire()
    call = Call(wire).answered()
    invite = request_in_dialog(call, "INVITE", 20000, OFFER.decode().replace("\r\n", "\n"), "application/sdp")
    wire.send(invite)
    wire.run(0.1)
    head = invite.partition("Contact")[0]
    wire.send(head.replace("INVITE", "CANCEL").replace("z9hG4bKCANCEL", "z9hG4bKINVITE") + "Content-Length: 0\n\n")
    wire.run(0.1)
    assert wire.last(B, 487).cseq.number == 20000
    call.server.accept_offer(ANSWER, wire.now)
    wire.run(0.1)
    answers = [m.status for _, h, _, m in wire.trace if h == B and isinstance(m, Response) and m.cseq.number == 20000]
    assert sorted(set(answers)) == [200, 487], "the 200 is that of CANCEL"
    assert call.server.phase is Phase.CONFIRMED


@pytest.mark.parametrize(("lost", "doubled"), [(0.10, 0.20), (0.0, 1.0)])
@pytest.mark.parametrize("seed", range(15))
def test_hold_and_resume_succeed_whatever_the_network_does(seed: int, lost: float, doubled: float) -> None:
    """10 % of all lost and 20 % doubled, or all doubled, while each side changes the session and refreshes it."""
    wire = Wire(seed=seed, lost=lost, doubled=doubled, session=(A, 90))
    call = Talk(wire)
    call.client.start(wire.now)
    wire.run(8)
    call.server.answer(ANSWER, wire.now)
    wire.run(8)
    for number in range(6):
        ours, told = ((call.client, call.here), (call.server, call.there))[number % 2]
        ours.session.change(HELD if number < 3 else OFFER, wire.now)
        wire.run(30)
        assert isinstance(offers(told)[-1], Changed), offers(told)
    assert call.client.phase is call.server.phase is Phase.CONFIRMED
    assert call.client.session.local == call.server.session.remote
    assert call.client.session.remote == call.server.session.local
    call.client.hangup(wire.now)
    nothing_left(wire)


@pytest.mark.faults("F8")
def test_an_offer_that_nobody_looks_after_is_refused_and_is_told_to_wait_meanwhile() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.client.session.change(HELD, wire.now)
    start = wire.now - 1000
    wire.run(20)
    assert [at - start for at in wire.seen(A, "INVITE")][1:] == pytest.approx([0]), "the 100 ends the resending"
    assert [at - start for at in wire.seen(B, 488)] == pytest.approx([10.21], abs=0.02)
    assert not call.server.accept_offer(ANSWER, wire.now), "it is too late"
    assert call.here[-1] == Changed(None, 488, "Not Acceptable Here")
    assert call.client.phase is call.server.phase is Phase.CONFIRMED
