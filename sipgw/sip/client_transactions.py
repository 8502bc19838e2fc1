"""The client side of all transactions: requests of ours, and the responses to them (RFC 3261 §17.1). Sans-IO."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from itertools import count

from sipgw.sip.auth import Authenticator, Challengers
from sipgw.sip.boundaries import contained
from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.environment import Environment
from sipgw.sip.fields import NameAddr, Via
from sipgw.sip.health import Health
from sipgw.sip.matching import COOKIE
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.output import Packet, Resolve
from sipgw.sip.sdp import addressed
from sipgw.sip.timers import TIMEOUT, Timers
from sipgw.sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    OnMessage,
    Transaction,
    TransactionEvent,
    TransactionState,
    cancel_of,
    event_of,
)
from sipgw.sip.uri import Uri, is_address

PRODUCT = "sipgw"
"""Our name in User-Agent and Server."""
PING = b"\r\n\r\n"
LOCATE_LIMIT = 10.0
"""Seconds after which a lookup without result counts as one that found no address."""

Located = Callable[[tuple[Peer, ...], float], None]
"""Takes the addresses of a peer in the order in which they are tried (empty if none was found), and the time."""


class ClientTransactions:
    """The client side of all transactions. `send` and `resolve` queue what the driver is to do."""

    def __init__(
        self,
        environment: Environment,
        timers: Timers,
        send: Callable[[Packet], None],
        resolve: Callable[[Resolve], None],
    ) -> None:
        self.environment = environment
        self.timers = timers
        self.send = send
        self.health = Health()
        self.pending: set[Hashable] = set()
        """Requests without a final response; each is tried in one transaction or in several (`Failover`)."""
        self.bindings: dict[bytes, Callable[[bytes, float], None]] = {}
        """STUN requests of ours that wait for their response, by transaction; each flow has one at most."""
        self.registrars: dict[tuple[Credentials | None, Uri], Authenticator] = {}
        """Authenticators for each registrar of the configuration, by our credentials there."""
        self._resolve = resolve
        self._lookups: dict[int, Located] = {}
        self._numbers = count(1)
        self._running: dict[tuple[str, str], tuple[Transaction, Peer]] = {}
        self._repeated: set[Transaction] = set()
        """Transactions whose connection was lost, and whose request was sent again over a new one."""

    def __len__(self) -> int:
        return len(self._running) + len(self.pending)

    def contact(self, peer: Peer, user: str = "agent", scheme: str = "sip") -> Uri:
        """The URI under which `peer` can reach us; a `sips` request has a `sips` Contact (RFC 3261 §8.1.1.8)."""
        host, port = self.environment.address(peer)
        if scheme == "sips":
            return Uri("sips", user, host, port)
        params = (("transport", peer.transport),) if peer.transport not in ("", "udp") else ()
        return Uri("sip", user, host, port, params)

    def challengers(self, credentials: Credentials | None) -> Challengers:
        """Realms and servers that have challenged our REGISTER with these credentials."""
        ours = (one.challengers for (used, _), one in self.registrars.items() if used == credentials)
        return frozenset[tuple[str, str]]().union(*ours)

    def first_number(self) -> int:
        """A random CSeq to begin with (RFC 3261 §8.1.1.5)."""
        return 1 + int(self.environment.fraction() * 10_000)

    def locate(self, peer: Peer, located: Located, now: float) -> None:
        """Find the addresses of `peer`, at once if its host is an address; `located` is called exactly once."""
        if peer.transport and peer.transport not in DEFAULT_PORT:
            located((), now)
        elif is_address(peer.host):
            located((peer.completed,), now)
        else:
            number = next(self._numbers)
            self._lookups[number] = located
            self._resolve(Resolve(number, peer))
            self.timers.at(now + LOCATE_LIMIT, lambda at: self.resolved(number, (), at))

    def resolved(self, number: int, hops: tuple[Peer, ...], now: float) -> None:
        """Take the answer to the `Resolve` of this number; an answer after `LOCATE_LIMIT` changes nothing."""
        located = self._lookups.pop(number, None)
        if located is not None:
            located(hops, now)

    def begin(self, request: Request, hop: Peer, on_message: OnMessage, now: float) -> Transaction:
        """Send `request`, which already has its Via, to `hop` in a new client transaction."""
        key = (request.via.branch, request.method)

        def ended(transaction: Transaction) -> None:
            self._running.pop(key, None)
            self._repeated.discard(transaction)

        transaction = Transaction(
            INVITE_CLIENT if request.method == "INVITE" else CLIENT,
            request,
            self.timers,
            lambda message: self.send(Packet(message.to_bytes(), hop)),
            on_message,
            ended,
            reliable=hop.transport != "udp",
        )
        self._running[key] = (transaction, hop)
        transaction.begin(now)
        return transaction

    def cancel(self, transaction: Transaction, hop: Peer, now: float) -> None:
        """Send CANCEL for an INVITE; its transaction ends after `TIMEOUT` even without a response (RFC 3261 §9.1)."""
        self.begin(cancel_of(transaction.request), hop, lambda message, at: None, now)
        self.timers.at(now + TIMEOUT, transaction.give_up)

    def send_ack(self, ack: Request, peer: Peer, now: float) -> None:
        """Send the ACK of a 2xx: outside any transaction, with a branch of its own (RFC 3261 §13.2.2.4)."""

        def located(hops: tuple[Peer, ...], at: float) -> None:
            for hop in self.health.order(hops, at)[:1]:
                self.send(Packet(self.stamped(ack, hop).to_bytes(), hop))

        self.locate(peer, located, now)

    def ping(self, hop: Peer) -> None:
        """Keep the flow to `hop` open (RFC 5626 §3.5.1)."""
        self.send(Packet(PING, hop))

    def receive(self, response: Response, now: float) -> bool:
        """Give a response to its transaction; False if there is none."""
        transaction, _ = self._running.get((response.via.branch, response.cseq.method), (None, None))
        if transaction is not None:
            transaction.fire(event_of(response), now, response)
        return transaction is not None

    def knows(self, response: Response) -> bool:
        """Whether there is a transaction for `response`."""
        return (response.via.branch, response.cseq.method) in self._running

    @property
    def waits_for(self) -> set[Peer]:
        """The peers from which a response is still to come."""
        return {hop for transaction, hop in self._running.values() if transaction.running}

    def unreachable(self, peer: Peer, cause: str, now: float) -> None:
        """The transport cannot reach `peer`: requests to it fail at once (RFC 3261 §17.1.4)."""
        self.health.failed(peer, now)
        for transaction, hop in list(self._running.values()):
            if hop[:3] == peer[:3]:
                with contained("transport error not handled"):
                    transaction.failure = cause
                    transaction.fire(TransactionEvent.UNREACHABLE, now)

    def lost(self, peer: Peer, now: float) -> None:
        """The connection to `peer` is gone; requests on it without any response are sent again over a new connection.

        The server takes the copy for a retransmission. If that connection is lost too, the request fails.
        """
        for transaction, hop in list(self._running.values()):
            ours = hop[:3] == peer[:3] or (hop.connection and hop.connection == peer.connection)
            if not ours or transaction.state not in (TransactionState.CALLING, TransactionState.TRYING):
                continue
            with contained("lost connection not handled"):
                self._lost(transaction, hop, now)

    def _lost(self, transaction: Transaction, hop: Peer, now: float) -> None:
        if transaction not in self._repeated:
            self._repeated.add(transaction)
            transaction.fire(TransactionEvent.RESEND, now)
        else:
            transaction.failure = "connection lost"
            self.health.failed(hop, now)
            transaction.fire(TransactionEvent.UNREACHABLE, now)

    def stamped(self, request: Request, hop: Peer) -> Request:
        """`request` as it is sent to `hop`: a new branch, and the Via and Contact under which `hop` reaches us; in the
        offer of a new call the address of our sound, too."""
        host, port = self.environment.address(hop)
        via = Via(hop.transport.upper(), host, port, (("branch", COOKIE + self.environment.token()), ("rport", None)))
        fields = [("Via", str(via))]
        for name, value in request.headers:
            fields.append((name, self._redirected(request, value, hop) if name == "Contact" else value))
        if request.method != "ACK":
            fields.append(("User-Agent", PRODUCT))
        body = request.body
        if request.method == "INVITE" and request.content_type == "application/sdp" and not request.to.tag:
            body = addressed(body, host)
        return replace(request, headers=Headers(tuple(fields)), body=body)

    def _redirected(self, request: Request, contact: str, hop: Peer) -> str:
        ours = NameAddr.parse(contact)
        # RFC 3261 §8.1.1.8: a request to a `sips` URI, or routed through one, has a `sips` Contact.
        secure = "sips" in (request.uri.scheme, *(route.uri.scheme for route in request.routes[:1]))
        return str(replace(ours, uri=self.contact(hop, ours.uri.user, "sips" if secure else "sip")))
