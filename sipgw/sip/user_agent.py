"""The SIP user agent: bytes and the time go in; packets, events and a deadline come out. Sans-IO.

Messages find their transaction (RFC 3261 §17.1.3, §17.2.3), requests outside dialogs are checked (§8.2), and requests
inside dialogs find their call (§12.2.2). The calls depend on `Core` and not on this module.
"""

from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from sipgw.sip.body import plain
from sipgw.sip.checks import Refusal, unusable
from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.connection_key import Needed
from sipgw.sip.core import ACCEPTED, Core
from sipgw.sip.dialog import DialogId, Peer, reply_peer
from sipgw.sip.dialogs import DialogUsage
from sipgw.sip.environment import Environment
from sipgw.sip.fields import FieldError
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.matching import Key, dialog_of, invite_key, merging_key, server_key, stateless_tag
from sipgw.sip.message import Request, Response
from sipgw.sip.output import Packet, RegisterReceived, Resolve, Unjudged
from sipgw.sip.parse import ParseError, parsed
from sipgw.sip.reason import cause_of, reason_text
from sipgw.sip.registrar import RegisterResponse
from sipgw.sip.session_timer import too_short
from sipgw.sip.stateless import BUSY, Stateless
from sipgw.sip.transaction import INVITE_SERVER, SERVER, Transaction, TransactionEvent, TransactionState

MAX_TRANSACTIONS = 20_000
"""Server transactions; with so many, new requests outside dialogs are answered 503 without a transaction."""
MAX_OF_ONE_DIALOG = 200
"""Server transactions of one dialog; with so many, its requests except BYE are answered 503 without a transaction."""


class IncomingCall(NamedTuple):
    """A call has come in. It rings until the driver answers or refuses it."""

    call: InviteServer


AgentEvent = Resolve | Unjudged | RegisterReceived | IncomingCall


class UserAgent:
    """All calls and registrations of one endpoint."""

    def __init__(self, environment: Environment) -> None:
        self._packets: deque[Packet] = deque()
        self._events: deque[AgentEvent] = deque()
        self.core = Core(environment, self._packets.append, self._events.append)
        self._servers: dict[Key, Transaction] = {}
        self._invited: dict[Transaction, InviteServer] = {}
        self._merging: dict[Key, Transaction] = {}
        self._inside: Counter[DialogId] = Counter()
        """How many server transactions each dialog has."""
        self._stateless = Stateless(self._packets.append)

    # Input and output

    def receive(self, data: bytes, source: Peer, now: float) -> None:
        """Take one datagram or one message of a stream; never raises."""
        self.receive_message(parsed(data), source, now)

    def receive_message(self, message: Request | Response | ParseError, source: Peer, now: float) -> None:
        """Take a message that was read from a stream, or the error in it."""
        if isinstance(message, Response):
            self._receive_response(message, now)
        elif isinstance(message, Request):
            self._receive_request(message, source, now)
        else:
            self.counts["malformed"] += 1
            if (request := message.message) is not None and request.method != "ACK":
                with suppress(FieldError):  # the other side knows its Via, even if we cannot read it
                    request = request.with_top_via(request.via.with_received(source.host, source.port))
                self._events.append(Unjudged(request, source, message))

    def judged(self, event: Unjudged, refusal: Refusal | None, now: float) -> None:
        """Take the driver's verdict on a request; None admits it."""
        request, source, error = event
        if error is not None:
            self._stateless.malformed(event, refusal)
        elif not self._found(request, source, now):  # a copy may have been judged before
            key = server_key(request)
            if refusal is None and len(self._servers) >= MAX_TRANSACTIONS:
                self.counts["no room for a transaction"] += 1
                refusal = BUSY
            if self._stateless.admits(request, source, key, refusal, now):
                self._begin(request, source, None, None, now)

    def respond_register(self, event: RegisterReceived, answer: RegisterResponse, now: float) -> None:
        """Send the registrar's response to a REGISTER."""
        if answer.status == 200:  # a copy must not be served again: its CSeq is used up (§10.3)
            self.core.respond(event.transaction, answer.status, now, reason=answer.reason, headers=answer.headers)
        else:
            self._answer(event.transaction, Refusal(*answer), now)

    def resolved(self, number: int, hops: tuple[Peer, ...], now: float) -> None:
        """Take the addresses that the `Resolve` of this number asked for, best first; empty if there is none."""
        self.clients.resolved(number, hops, now)

    def unreachable(self, peer: Peer, cause: str, now: float) -> None:
        """Note that the driver could not send to `peer`, or not connect to it, because of `cause`."""
        self.clients.unreachable(peer, cause, now)

    def next_event(self) -> AgentEvent | None:
        """Take the next event, or None. Events of one call go to its `on_event` instead."""
        return self._events.popleft() if self._events else None

    def to_send(self) -> Iterable[Packet]:
        """Take the packets that are to be sent now."""
        while self._packets:
            yield self._packets.popleft()

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` has to be called next."""
        return self.core.timers.deadline

    def handle_timer(self, now: float) -> None:
        """Do what is due at the time `now`."""
        self.core.timers.run(now)

    # State

    @property
    def clients(self) -> ClientTransactions:
        """The client side of all transactions."""
        return self.core.clients

    @property
    def counts(self) -> Counter[str]:
        """How many messages were dropped or refused, by the cause."""
        return self._stateless.counts

    @property
    def open(self) -> int:
        """The number of transactions and calls that are remembered."""
        return len(self._servers) + len(self.clients) + len(self.core.dialogs) + len(self._merging)

    @property
    def waiting(self) -> bool:
        """Whether a request of ours has no final response yet."""
        return bool(self.clients.pending)

    def knows(self, message: Request | Response) -> bool:
        """Whether a message belongs to a transaction or a call of this user agent."""
        if isinstance(message, Response):
            return self.clients.knows(message)
        cancelled = message.method == "CANCEL" and invite_key(message) in self._servers
        return cancelled or server_key(message) in self._servers or dialog_of(message) in self.core.dialogs

    @property
    def call_ids(self) -> frozenset[str]:
        """The Call-IDs of all server transactions and calls."""
        answered = (transaction.request.call_id for transaction in self._servers.values())
        return self.core.dialogs.call_ids.union(answered)

    @property
    def connections(self) -> frozenset[int]:
        """The numbers of the connections that calls came in on."""
        return frozenset(source.connection for source in self.core.dialogs.sources)

    @property
    def needed(self) -> Needed:
        """The connections that a call or a request of ours needs."""
        called = set(self.core.dialogs.sources)
        return Needed(self.connections, frozenset(peer[:3] for peer in called | self.clients.waits_for))

    # Receiving

    def _receive_response(self, response: Response, now: float) -> None:
        if not (self.clients.knows(response) and self.clients.receive(plain(response), now)):
            self.counts["stray responses"] += 1

    def _receive_request(self, request: Request, source: Peer, now: float) -> None:
        request = request.with_top_via(request.via.with_received(source.host, source.port))
        if not self._found(request, source, now):
            self._events.append(Unjudged(request, source))

    def _found(self, request: Request, source: Peer, now: float) -> bool:
        """Give a request to its transaction or its call, or answer a copy of a refused one; False for any other."""
        key = server_key(request)
        transaction = self._servers.get(key)
        if request.method == "ACK":
            if transaction is not None:
                transaction.fire(TransactionEvent.ACK, now, request)
            else:
                self._acked(request, now)
            return True
        if transaction is not None:
            transaction.fire(TransactionEvent.REQUEST, now)
            return True
        usage = self.core.dialogs.get(dialog_of(request)) if request.to.tag else None
        cancelled = self._servers.get(invite_key(request)) if request.method == "CANCEL" else None
        if usage is None and cancelled is None:
            return self._stateless.repeated(request, source, key, now)
        if usage is not None and request.method != "BYE" and self._inside[dialog_of(request)] >= MAX_OF_ONE_DIALOG:
            self.counts["no room for a transaction"] += 1
            self._stateless.refuse(request, source, BUSY)
            return True
        self._begin(request, source, usage, cancelled, now)
        return True

    def _begin(
        self, request: Request, source: Peer, usage: DialogUsage | None, cancelled: Transaction | None, now: float
    ) -> None:
        """Make a transaction, and serve the request in it."""
        request = plain(request)
        transaction = self._server(request, source, server_key(request))
        try:
            self._serve(request, transaction, source, usage, cancelled, now)
        except Exception:  # the sender gets a response, and no transaction waits for one for ever
            if transaction.running:
                self.core.respond(transaction, 500, now)
            raise

    def _serve(
        self,
        request: Request,
        transaction: Transaction,
        source: Peer,
        usage: DialogUsage | None,
        cancelled: Transaction | None,
        now: float,
    ) -> None:
        if cancelled is not None:
            self._cancel(cancelled, request, transaction, now)
        elif request.method == "CANCEL":
            self._answer(transaction, Refusal(481), now)
        elif usage is not None:
            dialog = usage.dialog
            usage.in_dialog(request, transaction, now)
            newest = dialog is not None and dialog.remote_number == request.cseq.number
            if dialog is not None and newest and request.method in ("INVITE", "UPDATE"):
                dialog.follow(source)
        elif request.to.tag:
            self._answer(transaction, Refusal(481), now)
        else:
            self._outside_dialog(request, transaction, source, now)

    def _server(self, request: Request, source: Peer, key: Key) -> Transaction:
        merging, dialog = merging_key(request), dialog_of(request)

        def ended(transaction: Transaction) -> None:
            self._servers.pop(key, None)
            self._inside[dialog] -= 1
            if not self._inside[dialog]:
                del self._inside[dialog]
            self._invited.pop(transaction, None)
            if self._merging.get(merging) is transaction:
                del self._merging[merging]

        transaction = Transaction(
            INVITE_SERVER if request.method == "INVITE" else SERVER,
            request,
            self.core.timers,
            lambda message: self._packets.append(Packet(message.to_bytes(), reply_peer(request, source))),
            self._acked,
            ended,
            reliable=source.transport != "udp",
        )
        self._servers[key] = transaction
        self._inside[dialog] += 1
        return transaction

    def _answer(self, transaction: Transaction, answer: Refusal, now: float, *, contact: bool = False) -> None:
        """Answer a request outside all dialogs, and forget it unless an ACK follows.

        A copy of it is answered again, in the same way (§8.2.7). If we remembered it, a flood of OPTIONS would leave no
        room for calls.
        """
        tag = stateless_tag(transaction.request)
        self.core.respond(
            transaction, answer.status, now, reason=answer.reason, tag=tag, headers=answer.headers, contact=contact
        )
        if transaction.request.method != "INVITE":
            transaction.abandon()

    def _acked(self, ack: Request | Response | None, now: float) -> None:
        """Take the ACK of a 2xx, which came as a request of its own or with the INVITE's branch."""
        usage = self.core.dialogs.acknowledged(ack) if isinstance(ack, Request) else None
        if usage is not None and isinstance(ack, Request):
            usage.acked(plain(ack), now)

    def _cancel(self, invite: Transaction, request: Request, transaction: Transaction, now: float) -> None:
        call = self._invited.get(invite)
        self.core.respond(transaction, 200, now, tag=call.tag if call else "")
        if invite.state is not TransactionState.PROCEEDING:
            return
        if call is not None:
            call.cancelled(now, reason_text(request), cause_of(request))
        elif (changing := self.core.dialogs.get(dialog_of(invite.request))) is not None:
            changing.reject_offer(487, now)  # a re-INVITE

    def _outside_dialog(self, request: Request, transaction: Transaction, source: Peer, now: float) -> None:
        merging = merging_key(request)
        if (earlier := self._merging.get(merging)) is not None and not earlier.refused:
            self._answer(transaction, Refusal(482), now)  # §8.2.2.2: the same request over another path
            return
        self._merging[merging] = transaction
        if request.method == "REGISTER":
            self._events.append(RegisterReceived(request, source, transaction))
            return
        refusal = unusable(request) or too_short(request)
        if refusal is not None:
            self._answer(transaction, refusal, now)
        elif request.method == "OPTIONS":
            self._answer(transaction, Refusal(200, headers=ACCEPTED), now, contact=True)
        elif request.method == "INVITE":
            self._invite(request, transaction, source, now)
        else:
            self._answer(transaction, Refusal(481), now)  # BYE, INFO, UPDATE ... belong inside a dialog

    def _invite(self, request: Request, transaction: Transaction, source: Peer, now: float) -> None:
        if request.contact is None and request.contacts.malformed is None:
            self.core.respond(transaction, 400, now, reason="Bad Request (no Contact)")
            return
        if request.record_routes.malformed:  # our requests inside the dialog would not find their way (§12.1.1)
            self.core.respond(transaction, 400, now, reason="Bad Request (Record-Route)")
            return
        replaced = self.core.dialogs.find_replaced(request)
        if isinstance(replaced, Refusal):
            self.core.respond(transaction, replaced.status, now, reason=replaced.reason)
            return
        self.core.respond(transaction, 100, now)
        call = InviteServer(self.core, request, transaction, source, replaced)
        self._invited[transaction] = call
        call.begin(now)
        self._events.append(IncomingCall(call))
