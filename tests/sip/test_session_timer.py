# mypy: disable-error-code="assignment, method-assign"
"""Session timers in both roles (RFC 4028), on a wire with a clock of its own."""

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.events import Answered, Ended, Offered, Phase
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.session_timer import SessionExpires, min_se
from tests.sip.test_calls import Call, nothing_left, request_in_dialog
from tests.sip.test_requests import answer_to, ask
from tests.sip.wire import ANSWER, INVITE, OFFER, Wire, in_dialog

A, B = "10.0.0.1", "10.0.0.2"
HOURS = 3 * 3600.0
NO_UPDATE = "INVITE, ACK, CANCEL, BYE"


class Talk(Call):
    """A call whose both ends answer every offer with what they always say."""

    def _came(self, call, now):
        super()._came(call, now)
        self._follow(call, ANSWER, self.there)
        self._follow(self.client, OFFER, self.here)

    def _follow(self, usage, sdp, events):
        def tell(event):
            events.append(event)
            if isinstance(event, Offered):
                usage.accept_offer(sdp, self.wire.now)

        usage.on_event = tell


def without_update(call: Call) -> None:
    """Let neither side know that the other takes UPDATE."""
    for session in (call.client.session, call.server.session):
        session.learn, session._updates = (lambda message: None), False


def refreshes(wire: Wire, source: str, method: str) -> list[float]:
    return [round(at) for at in wire.seen(source, method) if at > 1]


@pytest.mark.parametrize("asking", [A, B], ids=["the caller asks", "the callee asks"])
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_three_hours_of_call_stay_up_by_refreshes(asking: str, method: str) -> None:
    wire = Wire(session=(asking, 1800))
    call = Talk(wire).answered()
    if method == "INVITE":
        without_update(call)
    wire.run(HOURS + 10)
    assert (call.client.phase, call.server.phase) == (Phase.CONFIRMED, Phase.CONFIRMED)
    assert refreshes(wire, asking, method) == [900 * times for times in range(1, 13)]
    other = B if asking == A else A
    assert not refreshes(wire, other, "UPDATE")
    assert not refreshes(wire, other, "INVITE")
    call.client.hangup(wire.now)
    nothing_left(wire)


@pytest.mark.slow
@pytest.mark.parametrize("asking", [A, B], ids=["the caller asks", "the callee asks"])
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_three_hours_with_a_timer_of_90_s_stay_up_though_a_tenth_of_all_messages_is_lost(
    asking: str, method: str
) -> None:
    wire = Wire(session=(asking, 90), lost=0.1, doubled=0.05)
    call = Talk(wire).answered()
    if method == "INVITE":
        without_update(call)
    wire.run(HOURS)
    assert (call.client.phase, call.server.phase) == (Phase.CONFIRMED, Phase.CONFIRMED)
    assert len(set(refreshes(wire, asking, method))) >= HOURS / 45 - 20
    call.client.hangup(wire.now)
    nothing_left(wire)


def test_a_reinvite_that_refreshes_repeats_the_description_byte_for_byte() -> None:
    """§7.4; and the other side's unchanged answer is no news."""
    wire = Wire(session=(B, 90))
    call = Talk(wire).answered()
    without_update(call)
    before = list(call.there)
    wire.run(50)
    again = wire.last(B, "INVITE")
    assert again.body == ANSWER
    assert again.headers.get("session-expires") == "90;refresher=uac"
    assert call.there == before


def test_an_answer_that_differs_is_told() -> None:
    wire = Wire(session=(B, 90))
    call = Talk(wire).answered()
    without_update(call)
    moved = OFFER.replace(b"4000", b"5000")
    call.client.on_event = lambda event: call.client.accept_offer(moved, wire.now)
    wire.run(50)
    assert call.there[-1] == Answered(moved)
    assert call.server.session.remote == moved


@pytest.mark.parametrize("asking", [A, B])
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_lost_refreshes_end_the_call_on_both_sides_before_the_interval_is_over(asking: str, method: str) -> None:
    """§10: BYE min(32, interval/3) seconds before the end, by whoever sees it first."""
    wire = Wire(session=(asking, 90))
    call = Talk(wire).answered()
    if method == "INVITE":
        without_update(call)
    wire.drop = lambda source, message: isinstance(message, Request) and message.method == method
    wire.run(91)
    assert isinstance(call.here[-1], Ended)
    assert isinstance(call.there[-1], Ended)
    both = [*call.here, *call.there]
    assert Ended("network", "session expired", "the session was not refreshed in time", 408) in both
    byes = [message for _, _, _, message in wire.trace if isinstance(message, Request) and message.method == "BYE"]
    assert byes[0].headers.get("reason") == 'SIP;cause=408;text="the session was not refreshed in time"'
    assert min(wire.seen(A, "BYE") + wire.seen(B, "BYE")) == pytest.approx(60, abs=0.2)
    nothing_left(wire)


def test_a_refresh_that_is_never_answered_ends_a_long_session_after_32_s() -> None:
    wire = Wire(session=(A, 1800))
    call = Talk(wire).answered()
    wire.drop = lambda source, message: source == A
    wire.run(940)
    assert call.here[-1] == Ended("network", "no answer", "the session could not be refreshed", 408)
    assert wire.seen(A, "BYE")[0] == pytest.approx(900 + 32, abs=0.2)


def answered_by_hand(wire: Wire, call: Call, status: int, headers: tuple[tuple[str, str], ...] = ()) -> list[str]:
    """Let B's user agent answer each refresh with `status`; returns the list that notes their methods."""
    came: list[str] = []
    agent = wire.parties[B].agent

    def in_dialog(request, transaction, now):
        came.append(request.method)
        agent.core.respond(transaction, status, now, headers=headers)

    call.server.in_dialog = in_dialog
    return came


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_refused_with_408_or_481_ends_the_call(status: int) -> None:
    wire = Wire(session=(A, 90))
    call = Talk(wire).answered()
    came = answered_by_hand(wire, call, status)
    wire.run(46)
    assert call.here[-1] == Ended("network", str(status), "the session could not be refreshed", 408)
    assert came == ["UPDATE", "BYE"]


def test_a_refresh_that_cannot_be_sent_is_tried_again_as_after_a_503() -> None:
    """RFC 3261 §8.1.3.1, RFC 4028 §10."""
    wire = Wire(session=(A, 90))
    call = Talk(wire).answered()
    while not wire.seen(A, "UPDATE"):
        wire.run(0.005)
    wire.parties[A].agent.unreachable(Peer("udp", B, 5060), "connection refused", wire.now)
    wire.run(20)
    assert refreshes(wire, A, "UPDATE") == [45, 55]
    assert call.client.phase is Phase.CONFIRMED


def test_a_refresh_refused_with_491_is_tried_again_after_the_callers_wait() -> None:
    """RFC 3261 §14.1: 2.1 to 4 s for the owner of the Call-ID."""
    wire = Wire(session=(A, 900))
    call = Talk(wire).answered()
    answered_by_hand(wire, call, 491)
    wire.run(452)
    del call.server.in_dialog
    wire.run(10)
    first, second = wire.seen(A, "UPDATE")
    assert 2.1 <= second - first <= 4.1
    wire.run(HOURS)
    assert call.client.phase is Phase.CONFIRMED


def test_a_refresh_refused_for_another_reason_is_tried_again_until_the_interval_ends() -> None:
    wire = Wire(session=(A, 90))
    call = Talk(wire).answered()
    answered_by_hand(wire, call, 503)
    call.server.session.timer.stop()
    wire.run(80)
    assert refreshes(wire, A, "UPDATE") == [45, 55]
    assert call.here[-1] == Ended("network", "session expired", "the session was not refreshed in time", 408)


def test_a_peer_that_does_not_know_update_after_all_is_refreshed_by_reinvite() -> None:
    wire = Wire(session=(A, 90))
    call = Talk(wire).answered()
    came = answered_by_hand(wire, call, 405)
    wire.run(46)
    assert came == ["UPDATE", "INVITE"]


# What the messages say


def asked(extra: str, session: tuple[str, int] = ("", 0)) -> tuple[Wire, Response]:
    """Our 200 to an INVITE with these headers."""
    wire = Wire(B, session=session)
    wire.parties[B].on_call = lambda call, now: call.answer(ANSWER, now)
    wire.send(INVITE.format(call_id="timer").replace("Content-Length", extra + "Content-Length"))
    wire.run(0.1)
    response = wire.last(B, 200)
    assert isinstance(response, Response)
    return wire, response


@pytest.mark.parametrize(
    ("extra", "ours", "expires", "required"),
    [
        ("", 0, None, False),
        ("Supported: timer\n", 0, None, False),
        ("Supported: timer\nSession-Expires: 1800\n", 0, "1800;refresher=uac", True),
        ("k: timer\nx: 1800\n", 0, "1800;refresher=uac", True),
        ("Supported: timer\nSession-Expires: 1800;refresher=uac\n", 0, "1800;refresher=uac", True),
        ("Supported: timer\nSession-Expires: 1800;refresher=uas\n", 0, "1800;refresher=uas", False),
        ("Session-Expires: 1800\n", 0, "1800;refresher=uas", False),  # a proxy asks; the caller cannot
        ("Session-Expires: 10\n", 0, None, False),  # whoever asks for this cannot be told to ask for more
        ("Session-Expires: soon\nSupported: timer\n", 0, None, False),
        ("Session-Expires: 18 00;;=\nSupported: timer\n", 0, None, False),
        ("Supported: timer\n", 600, "600;refresher=uas", False),
        ("Supported: timer\nMin-SE: 1200\n", 600, "1200;refresher=uas", False),
        ("", 600, None, False),
        ("Require: timer\nSupported: timer\nSession-Expires: 90\n", 0, "90;refresher=uac", True),
    ],
)
def test_our_200_decides_as_table_2_says(extra: str, ours: int, expires: str | None, required: bool) -> None:
    _, response = asked(extra, (B, ours))
    assert response.headers.get("session-expires") == expires
    assert ("timer" in response.require) is required
    assert "timer" in response.supported


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_interval_below_ours_is_refused_with_422_and_our_minimum(method: str) -> None:
    extra = "Supported: timer\nSession-Expires: 89\n"
    if method == "INVITE":
        response = answer_to(ask("INVITE", extra=extra))
    else:
        wire = Wire()
        call = Call(wire).answered()
        wire.send(request_in_dialog(call, "UPDATE", 20000, extra=extra))
        wire.run(0.1)
        response = wire.last(B, 422)
    assert (response.status, response.headers.get("min-se")) == (422, "90")


def test_a_session_that_the_caller_should_refresh_and_does_not_is_ended() -> None:
    wire, _ = asked("Supported: timer\nSession-Expires: 90\n")
    call = wire.parties[B].calls[0]
    wire.send(in_dialog("ACK", 1, "timer", call.tag))
    wire.run(40)
    wire.send(in_dialog("UPDATE", 2, "timer", call.tag).replace("Event", "Supported: timer\nSession-Expires: 90\nX"))
    wire.run(58)
    assert not wire.seen(B, "BYE")
    wire.run(4)
    assert wire.seen(B, "BYE")[0] == pytest.approx(100, abs=0.2)


def test_a_refresh_without_session_expires_from_one_who_knows_timers_keeps_the_roles() -> None:
    wire = Wire(session=(A, 600))
    call = Talk(wire).answered()
    wire.send(request_in_dialog(call, "UPDATE", 20000, extra="Supported: timer\n"))
    wire.run(0.1)
    assert wire.last(B, 200).headers.get("session-expires") == "600;refresher=uac"
    wire.send(request_in_dialog(call, "UPDATE", 20001))
    wire.run(0.1)
    assert wire.last(B, 200).headers.get("session-expires") is None, "§9: no timer from now on"
    assert call.server.session.timer.interval == 0


def test_our_invite_asks_again_with_the_minimum_that_a_422_tells() -> None:
    wire = Wire(session=(A, 90))
    call = Talk(wire)
    refused: list[Request] = []
    agent = wire.parties[B].agent
    invite = agent._invite

    def first_422(request, transaction, source, now):
        if len(refused) < 2:
            refused.append(request)
            agent.core.respond(transaction, 422, now, headers=(("Min-SE", str(300 * len(refused))),))
        else:
            invite(request, transaction, source, now)

    agent._invite = first_422
    call.client.start(wire.now)
    wire.run(0.2)
    tries = [m for _, host, _, m in wire.trace if host == A and isinstance(m, Request) and m.method == "INVITE"]
    said = [(m.headers.get("session-expires"), m.headers.get("min-se")) for m in tries]
    assert said == [("90", None), ("300", "300"), ("600", "600")]
    assert [m.cseq.number - tries[0].cseq.number for m in tries] == [0, 1, 2]
    call.server.answer(ANSWER, wire.now)
    wire.run(HOURS)
    assert call.client.phase is Phase.CONFIRMED
    assert refreshes(wire, A, "UPDATE")[0] == 300


@pytest.mark.parametrize("minimum", ["", "90", "many", "99999999999"])
def test_a_422_that_asks_for_nothing_more_ends_the_call(minimum: str) -> None:
    wire = Wire(session=(A, 90))
    call = Call(wire).start()
    call.server.reject(422, wire.now, headers=(("Min-SE", minimum),))
    wire.run(1)
    assert isinstance(call.here[-1], Ended)
    assert call.here[-1].status == 422
    assert len(wire.seen(A, "INVITE")) == 1


@pytest.mark.parametrize("refreshing", [False, True])
def test_who_always_wants_more_is_not_asked_for_ever(refreshing: bool) -> None:
    wire = Wire(session=(A, 90))
    call = Talk(wire)
    asked: list[int] = []
    agent = wire.parties[B].agent

    def more(request, transaction, now):
        asked.append(SessionExpires.of(request).seconds)  # type: ignore[union-attr]
        agent.core.respond(transaction, 422, now, headers=(("Min-SE", str(asked[-1] + 1)),))

    if refreshing:
        call.answered()
        call.server.in_dialog = more
        call.server.session.timer.stop()
    else:
        agent._invite = lambda request, transaction, source, now: more(request, transaction, now)
        call.client.start(wire.now)
    wire.run(50)
    assert asked == [90, 91, 92, 93, 94, 95]


def test_without_being_told_to_we_ask_for_no_timer_but_offer_to_keep_one() -> None:
    wire = Wire()
    call = Call(wire).answered()
    assert isinstance(call.client, InviteClient)
    invite = wire.last(A, "INVITE")
    assert "timer" in invite.supported
    assert invite.headers.get("session-expires") is None
    assert call.client.session.timer.interval == 0


def test_a_2xx_that_grants_next_to_nothing_does_not_make_us_flood() -> None:
    wire = Wire(session=(A, 90))
    call = Talk(wire)
    call.client.start(wire.now)
    wire.drop = lambda source, message: isinstance(message, Response) and message.status == 200
    wire.run(0.1)
    call.server.answer(ANSWER, wire.now)
    wire.run(0.01)
    hostile = wire.last(B, 200).to_bytes().replace(b"Session-Expires: 90", b"Session-Expires: 1")
    wire.send(hostile, B, A)
    wire.drop = lambda source, message: False
    wire.run(40)
    assert not wire.seen(A, "UPDATE")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1800", SessionExpires(1800)),
        ("1800;refresher=UAS", SessionExpires(1800, "uas")),
        ("1800 ; refresher=uac;x=y", SessionExpires(1800, "uac")),
        ("1800;refresher=me", SessionExpires(1800)),
        ("0", None),
        ("-5", None),
        ("1e3", None),
        ('18"00', None),
        ("9" * 30, None),
    ],
)
def test_the_header(text: str, value: SessionExpires | None) -> None:
    message = Response(200, headers=Headers((("Session-Expires", text), ("Min-SE", text))))
    assert SessionExpires.of(message) == value
    assert min_se(message) == (value.seconds if value else 0)
