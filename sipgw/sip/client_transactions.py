"""The client side of all transactions: what we have asked of others, and the answers that come (RFC 3261 §17.1)."""

from collections.abc import Callable
from dataclasses import replace

from sipgw.sip.boundaries import contained
from sipgw.sip.dialog import Peer
from sipgw.sip.environment import Environment, Located, Packet
from sipgw.sip.failover import LIMIT, Failover
from sipgw.sip.fields import NameAddr, Via
from sipgw.sip.health import Health
from sipgw.sip.matching import COOKIE
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.timers import TIMEOUT, Timers
from sipgw.sip.transaction import CLIENT, INVITE_CLIENT, Event, State, Tell, Transaction, cancel_of, event_of
from sipgw.sip.uri import Uri

PING = b"\r\n\r\n"
LOCATE_LIMIT = 10.0
"""Seconds after which a lookup that has told nothing has found nothing."""


class ClientTransactions:
    """The client side of all transactions."""

    def __init__(self, world: Environment, timers: Timers, send: Callable[[Packet], None], name: str) -> None:
        self.health = Health()
        self._world = world
        self.timers = timers
        self._send = send
        self.name = name
        """What we call ourselves in User-Agent and Server."""
        self._running: dict[tuple[str, str], tuple[Transaction, Peer]] = {}
        self._repeated: set[Transaction] = set()
        """Those whose connection was lost, and whose request was sent again over a new one."""
        self.hunting: set[Failover] = set()
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
        limit: float = LIMIT,
    ) -> Failover:
        """Send `request` to the first address of `target` that answers, with a Via and the Contact for each.

        `prefer` is asked first if it is one of them; if none answers, those of `others` are asked too. What has no
        final response after `limit` seconds is given up.
        """
        hunt = Failover(self, request, tell, target, others)
        self.hunting.add(hunt)
        hunt.begin(now, limit, prefer)
        return hunt

    def locate(self, peer: Peer, located: Located, now: float) -> None:
        """Find the addresses of `peer`; `located` is told once, whatever becomes of the lookup."""
        waiting = [located]

        def told(hops: tuple[Peer, ...], at: float) -> None:
            while waiting:
                waiting.pop()(hops, at)

        self._world.locate(peer, told, now)
        if waiting:
            self.timers.at(now + LOCATE_LIMIT, lambda at: told((), at))

    def begin(self, request: Request, hop: Peer, tell: Tell, now: float) -> Transaction:
        """Send a request that has its Via in a client transaction."""
        key = (request.via.branch, request.method)

        def ended(transaction: Transaction) -> None:
            self._running.pop(key, None)
            self._repeated.discard(transaction)

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

    def cancel(self, transaction: Transaction, hop: Peer, now: float) -> None:
        """Take an INVITE back. A server that never ends it then does not hold us for ever (RFC 3261 §9.1)."""
        self.begin(cancel_of(transaction.request), hop, lambda message, at: None, now)
        self.timers.at(now + TIMEOUT, transaction.give_up)

    def send_ack(self, ack: Request, peer: Peer, now: float) -> None:
        """Send the ACK of a 2xx: outside any transaction, with a branch of its own (RFC 3261 §13.2.2.4)."""

        def located(hops: tuple[Peer, ...], at: float) -> None:
            for hop in self.health.order(hops, at)[:1]:
                self._send(Packet(self.stamped(ack, hop).to_bytes(), hop))

        self.locate(peer, located, now)

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

    def waits_for(self, peer: Peer) -> bool:
        """Whether an answer of `peer` is still to come."""
        return any(hop[:3] == peer[:3] and transaction.running for transaction, hop in self._running.values())

    def unreachable(self, peer: Peer, cause: str, now: float) -> None:
        """The transport cannot reach `peer`: what waits there is told at once (RFC 3261 §17.1.4)."""
        self.health.failed(peer, cause, now)
        for transaction, hop in list(self._running.values()):
            if hop[:3] == peer[:3]:
                with contained("request not told"):
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
            with contained("request not told"):
                self._lost(transaction, hop, now)

    def _lost(self, transaction: Transaction, hop: Peer, now: float) -> None:
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
            fields.append(("User-Agent", self.name))
        return replace(request, headers=Headers(tuple(fields)))

    def _redirected(self, request: Request, contact: str, hop: Peer) -> str:
        ours = NameAddr.parse(contact)
        # RFC 3261 §8.1.1.8: who is asked for by a secure URI, or through one, is told a secure one.
        secure = "sips" in (request.uri.scheme, *(route.uri.scheme for route in request.routes[:1]))
        return str(replace(ours, uri=self.contact(hop, ours.uri.user, "sips" if secure else "sip")))
