"""Requests of ours on their way to one address after the other (RFC 3263 §4.3). Sans-IO."""

from collections import deque
from enum import Enum
from typing import NamedTuple, Self

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.message import Request, Response
from sipgw.sip.timers import TIMEOUT, Timer
from sipgw.sip.transaction import OnMessage, State, Transaction

PATIENCE = 4.0
"""Seconds without any response after which the next address is tried, or another branch's refusal is the answer."""
STREAM_PATIENCE = 1.0
"""The same where TCP is tried only because the request is large: a router may drop what it lets through as UDP."""
IMPATIENT = frozenset({"INVITE", "REGISTER", "OPTIONS", "BYE"})
"""Methods that are tried elsewhere after a silence; others may be answered late, and must not be done twice."""
LIMIT = 2 * TIMEOUT
"""Seconds until a request without final response is given up, unless its user says otherwise."""
NO_ANSWER = "no answer"
LARGEST_DATAGRAM = 1300
"""Bytes of a request over UDP; a larger one goes over TCP (RFC 3261 §18.1.1)."""
MERGED = 482
"""It has got there already, by another branch (RFC 3261 §8.2.2.2)."""
UNAVAILABLE = 503
"""This server cannot, another may."""
ELSEWHERE = (MERGED, UNAVAILABLE)
"""What says nothing about who is called."""
ASKED_AGAIN = frozenset({401, 407, 422})
"""What asks for another request, and so waits for nothing."""


class Stage(Enum):
    """How far a hunt has come."""

    HUNTING = "no final response has passed"
    GIVEN_UP = "its user does not want it any more"
    ENDED = "a final response has passed; what still answers an INVITE is acknowledged or taken back"
    OVER = "nobody is told anything any more"


class _Way(NamedTuple):
    peer: Peer
    domain: bool
    """Whether its addresses are still to be found."""


class _Branch:
    """One try: the request at one address."""

    def __init__(self, hop: Peer) -> None:
        self.hop = hop
        self.transaction: Transaction | None = None
        self.rings = False
        """Whether there was more than a 100."""
        self.cancelled = False

    @property
    def open(self) -> bool:
        """Whether it may still bring the answer."""
        return self.running and not self.cancelled

    @property
    def running(self) -> bool:
        """Whether its final response is still to come."""
        return self.transaction is not None and self.transaction.running

    @property
    def silent(self) -> bool:
        """Whether nothing has been heard of it, not even that it was received."""
        return self.transaction is not None and self.transaction.state in (State.CALLING, State.TRYING)


class Failover:
    """One request, and the branches in which it is tried.

    The first branch that rings is the one: the others are taken back. A branch that fails ends the request only if no
    other one may still answer.
    """

    def __init__(
        self,
        clients: ClientTransactions,
        request: Request,
        target: Peer,
        on_message: OnMessage,
        others: Peer | None = None,
    ) -> None:
        self.failure = ""
        """Why nobody could be asked; empty if somebody could, but did not answer."""
        self._clients = clients
        self._plain = request
        self._on_message = on_message
        self._target = target
        self._ways = deque(_Way(peer, domain=True) for peer in (target, others) if peer is not None)
        self._branches: list[_Branch] = []
        self._heard: _Branch | None = None
        """The branch whose response was passed last."""
        self._refusal: tuple[_Branch, Response] | None = None
        """What is passed if no other branch answers."""
        self._patience: Timer | None = None
        self._limit: Timer | None = None
        self._stage = Stage.HUNTING

    @property
    def peer(self) -> Peer:
        """Where the response that was passed last came from; before that, where the request was last sent."""
        branch = self._latest
        return branch.hop if branch else self._target

    @property
    def request(self) -> Request:
        """As it was sent there."""
        branch = self._latest
        return branch.transaction.request if branch and branch.transaction else self._plain

    @property
    def _latest(self) -> _Branch | None:
        return self._heard or (self._branches[-1] if self._branches else None)

    @property
    def running(self) -> bool:
        """Whether no final response has passed."""
        return self in self._clients.pending

    @classmethod
    def start(
        cls,
        clients: ClientTransactions,
        request: Request,
        target: Peer,
        on_message: OnMessage,
        now: float,
        *,
        prefer: Peer | None = None,
        others: Peer | None = None,
        limit: float = LIMIT,
    ) -> Self:
        """Send `request` to the addresses of `target`, one after the other, until one answers.

        `prefer` is tried first if it is one of them. If none answers, the addresses of `others` are tried too. Without
        a final response after `limit` seconds the request is given up.
        """
        failover = cls(clients, request, target, on_message, others)
        clients.pending.add(failover)
        failover._limit = clients.timers.at(now + limit, failover._too_long)
        failover._next(now, prefer)
        return failover

    def give_up(self, now: float) -> None:
        """Take it back. The user is told the end, at once if nothing was sent."""
        if self._stage is not Stage.HUNTING:
            return
        self._stage = Stage.GIVEN_UP
        self._ways.clear()
        self._be_patient()
        self._cancel_all(now)
        if not any(branch.running for branch in self._branches):
            self._conclude(now)

    def _too_long(self, now: float) -> None:
        self.give_up(now)
        if self.running:
            self._conclude(now)

    # Ways

    def _next(self, now: float, prefer: Peer | None = None) -> None:
        way = self._ways[0]
        if way.domain:
            self._clients.locate(way.peer, lambda hops, at: self._found(way, hops, prefer, at), now)
        else:
            self._ways.popleft()
            self._try(way.peer, now)

    def _found(self, way: _Way, hops: tuple[Peer, ...], prefer: Peer | None, now: float) -> None:
        """The addresses of a domain were found, or none."""
        if self._stage is not Stage.HUNTING or not self._ways or self._ways[0] is not way:
            return
        self._ways.popleft()
        tried = {branch.hop[:3] for branch in self._branches}
        found = [hop for hop in self._clients.health.order(hops, now, prefer) if hop[:3] not in tried]
        self._ways.extendleft(_Way(hop, domain=False) for hop in reversed(found))
        if self._ways:
            if not self._under_way:  # else a branch has spoken while these were looked up
                self._next(now)
        elif not self._branches:  # not told from here: whoever started this does not hold the hunt yet
            self._clients.timers.at(now, self._nowhere)
        elif not any(branch.open for branch in self._branches):
            self._conclude(now)

    def _nowhere(self, now: float) -> None:
        """There is no address to send to."""
        if self._stage is Stage.HUNTING:
            known = self._target.transport in ("", *DEFAULT_PORT)
            self.failure = (
                f"no address of {self._target.host} was found" if known else f"no {self._target.transport} here"
            )
            self._conclude(now)

    def _try(self, hop: Peer, now: float) -> None:
        request, patience = self._clients.stamped(self._plain, hop), PATIENCE
        if hop.transport == "udp" and len(request.to_bytes()) > LARGEST_DATAGRAM and self._named(hop):
            stream = hop._replace(transport="tcp")
            if self._clients.health.good(stream, now):
                # RFC 3261 §18.1.1: where there is no TCP it goes over UDP all the same.
                self._ways.appendleft(_Way(hop, domain=False))
                hop, request, patience = stream, self._clients.stamped(self._plain, stream), STREAM_PATIENCE
        branch = _Branch(hop)
        self._branches.append(branch)
        branch.transaction = self._clients.begin(request, hop, lambda message, at: self._told(branch, message, at), now)
        self._be_patient()
        if self._ways and request.method in IMPATIENT:
            self._patience = self._clients.timers.at(now + patience, self._lost_patience)

    def _named(self, hop: Peer) -> bool:
        """Whether the request names `hop`, and not only somebody who was seen there, e.g. a phone behind NAT."""
        uri = self._plain.routes[0].uri if self._plain.routes else self._plain.uri
        return bool(hop.name) or (uri.host, uri.port or DEFAULT_PORT["udp"]) == (hop.host, hop.port)

    def _lost_patience(self, now: float) -> None:
        self._patience = None
        newest, status = self._branches[-1], self._refusal[1].status if self._refusal else 0
        elsewhere = status in (0, *ELSEWHERE)
        if elsewhere and self._under_way:
            return
        if self._ways and elsewhere:
            if newest.silent:  # what was merged is in the hands of another branch
                self._clients.health.failed(newest.hop, NO_ANSWER, now)
                self._next(now)
        elif status not in (0, MERGED):
            self._conclude(now)

    @property
    def _under_way(self) -> bool:
        """Whether a branch has said that it was received, and may still bring the answer."""
        return any(branch.open and not branch.silent for branch in self._branches)

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    # What the branches bring

    def _told(self, branch: _Branch, message: Request | Response | None, now: float) -> None:
        if self._stage is Stage.OVER:
            return
        if not isinstance(message, Response):
            self._silent(branch, now)
        elif message.status < 200:
            self._provisional(branch, message, now)
        elif message.status < 300:
            self._clients.health.answered(branch.hop)
            if self.running:
                self._end(now)
            self._pass(branch, message, now)
        elif self.running:
            self._refused(branch, message, now)

    def _provisional(self, branch: _Branch, response: Response, now: float) -> None:
        self._clients.health.answered(branch.hop)
        chosen = next((one for one in self._branches if one.rings and one.open), branch)
        if self._stage is not Stage.HUNTING or chosen is not branch:
            self._cancel(branch, now)
            return
        self._be_patient()
        if response.status > 100:
            branch.rings = True
            self._cancel_all(now, but=branch)
        self._pass(branch, response, now)

    def _refused(self, branch: _Branch, response: Response, now: float) -> None:
        if branch.cancelled and self._stage is Stage.HUNTING:  # its 487
            return
        if response.status == UNAVAILABLE:
            self._clients.health.failed(branch.hop, str(UNAVAILABLE), now)
        else:
            self._clients.health.answered(branch.hop)
        if self._refusal is None or response.status not in ELSEWHERE:
            self._refusal = (branch, response)
        left = [one for one in self._branches if one.open]
        ringing = any(one.rings for one in left)
        if self._stage is Stage.GIVEN_UP or response.status in ASKED_AGAIN:
            self._conclude(now)
        elif response.status == UNAVAILABLE and branch is self._branches[-1] and self._ways and not ringing:
            self._next(now)
        elif not left:
            self._conclude(now)
        elif self._patience is None and not ringing:
            self._patience = self._clients.timers.at(now + PATIENCE, self._lost_patience)

    def _silent(self, branch: _Branch, now: float) -> None:
        """Nobody answers in `branch`, or it cannot be sent."""
        if not self.running:
            return
        newest = branch is self._branches[-1]
        if newest:
            self._be_patient()
            self.failure = self._clients.health.reason(branch.hop, now)
            self._clients.health.failed(branch.hop, self.failure or NO_ANSWER, now)
        given_up = self._stage is Stage.GIVEN_UP
        left = [one for one in self._branches if (one.running if given_up else one.open)]
        if self._ways and (not left or (newest and not any(one.rings for one in left))):
            self._next(now)
        elif not left and not self._ways:
            self._conclude(now)

    def _pass(self, branch: _Branch, response: Response, now: float) -> None:
        self._heard = branch
        self._on_message(response, now)

    def _conclude(self, now: float) -> None:
        """No branch has brought more than a refusal, if that."""
        refusal, self._refusal = self._refusal, None
        self._end(now)
        if refusal is not None:
            self._pass(*refusal, now)
        else:
            self._on_message(None, now)

    def _end(self, now: float) -> None:
        # Only an INVITE may have more than one final response: that of every fork.
        self._stage = Stage.ENDED if self._plain.method == "INVITE" else Stage.OVER
        self._ways.clear()
        self._be_patient()
        if self._limit is not None:
            self._limit.cancel()
        self._cancel_all(now)
        self._clients.pending.discard(self)

    def _cancel_all(self, now: float, but: _Branch | None = None) -> None:
        for branch in self._branches:
            if branch is not but:
                self._cancel(branch, now)

    def _cancel(self, branch: _Branch, now: float) -> None:
        """Take an INVITE back, once, and not before a provisional response (RFC 3261 §9.1)."""
        transaction = branch.transaction
        if transaction is None or self._plain.method != "INVITE" or branch.cancelled:
            return
        if transaction.state is State.PROCEEDING:
            branch.cancelled = True
            self._clients.cancel(transaction, branch.hop, now)
