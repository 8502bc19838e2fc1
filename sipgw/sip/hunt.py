"""Requests of ours on their way to one address after the other (RFC 3263 §4.3). Sans-IO."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.fields import NameAddr, Via
from sipgw.sip.health import Health
from sipgw.sip.matching import COOKIE
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.surroundings import Located, Packet, Surroundings
from sipgw.sip.timers import Timer, Timers
from sipgw.sip.transaction import CLIENT, INVITE_CLIENT, Event, State, Tell, Transaction, cancel_of, event_of
from sipgw.sip.uri import Uri

PATIENCE = 4.0
"""Seconds without any response after which the next address is tried."""
IMPATIENT = frozenset({"INVITE", "REGISTER", "OPTIONS", "BYE"})
"""Methods that are tried elsewhere after a silence; others may be answered late, and must not be done twice."""
PING = b"\r\n\r\n"
NO_ANSWER = "no answer"
LARGEST_DATAGRAM = 1300
"""Bytes of a request over UDP; a larger one goes over TCP (RFC 3261 §18.1.1)."""


class Clients:
    """The client side of all transactions."""

    def __init__(self, world: Surroundings, timers: Timers, send: Callable[[Packet], None], name: str) -> None:
        self.health = Health()
        self._world = world
        self.timers = timers
        self._send = send
        self._name = name
        self._running: dict[tuple[str, str], tuple[Transaction, Peer]] = {}
        self._repeated: set[Transaction] = set()
        """Those whose connection was lost, and whose request was sent again over a new one."""
        self._cancelled: set[Transaction] = set()
        self.hunting: set[Hunt] = set()
        """Those that wait for a final response."""

    def __len__(self) -> int:
        return len(self._running) + len(self.hunting)

    @property
    def asking(self) -> bool:
        """Whether a request of ours still waits for its final response."""
        return bool(self.hunting)

    def contact(self, peer: Peer, user: str, scheme: str = "sip") -> Uri:
        """The URI under which `peer` can reach us; to `sips` the answer is `sips` (RFC 3261 §8.1.1.8)."""
        host, port = self._world.address(peer)
        if scheme == "sips":
            return Uri("sips", user, host, port)
        params = (("transport", peer.transport),) if peer.transport not in ("", "udp") else ()
        return Uri("sip", user, host, port, params)

    def hunt(
        self,
        request: Request,
        target: Peer,
        tell: Tell,
        now: float,
        prefer: Peer | None = None,
        others: Peer | None = None,
    ) -> "Hunt":
        """Send `request` to the first address of `target` that answers, with a Via and the Contact for each.

        `prefer` is asked first if it is one of them; if none answers, those of `others` are asked too.
        """
        hunt = Hunt(self, request, target, tell, others)
        self.hunting.add(hunt)

        def located(hops: tuple[Peer, ...], at: float) -> None:
            if hops:
                hunt.begin(self.health.order(hops, at, prefer), at)
            else:  # not told from here: whoever started this does not hold the hunt yet
                self.timers.at(at, hunt.nowhere)

        self._world.locate(target, located, now)
        return hunt

    def further(self, domain: Peer, located: Located, now: float) -> None:
        """Find the addresses of `domain`, the good ones first."""
        self._world.locate(domain, lambda hops, at: located(tuple(self.health.order(hops, at)), at), now)

    def begin(self, request: Request, hop: Peer, tell: Tell, now: float) -> Transaction:
        """Send a request that has its Via in a client transaction."""
        key = (request.via.branch, request.method)

        def ended(transaction: Transaction) -> None:
            self._running.pop(key, None)
            self._repeated.discard(transaction)
            self._cancelled.discard(transaction)

        transaction = Transaction(
            INVITE_CLIENT if request.method == "INVITE" else CLIENT,
            request,
            self.timers,
            lambda message: self._send(Packet(message.to_bytes(), hop)),
            tell,
            ended,
            reliable=hop.transport != "udp",
        )
        self._running[key] = (transaction, hop)
        transaction.begin(now)
        return transaction

    def cancel(self, transaction: Transaction, hop: Peer, now: float) -> bool:
        """Take an INVITE back, once, and not before a provisional response (RFC 3261 §9.1); returns whether it was."""
        wanted = transaction.request.method == "INVITE" and transaction.state is State.PROCEEDING
        if not wanted or transaction in self._cancelled:
            return False
        self._cancelled.add(transaction)
        self.begin(cancel_of(transaction.request), hop, lambda message, at: None, now)
        return True

    def send_ack(self, ack: Request, peer: Peer, now: float) -> None:
        """Send the ACK of a 2xx: outside any transaction, with a branch of its own (RFC 3261 §13.2.2.4)."""

        def located(hops: tuple[Peer, ...], at: float) -> None:
            for hop in self.health.order(hops, at)[:1]:
                self._send(Packet(self.stamped(ack, hop).to_bytes(), hop))

        self._world.locate(peer, located, now)

    def ping(self, hop: Peer) -> None:
        """Keep the way to `hop` open (RFC 5626 §3.5.1)."""
        self._send(Packet(PING, hop))

    def receive(self, response: Response, now: float) -> bool:
        """Give a response to its transaction; False when there is none."""
        transaction, _ = self._running.get((response.via.branch, response.cseq.method), (None, None))
        if transaction is not None:
            transaction.fire(event_of(response), now, response)
        return transaction is not None

    def knows(self, response: Response) -> bool:
        """Whether there is a transaction that `response` is for."""
        return (response.via.branch, response.cseq.method) in self._running

    def unreachable(self, peer: Peer, cause: str, now: float) -> None:
        """The transport cannot reach `peer`: what waits there is told at once (RFC 3261 §17.1.4)."""
        self.health.failed(peer, cause, now)
        for transaction, hop in list(self._running.values()):
            if hop[:3] == peer[:3]:
                transaction.fire(Event.UNREACHABLE, now)

    def lost(self, peer: Peer, now: float) -> None:
        """The connection to `peer` is gone, and with it requests that nobody has answered; an idle one is no loss.

        Each is sent again as it was, over a new connection: who has seen it takes it for a retransmission. If that is
        lost too, nobody is there.
        """
        for transaction, hop in list(self._running.values()):
            ours = hop[:3] == peer[:3] or (hop.connection and hop.connection == peer.connection)
            if not ours or transaction.state not in (State.CALLING, State.TRYING):
                continue
            if transaction not in self._repeated:
                self._repeated.add(transaction)
                transaction.fire(Event.RESEND, now)
            else:
                self.health.failed(hop, "connection lost", now)
                transaction.fire(Event.UNREACHABLE, now)

    def stamped(self, request: Request, hop: Peer) -> Request:
        """`request` as it goes to `hop`: a new branch, and Via and Contact that lead back from there."""
        host, port = self._world.address(hop)
        via = Via(hop.transport.upper(), host, port, (("branch", COOKIE + self._world.token()), ("rport", None)))
        fields = [("Via", str(via))]
        for name, value in request.headers:
            fields.append((name, self._redirected(request, value, hop) if name == "Contact" else value))
        if request.method != "ACK":
            fields.append(("User-Agent", self._name))
        return replace(request, headers=Headers(tuple(fields)))

    def _redirected(self, request: Request, contact: str, hop: Peer) -> str:
        ours = NameAddr.parse(contact)
        # RFC 3261 §8.1.1.8: who is asked for by a secure URI, or through one, is told a secure one.
        secure = "sips" in (request.uri.scheme, *(route.uri.scheme for route in request.routes[:1]))
        return str(replace(ours, uri=self.contact(hop, ours.uri.user, "sips" if secure else "sip")))


class Hunt:
    """One request, and the transactions in which it is tried."""

    def __init__(
        self,
        clients: Clients,
        request: Request,
        target: Peer,
        tell: Tell,
        others: Peer | None = None,
    ) -> None:
        self.peer = target
        """Where it was last sent."""
        self.failure = ""
        """Why nobody could be asked; empty if somebody could, but did not answer."""
        self._clients = clients
        self._plain = request
        self._tell = tell
        self._hops: deque[Peer] = deque()
        self._others = others
        self._tries: list[Transaction] = []
        self._current: Transaction | None = None
        self._patience: Timer | None = None
        self._stays = False
        self._over = False

    @property
    def request(self) -> Request:
        """As it was last sent."""
        return self._current.request if self._current else self._plain

    @property
    def awaited(self) -> bool:
        """Whether something that was sent may still get its final response."""
        return any(transaction.running for transaction in self._tries)

    @property
    def running(self) -> bool:
        """Whether no final response has passed."""
        return self in self._clients.hunting

    def begin(self, hops: list[Peer], now: float) -> None:
        """Try `hops` in their order."""
        if not self._over and not self._stays:
            self._hops.extend(hops)
            self._next(now)

    def nowhere(self, now: float) -> None:
        """There is no address to send to."""
        if not self._over:
            self._end(over=True)
            known = self.peer.transport in ("", *DEFAULT_PORT)
            self.failure = f"no address of {self.peer.host} was found" if known else f"no {self.peer.transport} here"
            self._tell(None, now)

    def stay(self) -> None:
        """Try no further address."""
        self._stays = True
        self._hops.clear()
        self._others = None
        self._be_patient()

    def cancel(self, now: float) -> bool:
        """See `Clients.cancel`."""
        return self._current is not None and self._clients.cancel(self._current, self.peer, now)

    def abandon(self) -> None:
        """End it; nobody is told."""
        self._end(over=True)
        for transaction in self._tries:
            transaction.abandon()

    def _next(self, now: float) -> None:
        hop = self._hops.popleft()
        request = self._clients.stamped(self._plain, hop)
        if hop.transport == "udp" and len(request.to_bytes()) > LARGEST_DATAGRAM:
            stream = hop._replace(transport="tcp")
            if self._clients.health.good(stream, now):
                self._hops.appendleft(hop)  # RFC 3261 §18.1.1: where there is no TCP it goes over UDP all the same
                hop, request = stream, self._clients.stamped(self._plain, stream)
        self.peer = hop

        def told(message: Request | Response | None, at: float) -> None:
            self._told(transaction, hop, message, at)

        transaction = self._current = self._clients.begin(request, hop, told, now)
        self._tries.append(transaction)
        self._be_patient()
        if (self._hops or self._others) and request.method in IMPATIENT:
            self._patience = self._clients.timers.at(now + PATIENCE, lambda at: self._lost_patience(hop, at))

    def _lost_patience(self, hop: Peer, now: float) -> None:
        self._failed(hop, NO_ANSWER, now)

    def _failed(self, hop: Peer, cause: str, now: float) -> bool:
        """Go on to the next address; returns whether there may be one."""
        self._clients.health.failed(hop, cause, now)
        domain = self._others
        if self._hops:
            self._next(now)
        elif domain is not None:
            self._others = None
            self._clients.further(domain, lambda hops, at: self._further(hop, hops, at), now)
        else:
            return False
        return True

    def _further(self, failed: Peer, hops: tuple[Peer, ...], now: float) -> None:
        """Other servers of the same domain were found, or none, after `failed` has failed."""
        hops = tuple(hop for hop in hops if hop[:3] != failed[:3])
        if self.running and hops and not self._stays:
            self.begin(list(hops), now)
        elif self.running and self._current is not None and not self._current.running:
            self._end(over=False)
            self._tell(None, now)

    def _told(self, transaction: Transaction, hop: Peer, message: Request | Response | None, now: float) -> None:
        if self._over:
            return
        if isinstance(message, Response):
            self._answered(transaction, hop, message, now)
        elif transaction is self._current:
            self._be_patient()
            self.failure = self._clients.health.reason(hop, now)
            if not self._failed(hop, self.failure or NO_ANSWER, now):
                self._end(over=False)
                self._tell(None, now)

    def _answered(self, transaction: Transaction, hop: Peer, response: Response, now: float) -> None:
        if transaction is self._current:
            self._be_patient()
            if response.status == 503 and self._hops:
                self._failed(hop, "503", now)
                return
            if response.status != 503:
                self._clients.health.answered(hop)
            self._final(response, now)
        elif response.status < 200:
            self._clients.cancel(transaction, hop, now)  # too late: it is being tried elsewhere
        elif response.status < 300:
            late, self._current = self._current, transaction
            self.stay()
            self._final(response, now)
            if late is not None:
                self._clients.cancel(late, self.peer, now)

    def _final(self, response: Response, now: float) -> None:
        if response.status >= 200:
            # Only an INVITE may have more than one final response: that of every fork.
            self._end(over=self.request.method != "INVITE")
        self._tell(response, now)

    def _end(self, *, over: bool) -> None:
        self._over = over
        self.stay()
        self._clients.hunting.discard(self)

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
