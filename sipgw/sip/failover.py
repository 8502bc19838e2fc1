"""One request of ours, tried at one address after the other (RFC 3263 §4.3). Sans-IO."""

from collections import deque
from typing import NamedTuple, Self

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.failover_table import (
    BRANCH,
    FAILOVER,
    INVITE_FAILOVER,
    BranchEvent,
    BranchState,
    FailoverAction,
    FailoverEvent,
    FailoverState,
)
from sipgw.sip.machine import step
from sipgw.sip.message import Request, Response
from sipgw.sip.timers import TIMEOUT, Timer
from sipgw.sip.transaction import OnMessage, Transaction

PATIENCE = 4.0
"""Seconds to wait for a response. After that, the next address is tried, or the refusal of another branch counts."""
SHORT_PATIENCE = 1.0
"""Like `PATIENCE`, in two cases. TCP is tried only because the request is large: a router may drop TCP but pass UDP.
Or the next address is of the other IP version: in many networks one of the two does not work (RFC 8305)."""
IMPATIENT = frozenset({"INVITE", "REGISTER", "OPTIONS", "BYE"})
"""Methods that are tried at the next address after a silence. Others must not be executed twice."""
LIMIT = 2 * TIMEOUT
"""Seconds until a request without a final response is given up, unless its user gives another limit."""
LARGEST_DATAGRAM = 1300
"""Bytes of a request over UDP; a larger one goes over TCP (RFC 3261 §18.1.1)."""
MERGED = 482
"""The server already has the request from another branch (RFC 3261 §8.2.2.2)."""
UNAVAILABLE = 503
"""This server cannot take the request, another one may."""
ELSEWHERE = (MERGED, UNAVAILABLE)
"""Statuses that say nothing about the called party."""
ASKED_AGAIN = frozenset({401, 407, 422})
"""Statuses that ask for a changed request: no other branch is waited for."""


class _Candidate(NamedTuple):
    """An address to try, or a domain whose addresses are still to be found."""

    peer: Peer
    is_domain: bool


class _Branch:
    """The request at one address."""

    def __init__(self, hop: Peer) -> None:
        self.hop = hop
        self.transaction: Transaction | None = None
        self.state = BranchState.SILENT

    def fire(self, event: BranchEvent) -> None:
        """Change the state of the branch as `event` requires."""
        self.state, _ = step(BRANCH, self.state, event)

    @property
    def open(self) -> bool:
        """Whether the branch may still bring the answer."""
        return self.state in (BranchState.SILENT, BranchState.RECEIVED, BranchState.RINGING)

    @property
    def running(self) -> bool:
        """Whether the final response of the branch is still to come."""
        return self.state is not BranchState.DONE

    @property
    def cancelled(self) -> bool:
        """Whether CANCEL was sent, and the final response of the branch is still to come."""
        return self.state is BranchState.CANCELLED

    @property
    def rings(self) -> bool:
        """Whether the called party is alerted by this branch."""
        return self.state is BranchState.RINGING


class Failover:
    """One request, and the branches in which it is tried.

    The first branch that rings is the one that counts: the others are cancelled. A branch that fails ends the request
    only if no other branch may still answer.
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
        """Why the request could not be sent to any address; empty if it could be sent, but no answer came."""
        self._clients = clients
        self._plain = request
        self._on_message = on_message
        self._target = target
        self._candidates = deque(_Candidate(peer, is_domain=True) for peer in (target, others) if peer is not None)
        self._branches: list[_Branch] = []
        self._heard: _Branch | None = None
        """The branch whose response was passed last."""
        self._refusal: tuple[_Branch, Response] | None = None
        """Refusal that is passed on if no other branch answers."""
        self._patience: Timer | None = None
        self._limit: Timer | None = None
        self._stage = FailoverState.TRYING

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

    @property
    def peer(self) -> Peer:
        """Where the response that was passed last came from; before that, where the request was last sent."""
        branch = self._latest
        return branch.hop if branch else self._target

    @property
    def request(self) -> Request:
        """The request as it was sent to `peer`."""
        branch = self._latest
        return branch.transaction.request if branch and branch.transaction else self._plain

    @property
    def _latest(self) -> _Branch | None:
        return self._heard or (self._branches[-1] if self._branches else None)

    @property
    def running(self) -> bool:
        """Whether no final response has been passed."""
        return self._stage in (FailoverState.TRYING, FailoverState.GIVEN_UP)

    def give_up(self, now: float) -> None:
        """Cancel the request and report its end, at once if nothing was sent."""
        self._fire(FailoverEvent.GIVE_UP, now)

    def _too_long(self, now: float) -> None:
        self.give_up(now)
        if self.running:
            self._fire(FailoverEvent.NO_MORE, now)

    # The machine

    def _fire(
        self, event: FailoverEvent, now: float, branch: _Branch | None = None, response: Response | None = None
    ) -> None:
        table = INVITE_FAILOVER if self._plain.method == "INVITE" else FAILOVER
        self._stage, actions = step(table, self._stage, event)
        for action in actions:
            match action:
                case FailoverAction.CANCEL_ALL:
                    self._abandon(now)
                case FailoverAction.END:
                    self._end(now)
                case FailoverAction.REPORT:
                    self._report(now)
                case FailoverAction.GO_ON if branch is not None:
                    self._go_on(branch, now)
                case FailoverAction.CANCEL if branch is not None:
                    self._cancel(branch, now)
                case FailoverAction.PASS if branch is not None and response is not None:
                    self._pass(branch, response, now)
                case FailoverAction.CHOOSE if branch is not None and response is not None:
                    self._choose(branch, response, now)
                case FailoverAction.WEIGH if branch is not None and response is not None:
                    self._weigh(branch, response, now)

    def _take(self, branch: _Branch, message: Request | Response | None, now: float) -> None:
        """Take what the transaction of a branch brings."""
        provisional, cancelled = isinstance(message, Response) and message.status < 200, branch.cancelled
        branch.fire(BranchEvent.PROVISIONAL if provisional else BranchEvent.FINAL)
        if not isinstance(message, Response):
            self._fire(FailoverEvent.SILENCE, now, branch)
            return
        if self._stage is not FailoverState.OVER and message.status < 300:
            self._clients.health.answered(branch.hop)
        if provisional:
            event = FailoverEvent.PROVISIONAL
        elif message.status < 300:
            event = FailoverEvent.SUCCESS
        else:
            event = FailoverEvent.CANCELLED if cancelled else FailoverEvent.FAILURE
        self._fire(event, now, branch, message)

    def _abandon(self, now: float) -> None:
        self._candidates.clear()
        self._stop_patience()
        self._cancel_all(now)
        if not any(branch.running for branch in self._branches):
            self._fire(FailoverEvent.NO_MORE, now)

    def _end(self, now: float) -> None:
        self._candidates.clear()
        self._stop_patience()
        if self._limit is not None:
            self._limit.cancel()
        self._cancel_all(now)
        self._clients.pending.discard(self)

    def _report(self, now: float) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            self._pass(*refusal, now)
        else:
            self._on_message(None, now)

    def _pass(self, branch: _Branch, response: Response, now: float) -> None:
        self._heard = branch
        self._on_message(response, now)

    def _choose(self, branch: _Branch, response: Response, now: float) -> None:
        """Take a provisional response: the first branch that rings counts."""
        chosen = next((one for one in self._branches if one.rings), branch)
        if chosen is not branch:
            self._cancel(branch, now)
            return
        self._stop_patience()
        if response.status > 100:
            branch.fire(BranchEvent.CHOSEN)
            self._cancel_all(now, but=branch)
        self._pass(branch, response, now)

    def _weigh(self, branch: _Branch, response: Response, now: float) -> None:
        """Take a refusal: it ends the request, unless another branch or address may do better."""
        if response.status == UNAVAILABLE:
            self._clients.health.failed(branch.hop, now)
        else:
            self._clients.health.answered(branch.hop)
        if self._refusal is None or response.status not in ELSEWHERE:
            self._refusal = (branch, response)
        left = [one for one in self._branches if one.open]
        if self._stage is FailoverState.GIVEN_UP or response.status in ASKED_AGAIN:
            self._fire(FailoverEvent.NO_MORE, now)
        elif response.status == UNAVAILABLE and self._may_go_on(branch, left):
            self._next(now)
        elif not left:
            self._fire(FailoverEvent.NO_MORE, now)
        elif self._patience is None and not any(one.rings for one in left):
            self._patience = self._clients.timers.at(now + PATIENCE, self._lost_patience)

    def _may_go_on(self, failed: _Branch, left: list[_Branch]) -> bool:
        """Whether to try the next address after the branch `failed`: not while a branch in `left` has the call."""
        return bool(self._candidates) and (not left or (failed is self._branches[-1] and not self._under_way))

    def _go_on(self, branch: _Branch, now: float) -> None:
        """`branch` got no final response, or could not be sent."""
        newest = branch is self._branches[-1]
        if newest:
            self._stop_patience()
            unsent = [one.transaction.failure if one.transaction else "" for one in self._branches]
            self.failure = unsent[-1] if all(unsent) else ""
            self._clients.health.failed(branch.hop, now)
        given_up = self._stage is FailoverState.GIVEN_UP
        left = [one for one in self._branches if (one.running if given_up else one.open)]
        if self._may_go_on(branch, left):
            self._next(now)
        elif not left and not self._candidates:
            self._fire(FailoverEvent.NO_MORE, now)

    def _cancel_all(self, now: float, but: _Branch | None = None) -> None:
        for branch in self._branches:
            if branch is not but:
                self._cancel(branch, now)

    def _cancel(self, branch: _Branch, now: float) -> None:
        """Cancel an INVITE, once, and not before a provisional response (RFC 3261 §9.1)."""
        received = branch.state in (BranchState.RECEIVED, BranchState.RINGING)
        if received and branch.transaction is not None and self._plain.method == "INVITE":
            branch.fire(BranchEvent.CANCEL)
            self._clients.cancel(branch.transaction, branch.hop, now)

    # Addresses

    def _next(self, now: float, prefer: Peer | None = None) -> None:
        candidate = self._candidates[0]
        if candidate.is_domain:
            self._clients.locate(candidate.peer, lambda hops, at: self._found(candidate, hops, prefer, at), now)
        else:
            self._candidates.popleft()
            self._try(candidate.peer, now)

    def _found(self, domain: _Candidate, hops: tuple[Peer, ...], prefer: Peer | None, now: float) -> None:
        """The addresses of a domain were found, or none."""
        if self._stage is not FailoverState.TRYING or not self._candidates or self._candidates[0] is not domain:
            return
        self._candidates.popleft()
        tried = {branch.hop[:3] for branch in self._branches}
        found = [hop for hop in self._clients.health.order(hops, now, prefer) if hop[:3] not in tried]
        self._candidates.extendleft(_Candidate(hop, is_domain=False) for hop in reversed(found))
        if self._candidates:
            if not self._under_way:  # else a branch was answered during the lookup
                self._next(now)
        elif not self._branches:  # not reported from here: the caller of `start` does not hold the object yet
            self._clients.timers.at(now, self._nowhere)
        elif not any(branch.open for branch in self._branches):
            self._fire(FailoverEvent.NO_MORE, now)

    def _nowhere(self, now: float) -> None:
        """There is no address to send to."""
        if self._stage is FailoverState.TRYING:
            known = self._target.transport in ("", *DEFAULT_PORT)
            self.failure = (
                f"no address of {self._target.host} was found" if known else f"no {self._target.transport} here"
            )
            self._fire(FailoverEvent.NO_MORE, now)

    def _try(self, hop: Peer, now: float) -> None:
        request, patience = self._clients.stamped(self._plain, hop), PATIENCE
        if hop.transport == "udp" and len(request.to_bytes()) > LARGEST_DATAGRAM and self._named(hop):
            stream = hop._replace(transport="tcp")
            if self._clients.health.good(stream, now):
                # RFC 3261 §18.1.1: a server without TCP gets it over UDP all the same.
                self._candidates.appendleft(_Candidate(hop, is_domain=False))
                hop, request, patience = stream, self._clients.stamped(self._plain, stream), SHORT_PATIENCE
        following = self._candidates[0] if self._candidates else None
        another = (
            following is not None and not following.is_domain and (":" in following.peer.host) != (":" in hop.host)
        )
        if (
            another and hop.transport == "udp" and self._plain.method == "INVITE"
        ):  # a provisional response comes at once
            patience = SHORT_PATIENCE
        branch = _Branch(hop)
        self._branches.append(branch)
        branch.transaction = self._clients.begin(request, hop, lambda message, at: self._take(branch, message, at), now)
        self._stop_patience()
        if self._candidates and request.method in IMPATIENT:
            self._patience = self._clients.timers.at(now + patience, self._lost_patience)

    def _named(self, hop: Peer) -> bool:
        """Whether the request names `hop`. Else `hop` is only where the peer was seen, e.g. a phone behind NAT."""
        uri = self._plain.routes[0].uri if self._plain.routes else self._plain.uri
        return bool(hop.name) or (uri.host, uri.port or DEFAULT_PORT["udp"]) == (hop.host, hop.port)

    def _lost_patience(self, now: float) -> None:
        self._patience = None
        newest, status = self._branches[-1], self._refusal[1].status if self._refusal else 0
        elsewhere = status in (0, *ELSEWHERE)
        if elsewhere and self._under_way:
            return
        if self._candidates and elsewhere:
            if newest.state is BranchState.SILENT:  # after a 482 another branch has the request
                self._clients.health.failed(newest.hop, now)
                self._next(now)
        elif status not in (0, MERGED):
            self._fire(FailoverEvent.NO_MORE, now)

    @property
    def _under_way(self) -> bool:
        """Whether a branch has been received, and may still bring the answer."""
        return any(branch.state in (BranchState.RECEIVED, BranchState.RINGING) for branch in self._branches)

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
