"""The flow between a registrar and us (RFC 5626): one address, kept open by keepalives. Sans-IO."""

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Response
from sipgw.sip.timers import Timer

KEEPALIVE = (30.0, 35.0)
"""Seconds between keepalives over UDP, at random between these: a NAT keeps its binding, and no carrier objects."""
EARLY = (15.0, 300.0)
"""The least number of seconds between two early renewals; doubled, up to the second number, while each renewal brings
another address."""
PAUSE = 2.0
"""The longest random delay, in seconds, before a lost flow is opened again: it spares a restarted registrar."""


class Flow:
    """The flow to one registrar."""

    def __init__(self, clients: ClientTransactions) -> None:
        self.peer: Peer | None = None
        """The address that answered last. It is kept: it knows our nonce, and our NAT binding leads to it."""
        self._clients = clients
        self._timer: Timer | None = None
        self._soonest = 0.0
        self._gap = EARLY[0]

    def answered(self, peer: Peer, response: Response) -> bool:
        """A registrar answered from `peer`; returns whether it sees us at a new address."""
        self.peer = None if response.status == 503 else peer
        via = response.via
        moved = self._clients.environment.observed(peer, via.received or via.host, via.rport or via.port or 0)
        if response.status < 300:
            self._gap = min(2 * self._gap, EARLY[1]) if moved else EARLY[0]
        return moved

    def leads_to(self, peer: Peer) -> bool:
        """Whether the flow leads to `peer`."""
        return self.peer is not None and self.peer[:3] == peer[:3]

    def renewal(self, now: float) -> float:
        """When to register again early, because the flow has changed or is lost."""
        if self._soonest <= now:  # else a renewal is planned already
            self._soonest = max(now + PAUSE * self._clients.environment.fraction(), self._soonest + self._gap)
        return self._soonest

    def keep_up(self, now: float) -> None:
        """Send keepalives from now on. A stream sends its own."""
        self.stop()
        low, high = KEEPALIVE
        if self.peer is not None and self.peer.transport == "udp":
            self._timer = self._clients.timers.at(
                now + low + (high - low) * self._clients.environment.fraction(), self._ping
            )

    def _ping(self, now: float) -> None:
        if self.peer is not None:
            self._clients.ping(self.peer)
            self.keep_up(now)

    def stop(self) -> None:
        """Send no more keepalives."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
