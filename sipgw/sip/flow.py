"""The way on which a registrar reaches us (RFC 5626): one address, kept open by keepalives. Sans-IO."""

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Response
from sipgw.sip.timers import Timer

KEEPALIVE = (30.0, 35.0)
"""Seconds between keepalives over UDP, at random between these: often enough for NATs, not too often for carriers."""
EARLY = (15.0, 300.0)
"""Seconds that lie at least between two registrations that are renewed before their time; doubled, up to the second,
while each brings another address."""
PAUSE = 2.0
"""Seconds at most, at random, before a lost flow is made anew, so that a restarted registrar is not overrun."""


class Flow:
    """One way to a registrar and back."""

    def __init__(self, clients: ClientTransactions) -> None:
        self.peer: Peer | None = None
        """The address that answered last; it stays the one: it knows our nonce, and our NAT binding leads to it."""
        self._clients = clients
        self._timer: Timer | None = None
        self._soonest = 0.0
        self._gap = EARLY[0]

    def answered(self, peer: Peer, response: Response) -> bool:
        """A registrar answered from `peer`; returns whether it sees us at an address that is new to us."""
        self.peer = None if response.status == 503 else peer
        via = response.via
        moved = self._clients.environment.observed(peer, via.received or via.host, via.rport or via.port or 0)
        if response.status < 300:
            self._gap = min(2 * self._gap, EARLY[1]) if moved else EARLY[0]
        return moved

    def leads_to(self, peer: Peer) -> bool:
        """Whether this is the way to `peer`."""
        return self.peer is not None and self.peer[:3] == peer[:3]

    def renewal(self, now: float) -> float:
        """When to register again, before the time, because the way has changed or is gone."""
        if self._soonest <= now:  # else it is waiting to happen
            self._soonest = max(now + PAUSE * self._clients.environment.fraction(), self._soonest + self._gap)
        return self._soonest

    def keep_up(self, now: float) -> None:
        """Ping from now on. On a stream that is the stream's own business."""
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
        """Ping no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
