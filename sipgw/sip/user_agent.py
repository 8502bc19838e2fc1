"""The SIP user agent: bytes and the time go in; events, packets and a deadline come out. Sans-IO.

It joins the parts: transactions are matched here (RFC 3261 §17.1.3, §17.2.3), requests outside dialogs are checked
(§8.2), requests inside dialogs find their call (§12.2.2).
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace

from sipgw.sip.body import plain
from sipgw.sip.checks import CAPABILITIES, Refusal, secure, unusable
from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Dialog, DialogId, Peer, reply_peer, sender_of
from sipgw.sip.dialog_request import DialogRequest, TellFinal
from sipgw.sip.digest import Credentials
from sipgw.sip.environment import Environment, Packet
from sipgw.sip.events import Ended
from sipgw.sip.failover import LIMIT, Failover
from sipgw.sip.invite_dialog import InviteDialog
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.matching import Key, dialog_of, invite_key, merging_key, server_key
from sipgw.sip.message import Request, Response, response_to
from sipgw.sip.parse import ParseError, parsed
from sipgw.sip.reason import reason_text
from sipgw.sip.replaces import Replaceable
from sipgw.sip.retransmitter import Retransmitter
from sipgw.sip.session_timer import too_short
from sipgw.sip.stateless import Stateless
from sipgw.sip.timers import Timers
from sipgw.sip.transaction import INVITE_SERVER, SERVER, Event, State, Tell, Transaction

MAX_TRANSACTIONS = 20_000
"""Beyond this new requests outside dialogs are answered 503 without a transaction."""


class UserAgent:
    """All calls and registrations of one endpoint."""

    def __init__(self, world: Environment, name: str = "sipgw") -> None:
        self.timers = Timers()
        self._world = world
        self._out: deque[Packet] = deque()
        self._servers: dict[Key, Transaction] = {}
        self.clients = ClientTransactions(world, self.timers, self._out.append, name)
        self._calls: dict[DialogId, InviteDialog] = {}
        self._invited: dict[Transaction, InviteServer] = {}
        self._merging: dict[Key, Transaction] = {}
        self._stateless = Stateless(world, self._out.append)
        self._unacked = Retransmitter(self.timers)
        self._replaceable = Replaceable(self._calls)

    # The five verbs

    def receive(self, data: bytes, source: Peer, now: float) -> None:
        """Take one datagram or one message of a stream; never raises."""
        self.receive_message(parsed(data), source, now)

    def receive_message(self, message: Request | Response | ParseError, source: Peer, now: float) -> None:
        """Take what a stream's framer has read."""
        if isinstance(message, Response):
            self._receive_response(message, now)
        elif isinstance(message, Request):
            self._receive_request(message, source, now)
        else:
            self._stateless.malformed(message, source)

    @property
    def counts(self) -> Counter[str]:
        """What was dropped or turned away, by what was wrong with it."""
        return self._stateless.counts

    def to_send(self) -> Iterable[Packet]:
        """Take the packets that are to be sent now."""
        while self._out:
            yield self._out.popleft()

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` has to be called next."""
        return self.timers.deadline

    def handle_timer(self, now: float) -> None:
        """Let the time be `now`."""
        self.timers.run(now)

    @property
    def open(self) -> int:
        """Transactions and calls that are remembered."""
        return len(self._servers) + len(self.clients) + len(self._calls) + len(self._unacked) + len(self._merging)

    @property
    def asking(self) -> bool:
        """Whether a request of ours still waits for its final response."""
        return self.clients.asking

    def knows(self, message: Request | Response) -> bool:
        """Whether a message belongs to a transaction or a call that is here."""
        if isinstance(message, Response):
            return self.clients.knows(message)
        cancelled = message.method == "CANCEL" and invite_key(message) in self._servers
        return cancelled or server_key(message) in self._servers or dialog_of(message) in self._calls

    @property
    def call_ids(self) -> frozenset[str]:
        """The Call-IDs of all that goes on here."""
        answered = (transaction.request.call_id for transaction in self._servers.values())
        return frozenset(answered).union(dialog.call_id for dialog in self._calls)

    @property
    def connections(self) -> frozenset[int]:
        """The connections that calls came in on."""
        return frozenset(usage.dialog.source.connection for usage in self._calls.values() if usage.dialog)

    def uses(self, peer: Peer) -> bool:
        """Whether a call or a request of ours needs the connection to `peer`."""
        sources = (usage.dialog.source for usage in self._calls.values() if usage.dialog)
        called = any(one.connection == peer.connection or one[:3] == peer[:3] for one in sources)
        return called or self.clients.waits_for(peer)

    # What the parts ask for

    @property
    def session_expires(self) -> int:
        """The session interval that our calls ask for, seconds; 0 for none."""
        return self._world.session_expires

    def token(self) -> str:
        """A new tag, branch or Call-ID."""
        return self._world.token()

    def fraction(self) -> float:
        """A random number from 0 to 1."""
        return self._world.fraction()

    def first_number(self) -> int:
        """A CSeq to begin with (RFC 3261 §8.1.1.5)."""
        return 1 + int(self.fraction() * 10_000)

    def contact(self, peer: Peer, user: str = "agent") -> str:
        """Our Contact as `peer` can reach it."""
        return f"<{self.clients.contact(peer, user)}>"

    def start(
        self, request: Request, peer: Peer, tell: Tell, now: float, prefer: Peer | None = None, limit: float = LIMIT
    ) -> Failover:
        """Send a request in new client transactions, one for each address of `peer` until one answers."""
        return self.clients.hunt(request, peer, tell, now, prefer, limit=limit)

    def ping(self, peer: Peer) -> None:
        """Keep the way to `peer` open."""
        self.clients.ping(peer)

    def seen_as(self, peer: Peer, host: str, port: int) -> bool:
        """`peer` has seen us at this address; returns whether that is news."""
        return self._world.seen(peer, host, port)

    def unreachable(self, peer: Peer, cause: str, now: float) -> None:
        """The transport could not send to `peer`."""
        self.clients.unreachable(peer, cause, now)

    def request_in_dialog(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        credentials: Credentials | None = None,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        tell: TellFinal | None = None,
    ) -> None:
        """Send a request inside `dialog`; a challenge is answered once."""
        request = dialog.request(method, self.contact(dialog.next_hop))
        request = replace(request, headers=request.headers.with_(*fields), body=body)
        DialogRequest(self, dialog, request, credentials, tell).send(now)

    def send_ack(self, ack: Request, peer: Peer, now: float) -> None:
        """Send the ACK of a 2xx."""
        self.clients.send_ack(ack, peer, now)

    def confirm(self, usage: InviteDialog, dialog: Dialog | None = None) -> None:
        """Let requests of the other side find the call that its dialog, or its early `dialog`, belongs to."""
        dialog = dialog or usage.dialog
        if dialog is not None:
            self._calls[dialog.id] = usage

    def forget(self, usage: InviteDialog, dialog: Dialog | None = None) -> None:
        """A call, or one of its early dialogs, has ended; what still comes for it is answered 481."""
        dialog = dialog or usage.dialog
        if dialog is not None:
            self._calls.pop(dialog.id, None)
            self._unacked.forget(dialog.id)
            self._replaceable.over(dialog.id)
        if isinstance(usage, InviteServer):
            self._invited.pop(usage.transaction, None)

    def response(
        self,
        transaction: Transaction,
        status: int,
        *,
        reason: str = "",
        tag: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        sdp: bytes = b"",
        contact: bool = False,
    ) -> Response:
        """A response to the request of `transaction`."""
        fields = [*headers]
        if contact:
            request = transaction.request
            ours = self.clients.contact(sender_of(request), "agent", "sips" if secure(request) else "sip")
            fields.append(("Contact", f"<{ours}>"))
            fields += CAPABILITIES
        if status >= 200:
            fields.append(("Server", self.clients.name))
        tag = tag or ("" if status == 100 else self.token())
        return response_to(
            transaction.request,
            status,
            reason,
            to_tag=tag,
            headers=fields,
            body=sdp,
            content_type="application/sdp" if sdp else "",
        )

    def respond(
        self,
        transaction: Transaction,
        status: int,
        now: float,
        *,
        reason: str = "",
        tag: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        contact: bool = False,
    ) -> None:
        """Answer the request of `transaction`."""
        response = self.response(transaction, status, reason=reason, tag=tag, headers=headers, contact=contact)
        transaction.respond(response, now)

    def respond_options(self, transaction: Transaction, now: float) -> None:
        """Tell what we can do (RFC 3261 §11.2)."""
        self.respond(transaction, 200, now, headers=(("Accept", "application/sdp"),), contact=True)

    def resend_until_ack(self, usage: InviteDialog, transaction: Transaction, response: Response, now: float) -> None:
        """Keep sending a 2xx until its ACK; without one the call is ended (RFC 3261 §13.3.1.4)."""
        if usage.dialog is not None:
            ended = Ended("network", "ACK timeout", "the 200 was never acknowledged")
            key = (usage.dialog.id, transaction.request.cseq.number)
            self._unacked.add(key, lambda at: transaction.respond(response, at), lambda at: usage.bye(at, ended), now)

    def awaits_ack(self, usage: InviteDialog) -> bool:
        """Whether a 2xx of `usage` has not been acknowledged yet."""
        return usage.dialog is not None and self._unacked.of(usage.dialog.id)

    # Receiving

    def _receive_response(self, response: Response, now: float) -> None:
        if not (self.clients.knows(response) and self.clients.receive(plain(response), now)):
            self.counts["stray responses"] += 1

    def _receive_request(self, request: Request, source: Peer, now: float) -> None:
        request = request.with_top_via(request.via.with_received(source.host, source.port))
        key = server_key(request)
        transaction = self._servers.get(key)
        if transaction is not None and request.method != "ACK":
            transaction.fire(Event.REQUEST, now)
            return
        if request.method == "ACK":
            if transaction is not None:
                transaction.fire(Event.ACK, now, request)
            else:
                self._acked(request, now)
            return
        usage = self._calls.get(dialog_of(request)) if request.to.tag else None
        cancelled = self._servers.get(invite_key(request)) if request.method == "CANCEL" else None
        room = len(self._servers) < MAX_TRANSACTIONS
        if usage is None and cancelled is None and not self._stateless.admits(request, source, key, now, room=room):
            return
        request = plain(request)
        transaction = self._server(request, source, key)
        try:
            self._serve(request, transaction, source, usage, cancelled, now)
        except Exception:  # who asked is told, and no transaction waits for an answer that nobody will give
            if transaction.running:
                self.respond(transaction, 500, now)
            raise

    def _serve(
        self,
        request: Request,
        transaction: Transaction,
        source: Peer,
        usage: InviteDialog | None,
        cancelled: Transaction | None,
        now: float,
    ) -> None:
        if cancelled is not None:
            self._cancel(cancelled, request, transaction, now)
        elif request.method == "CANCEL":
            self.respond(transaction, 481, now)
        elif usage is not None:
            usage.in_dialog(request, transaction, now)
        elif request.to.tag:
            self.respond(transaction, 481, now)
        else:
            self._outside_dialog(request, transaction, source, now)

    def _server(self, request: Request, source: Peer, key: Key) -> Transaction:
        table = INVITE_SERVER if request.method == "INVITE" else SERVER
        merging = merging_key(request)

        def ended(transaction: Transaction) -> None:
            self._servers.pop(key, None)
            self._invited.pop(transaction, None)
            if self._merging.get(merging) is transaction:
                del self._merging[merging]

        transaction = Transaction(
            table,
            request,
            self.timers,
            lambda message: self._send_response(message, request, source),
            self._acked,
            ended,
            reliable=source.transport != "udp",
        )
        self._servers[key] = transaction
        return transaction

    def _acked(self, ack: Request | Response | None, now: float) -> None:
        """The ACK of a 2xx came, as a request of its own or with the INVITE's branch."""
        if not isinstance(ack, Request):
            return
        dialog = dialog_of(ack)
        usage = self._calls.get(dialog)
        if usage is not None and self._unacked.acked((dialog, ack.cseq.number)):
            usage.acked(plain(ack), now)

    def _cancel(self, invite: Transaction, request: Request, transaction: Transaction, now: float) -> None:
        usage = self._invited.get(invite)
        self.respond(transaction, 200, now, tag=usage.tag if usage else "")
        if invite.state is not State.PROCEEDING:
            return
        if usage is not None:
            usage.cancelled(now, reason_text(request))
        elif (changing := self._calls.get(dialog_of(invite.request))) is not None:
            changing.reject_offer(487, now)  # a re-INVITE

    def _outside_dialog(self, request: Request, transaction: Transaction, source: Peer, now: float) -> None:
        merging = merging_key(request)
        if (earlier := self._merging.get(merging)) is not None and not earlier.refused:
            self.respond(transaction, 482, now)  # §8.2.2.2: the same request by another way
            return
        self._merging[merging] = transaction
        if request.method == "REGISTER" and self._world.register is not None:
            answer = self._world.register(request, source, now)
            self.respond(transaction, answer.status, now, reason=answer.reason, headers=answer.headers)
            return
        refusal = unusable(request) or too_short(request)
        if refusal is not None:
            self.respond(transaction, refusal.status, now, reason=refusal.reason, headers=refusal.headers)
        elif request.method == "OPTIONS":
            self.respond_options(transaction, now)
        elif request.method == "INVITE":
            self._invite(request, transaction, source, now)
        else:
            self.respond(transaction, 481, now)  # BYE, INFO, UPDATE ... belong inside a dialog

    def _invite(self, request: Request, transaction: Transaction, source: Peer, now: float) -> None:
        if request.contact is None and request.contacts.malformed is None:
            self.respond(transaction, 400, now, reason="Bad Request (no Contact)")
            return
        if request.record_routes.malformed:  # what we send in the call would not find its way (§12.1.1)
            self.respond(transaction, 400, now, reason="Bad Request (Record-Route)")
            return
        replaced = self._replaceable.find(request)
        if isinstance(replaced, Refusal):
            self.respond(transaction, replaced.status, now, reason=replaced.reason)
            return
        self.respond(transaction, 100, now)
        usage = InviteServer(self, request, transaction, source, replaced)
        self._invited[transaction] = usage
        self.confirm(usage)
        usage.expire(now)
        self._world.incoming(usage, now)

    # Sending

    def _send_response(self, message: Request | Response, request: Request, source: Peer) -> None:
        self._out.append(Packet(message.to_bytes(), reply_peer(request, source)))
