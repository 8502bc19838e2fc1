"""The transaction machines beside their figures: RFC 3261 figures 5-8, RFC 6026 figures 1 and 2."""

import pytest

from sipgw.sip.message import Headers, Request, Response, response_to
from sipgw.sip.timers import Timers
from sipgw.sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    Table,
    Transaction,
    TransactionAction,
    TransactionEvent,
    TransactionState,
)
from sipgw.sip.uri import Uri

# Written from the figures, not from the code: "state | event | next state | actions".
FIGURE_5 = """
Calling    | timer A, E or G          | Calling    | resend
Calling    | timer B, F or H          | Terminated | give up
Calling    | transport error          | Terminated | give up
Calling    | 1xx                      | Proceeding | stop, pass
Calling    | 2xx                      | Accepted   | stop, pass
Calling    | 300-699                  | Completed  | stop, ack, pass
Proceeding | 1xx                      | Proceeding | pass
Proceeding | 2xx                      | Accepted   | pass
Proceeding | 300-699                  | Completed  | ack, pass
Completed  | 300-699                  | Completed  | ack
Completed  | timer D, I, J, K, L or M | Terminated |
Accepted   | 2xx                      | Accepted   | pass
Accepted   | timer D, I, J, K, L or M | Terminated |
"""
FIGURE_6 = """
Trying     | timer A, E or G          | Trying     | resend
Trying     | timer B, F or H          | Terminated | give up
Trying     | transport error          | Terminated | give up
Trying     | 1xx                      | Proceeding | pass
Trying     | 2xx                      | Completed  | stop, pass
Trying     | 300-699                  | Completed  | stop, pass
Proceeding | timer A, E or G          | Proceeding | resend
Proceeding | timer B, F or H          | Terminated | give up
Proceeding | transport error          | Terminated | give up
Proceeding | 1xx                      | Proceeding | pass
Proceeding | 2xx                      | Completed  | stop, pass
Proceeding | 300-699                  | Completed  | stop, pass
Completed  | timer D, I, J, K, L or M | Terminated |
"""
FIGURE_7 = """
Proceeding | the request again        | Proceeding | resend
Proceeding | 1xx                      | Proceeding | send
Proceeding | 2xx                      | Accepted   | send
Proceeding | 300-699                  | Completed  | send
Completed  | the request again        | Completed  | resend
Completed  | timer A, E or G          | Completed  | resend
Completed  | ACK                      | Confirmed  | stop
Completed  | timer B, F or H          | Terminated | give up
Confirmed  | timer D, I, J, K, L or M | Terminated |
Accepted   | 2xx                      | Accepted   | send
Accepted   | ACK                      | Accepted   | pass
Accepted   | timer D, I, J, K, L or M | Terminated |
"""
FIGURE_8 = """
Trying     | 1xx                      | Proceeding | send
Trying     | 2xx                      | Completed  | send
Trying     | 300-699                  | Completed  | send
Proceeding | the request again        | Proceeding | resend
Proceeding | 1xx                      | Proceeding | send
Proceeding | 2xx                      | Completed  | send
Proceeding | 300-699                  | Completed  | send
Completed  | the request again        | Completed  | resend
Completed  | timer D, I, J, K, L or M | Terminated |
"""
WORDS = {
    TransactionAction.SEND: "send",
    TransactionAction.RESEND: "resend",
    TransactionAction.PASS: "pass",
    TransactionAction.ACK: "ack",
    TransactionAction.GIVE_UP: "give up",
    TransactionAction.STOP: "stop",
}


@pytest.mark.parametrize(
    ("table", "figure"),
    [(INVITE_CLIENT, FIGURE_5), (CLIENT, FIGURE_6), (INVITE_SERVER, FIGURE_7), (SERVER, FIGURE_8)],
    ids=["INVITE client", "client", "INVITE server", "server"],
)
def test_the_table_is_the_figure(table: Table, figure: str) -> None:
    drawn = {tuple(cell.strip() for cell in line.split("|")) for line in figure.strip().splitlines()}
    coded = {
        (state.value, event.value, after.value, ", ".join(WORDS[action] for action in actions))
        for (state, event), (after, actions) in table.items()
    }
    assert coded == drawn


class Machine:
    """One transaction on a clock of its own, and what it did."""

    def __init__(self, table: Table, *, reliable: bool = False) -> None:
        method = "INVITE" if table in (INVITE_CLIENT, INVITE_SERVER) else "BYE"
        fields = (
            ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx"),
            ("Route", "<sip:10.0.0.9;lr>"),
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", "c"),
            ("CSeq", f"7 {method}"),
        )
        self.request = Request(method, Uri.parse("sip:b@h"), headers=Headers(fields))
        self.timers = Timers()
        self.sent: list[tuple[float, Request | Response]] = []
        self.told: list[object] = []
        self.ended: list[float] = []
        self.now = 0.0
        self.machine = Transaction(
            table,
            self.request,
            self.timers,
            lambda message: self.sent.append((self.now, message)),
            lambda message, now: self.told.append(message),
            lambda machine: self.ended.append(self.now),
            reliable=reliable,
        )

    def until(self, now: float) -> "Machine":
        while (deadline := self.timers.deadline) is not None and deadline <= now:
            self.now = deadline
            self.timers.run(deadline)
        self.now = now
        return self

    def response(self, status: int) -> Response:
        return response_to(self.request, status, to_tag="2")

    def times(self) -> list[float]:
        return [at for at, _ in self.sent]


CLIENTS = [INVITE_CLIENT, CLIENT]
SERVERS = [INVITE_SERVER, SERVER]
TIMETABLE = {
    id(INVITE_CLIENT): [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5],
    id(CLIENT): [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5],
}


@pytest.mark.parametrize("table", CLIENTS, ids=["INVITE", "other"])
def test_a_request_is_resent_and_given_up_after_32_s(table: Table) -> None:
    one = Machine(table)
    one.machine.begin(0)
    one.until(100)
    assert one.times() == TIMETABLE[id(table)]
    assert one.told == [None]
    assert one.ended == [32]


@pytest.mark.parametrize("table", CLIENTS, ids=["INVITE", "other"])
def test_on_a_stream_nothing_is_resent_but_the_limit_stands(table: Table) -> None:
    one = Machine(table, reliable=True)
    one.machine.begin(0)
    one.until(100)
    assert one.times() == [0]
    assert one.ended == [32]


def test_a_provisional_response_ends_the_resending_of_invite_and_its_limit() -> None:
    one = Machine(INVITE_CLIENT)
    one.machine.begin(0)
    one.until(1).machine.fire(TransactionEvent.PROVISIONAL, 1, one.response(180))
    one.until(10_000)
    assert one.times() == [0, 0.5]
    assert one.machine.state is TransactionState.PROCEEDING


def test_after_a_provisional_response_other_requests_are_resent_every_4_s() -> None:
    one = Machine(CLIENT)
    one.machine.begin(0)
    one.until(0.6).machine.fire(TransactionEvent.PROVISIONAL, 0.6, one.response(100))
    one.until(40)
    assert one.times() == [0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert one.told[-1] is None
    assert one.ended == [32]


@pytest.mark.parametrize(
    ("table", "event", "status", "unreliable", "reliable"),
    [
        (INVITE_CLIENT, TransactionEvent.FAILURE, 486, 32, 0),  # D
        (INVITE_CLIENT, TransactionEvent.SUCCESS, 200, 32, 32),  # M
        (CLIENT, TransactionEvent.SUCCESS, 200, 5, 0),  # K
        (CLIENT, TransactionEvent.FAILURE, 481, 5, 0),  # K
        (INVITE_SERVER, TransactionEvent.SUCCESS, 200, 32, 32),  # L
        (SERVER, TransactionEvent.SUCCESS, 200, 32, 0),  # J
    ],
)
def test_how_long_a_machine_stays_after_the_final_response(
    table: Table, event: TransactionEvent, status: int, unreliable: float, reliable: float
) -> None:
    for seconds, stream in ((unreliable, False), (reliable, True)):
        one = Machine(table, reliable=stream)
        if table in CLIENTS:
            one.machine.begin(0)
        one.until(1).machine.fire(event, 1, one.response(status))
        one.until(100)
        assert one.ended == [1 + seconds]
        assert len(one.timers) == 0


def test_the_ack_of_a_failure_has_the_branch_and_route_of_its_invite_and_is_repeated() -> None:
    """§17.1.1.3; the transaction user hears of the failure once."""
    one = Machine(INVITE_CLIENT)
    one.machine.begin(0)
    for at in (1, 1.5, 2.5):
        one.until(at).machine.fire(TransactionEvent.FAILURE, at, one.response(486))
    acks = [message for _, message in one.sent if isinstance(message, Request) and message.method == "ACK"]
    assert len(acks) == 3
    assert len(one.told) == 1
    assert str(acks[0].via) == str(one.request.via)
    assert acks[0].headers.all("route") == ["<sip:10.0.0.9;lr>"]
    assert (acks[0].cseq.number, acks[0].to.tag) == (7, "2")


def test_a_refusal_is_resent_until_its_ack() -> None:
    one = Machine(INVITE_SERVER)
    one.machine.respond(one.response(486), 0)
    one.until(5).machine.fire(TransactionEvent.ACK, 5)
    one.until(100)
    assert one.times() == [0, 0.5, 1.5, 3.5]
    assert one.ended == [10], "timer I: T4 after the ACK"


def test_a_refusal_without_ack_is_given_up_after_32_s() -> None:
    one = Machine(INVITE_SERVER)
    one.machine.respond(one.response(486), 0)
    one.until(100)
    assert one.times() == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert one.told == [None]
    assert one.ended == [32]


def test_on_a_stream_a_refusal_is_sent_once() -> None:
    one = Machine(INVITE_SERVER, reliable=True)
    one.machine.respond(one.response(486), 0)
    one.until(100)
    assert one.times() == [0]


@pytest.mark.parametrize("table", SERVERS, ids=["INVITE", "other"])
def test_a_request_again_gets_the_last_response_again(table: Table) -> None:
    one = Machine(table)
    one.machine.respond(one.response(100), 0)
    one.machine.fire(TransactionEvent.REQUEST, 0.1)
    assert [message.status for _, message in one.sent] == [100, 100]  # type: ignore[union-attr]


def test_invite_again_after_the_2xx_is_absorbed() -> None:
    """RFC 6026: the 2xx is the transaction user's to resend."""
    one = Machine(INVITE_SERVER)
    one.machine.respond(one.response(200), 0)
    one.machine.fire(TransactionEvent.REQUEST, 0.4)
    assert len(one.sent) == 1
    assert one.machine.state is TransactionState.ACCEPTED


@pytest.mark.parametrize("table", [INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER])
@pytest.mark.parametrize("event", list(TransactionEvent))
def test_nothing_happens_to_a_machine_that_has_ended(table: Table, event: TransactionEvent) -> None:
    one = Machine(table)
    one.machine.abandon()
    one.machine.fire(event, 1, one.response(200))
    one.machine.abandon()
    one.until(100)
    assert (one.sent, one.told, one.ended) == ([], [], [0])
