"""The four transaction machines of RFC 3261 §17 with the Accepted states of RFC 6026, as tables.

You can compare each table with its figure. A missing cell means that the event changes nothing there.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from sipgw.sip.message import Request, Response
from sipgw.sip.timers import T1, T2, T4, TIMEOUT, TIMER_D, Timer, Timers


class TransactionState(Enum):
    """States of all four machines."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    ACCEPTED = "Accepted"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


class TransactionEvent(Enum):
    """Event of a transaction."""

    RESEND = "timer A, E or G"
    TIMEOUT = "timer B, F or H"
    LINGER = "timer D, I, J, K, L or M"
    REQUEST = "the request again"
    ACK = "ACK"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    UNREACHABLE = "transport error"


class TransactionAction(Enum):
    """Action of a transition."""

    SEND = "send what came with the event"
    RESEND = "send the last message again"
    PASS = "pass it to the transaction user"  # noqa: S105
    ACK = "acknowledge a failure"
    GIVE_UP = "tell the transaction user that nobody answered"
    STOP = "stop retransmitting"


Table = dict[tuple[TransactionState, TransactionEvent], tuple[TransactionState, tuple[TransactionAction, ...]]]
S, E = TransactionState, TransactionEvent

INVITE_CLIENT: Table = {  # RFC 3261 figure 5, RFC 6026 figure 1
    (S.CALLING, E.RESEND): (S.CALLING, (TransactionAction.RESEND,)),
    (S.CALLING, E.TIMEOUT): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.CALLING, E.UNREACHABLE): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.CALLING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.STOP, TransactionAction.PASS)),
    (S.CALLING, E.SUCCESS): (S.ACCEPTED, (TransactionAction.STOP, TransactionAction.PASS)),
    (S.CALLING, E.FAILURE): (S.COMPLETED, (TransactionAction.STOP, TransactionAction.ACK, TransactionAction.PASS)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.PASS,)),
    (S.PROCEEDING, E.SUCCESS): (S.ACCEPTED, (TransactionAction.PASS,)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (TransactionAction.ACK, TransactionAction.PASS)),
    (S.COMPLETED, E.FAILURE): (S.COMPLETED, (TransactionAction.ACK,)),
    (S.COMPLETED, E.LINGER): (S.TERMINATED, ()),
    (S.ACCEPTED, E.SUCCESS): (S.ACCEPTED, (TransactionAction.PASS,)),
    (S.ACCEPTED, E.LINGER): (S.TERMINATED, ()),
}
CLIENT: Table = {  # RFC 3261 figure 6
    (S.TRYING, E.RESEND): (S.TRYING, (TransactionAction.RESEND,)),
    (S.TRYING, E.TIMEOUT): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.TRYING, E.UNREACHABLE): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.TRYING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.PASS,)),
    (S.TRYING, E.SUCCESS): (S.COMPLETED, (TransactionAction.STOP, TransactionAction.PASS)),
    (S.TRYING, E.FAILURE): (S.COMPLETED, (TransactionAction.STOP, TransactionAction.PASS)),
    (S.PROCEEDING, E.RESEND): (S.PROCEEDING, (TransactionAction.RESEND,)),
    (S.PROCEEDING, E.TIMEOUT): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.PROCEEDING, E.UNREACHABLE): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.PASS,)),
    (S.PROCEEDING, E.SUCCESS): (S.COMPLETED, (TransactionAction.STOP, TransactionAction.PASS)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (TransactionAction.STOP, TransactionAction.PASS)),
    (S.COMPLETED, E.LINGER): (S.TERMINATED, ()),
}
INVITE_SERVER: Table = {  # RFC 3261 figure 7, RFC 6026 figure 2
    (S.PROCEEDING, E.REQUEST): (S.PROCEEDING, (TransactionAction.RESEND,)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.SEND,)),
    (S.PROCEEDING, E.SUCCESS): (S.ACCEPTED, (TransactionAction.SEND,)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (TransactionAction.SEND,)),
    (S.COMPLETED, E.REQUEST): (S.COMPLETED, (TransactionAction.RESEND,)),
    (S.COMPLETED, E.RESEND): (S.COMPLETED, (TransactionAction.RESEND,)),
    (S.COMPLETED, E.ACK): (S.CONFIRMED, (TransactionAction.STOP,)),
    (S.COMPLETED, E.TIMEOUT): (S.TERMINATED, (TransactionAction.GIVE_UP,)),
    (S.CONFIRMED, E.LINGER): (S.TERMINATED, ()),
    (S.ACCEPTED, E.SUCCESS): (S.ACCEPTED, (TransactionAction.SEND,)),
    (S.ACCEPTED, E.ACK): (S.ACCEPTED, (TransactionAction.PASS,)),
    (S.ACCEPTED, E.LINGER): (S.TERMINATED, ()),
}
SERVER: Table = {  # RFC 3261 figure 8; RFC 4320 §4.1: nothing but 100 before the final response
    (S.TRYING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.SEND,)),
    (S.TRYING, E.SUCCESS): (S.COMPLETED, (TransactionAction.SEND,)),
    (S.TRYING, E.FAILURE): (S.COMPLETED, (TransactionAction.SEND,)),
    (S.PROCEEDING, E.REQUEST): (S.PROCEEDING, (TransactionAction.RESEND,)),
    (S.PROCEEDING, E.PROVISIONAL): (S.PROCEEDING, (TransactionAction.SEND,)),
    (S.PROCEEDING, E.SUCCESS): (S.COMPLETED, (TransactionAction.SEND,)),
    (S.PROCEEDING, E.FAILURE): (S.COMPLETED, (TransactionAction.SEND,)),
    (S.COMPLETED, E.REQUEST): (S.COMPLETED, (TransactionAction.RESEND,)),
    (S.COMPLETED, E.LINGER): (S.TERMINATED, ()),
}


class TransactionTimes(NamedTuple):
    """How long a machine stays in a state, for unreliable and for reliable transports (RFC 3261 table 4)."""

    unreliable: float
    reliable: float


LINGER: dict[tuple[int, TransactionState], TransactionTimes] = {
    (id(INVITE_CLIENT), S.COMPLETED): TransactionTimes(TIMER_D, 0.0),  # D
    (id(INVITE_CLIENT), S.ACCEPTED): TransactionTimes(TIMEOUT, TIMEOUT),  # M
    (id(CLIENT), S.COMPLETED): TransactionTimes(T4, 0.0),  # K
    (id(INVITE_SERVER), S.CONFIRMED): TransactionTimes(T4, 0.0),  # I
    (id(INVITE_SERVER), S.ACCEPTED): TransactionTimes(TIMEOUT, TIMEOUT),  # L
    (id(SERVER), S.COMPLETED): TransactionTimes(TIMEOUT, 0.0),  # J
}

Wire = Callable[[Request | Response], None]
OnMessage = Callable[[Request | Response | None, float], None]
"""Takes a response, an ACK, or None if no response came; and the time."""


class Transaction:
    """One client or server transaction; its table decides which of the four it is."""

    def __init__(
        self,
        table: Table,
        request: Request,
        timers: Timers,
        send: Wire,
        on_message: OnMessage,
        on_end: Callable[["Transaction"], None],
        *,
        reliable: bool,
    ) -> None:
        self.request = request
        self.failure = ""
        """Why the request could not be sent; empty if it could."""
        self.state = {id(INVITE_CLIENT): S.CALLING, id(INVITE_SERVER): S.PROCEEDING}.get(id(table), S.TRYING)
        self._table = table
        self._timers = timers
        self._send = send
        self._on_message = on_message
        self._on_end = on_end
        self._reliable = reliable
        self._last: Request | Response | None = None
        self._running: list[Timer] = []
        self._interval = T1

    def begin(self, now: float) -> None:
        """Send the request (client side)."""
        self._last = self.request
        self._send(self.request)
        self._running.append(self._timers.at(now + TIMEOUT, lambda at: self.fire(E.TIMEOUT, at)))
        self._arm_resend(now)

    def respond(self, response: Response, now: float) -> None:
        """Send a response (server side)."""
        self.fire(event_of(response), now, response)

    def fire(self, event: TransactionEvent, now: float, message: Request | Response | None = None) -> None:
        """Take `event`: go to the next state, and do the actions of the table with `message`."""
        row = self._table.get((self.state, event))
        if row is None:
            return
        before, (self.state, actions) = self.state, row
        for action in actions:
            self._do(action, now, message)
        if self.state is not before:
            self._enter(now)
        elif event is E.RESEND:
            self._interval = min(2 * self._interval, T2) if self._table is not INVITE_CLIENT else 2 * self._interval
            self._arm_resend(now)

    def abandon(self) -> None:
        """End the transaction in any state, without a callback to its user."""
        if self.state is not S.TERMINATED:
            self.state = S.TERMINATED
            self._stop()
            self._on_end(self)

    def give_up(self, now: float) -> None:
        """End the transaction if no final response has passed; its user gets None."""
        if self.running:
            self.abandon()
            self._on_message(None, now)

    @property
    def running(self) -> bool:
        """Whether no final response has passed."""
        return self.state in (S.CALLING, S.TRYING, S.PROCEEDING)

    @property
    def refused(self) -> bool:
        """Whether this is an INVITE that we have refused: a proxy may send it again for another number."""
        return self._table is INVITE_SERVER and self.state in (S.COMPLETED, S.CONFIRMED)

    def _do(self, action: TransactionAction, now: float, message: Request | Response | None) -> None:
        match action:
            case TransactionAction.SEND if message is not None:
                self._last = message
                self._send(message)
            case TransactionAction.RESEND if self._last is not None:
                self._send(self._last)
            case TransactionAction.PASS:
                self._on_message(message, now)
            case TransactionAction.GIVE_UP:
                self._on_message(None, now)
            case TransactionAction.ACK if isinstance(message, Response):
                if self._last is self.request:  # each copy of the response gets the same ACK
                    self._last = ack_of_failure(self.request, message)
                self._do(TransactionAction.RESEND, now, None)
            case TransactionAction.STOP:
                self._stop()

    def _enter(self, now: float) -> None:
        if self.state is S.TERMINATED:
            self._stop()
            self._on_end(self)
            return
        if self._table is INVITE_SERVER and self.state is S.COMPLETED:
            self._running.append(self._timers.at(now + TIMEOUT, lambda at: self.fire(E.TIMEOUT, at)))  # H
            self._arm_resend(now)  # G
        elif self.state is S.ACCEPTED:
            self._last = None  # RFC 6026 §7: the transaction user resends the 2xx
        elif self._table is CLIENT and self.state is S.PROCEEDING:
            self._interval = T2
            return
        linger = LINGER.get((id(self._table), self.state))
        if linger is not None:
            self._stop()
            seconds = linger.reliable if self._reliable else linger.unreliable
            self._running.append(self._timers.at(now + seconds, lambda at: self.fire(E.LINGER, at)))

    def _arm_resend(self, now: float) -> None:
        if not self._reliable:
            self._running.append(self._timers.at(now + self._interval, lambda at: self.fire(E.RESEND, at)))

    def _stop(self) -> None:
        for timer in self._running:
            timer.cancel()
        self._running.clear()


def event_of(response: Response) -> TransactionEvent:
    """The event of the tables that `response` causes."""
    if response.status < 200:
        return E.PROVISIONAL
    return E.SUCCESS if response.status < 300 else E.FAILURE


def ack_of_failure(invite: Request, response: Response) -> Request:
    """The ACK for a 300-699 response: same branch and route as the INVITE (RFC 3261 §17.1.1.3)."""
    kept = [("Via", str(invite.via))]
    kept += [("Route", value) for value in invite.headers.lines("route")]
    kept += [
        ("From", invite.headers.get("from") or ""),
        ("To", response.headers.get("to") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} ACK"),
        ("Max-Forwards", "70"),
    ]
    return Request("ACK", invite.uri, headers=type(invite.headers)(tuple(kept)))


def cancel_of(invite: Request) -> Request:
    """The CANCEL of `invite`, with the branch, route and CSeq number of the INVITE (RFC 3261 §9.1)."""
    kept = [("Via", str(invite.via)), *(("Route", value) for value in invite.headers.lines("route"))]
    kept += [(name, invite.headers.get(name) or "") for name in ("From", "To", "Call-ID")]
    kept += [("CSeq", f"{invite.cseq.number} CANCEL"), ("Max-Forwards", "70")]
    return Request("CANCEL", invite.uri, headers=type(invite.headers)(tuple(kept)))
