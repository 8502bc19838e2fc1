"""Which addresses have failed lately; these are tried last (RFC 3263 §4.3). Sans-IO."""

from sipgw.sip.dialog import Peer

AVOIDED = 60.0
"""Seconds that an address is tried last after it has failed."""
MAX_KEPT = 1000


class Health:
    """What is known against addresses."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str, int], tuple[float, str]] = {}

    def failed(self, peer: Peer, reason: str, now: float) -> None:
        """Requests to `peer` were not answered, or with 503."""
        self._failures.pop(_place(peer), None)
        if len(self._failures) >= MAX_KEPT:
            del self._failures[next(iter(self._failures))]
        self._failures[_place(peer)] = (now + AVOIDED, reason)

    def answered(self, peer: Peer) -> None:
        """A request to `peer` was answered."""
        self._failures.pop(_place(peer), None)

    def good(self, peer: Peer, now: float) -> bool:
        """Whether `peer` has not failed lately."""
        return self._failures.get(_place(peer), (now, ""))[0] <= now

    def reason(self, peer: Peer, now: float) -> str:
        """Why `peer` failed, or an empty string."""
        return "" if self.good(peer, now) else self._failures[_place(peer)][1]

    def order(self, peers: tuple[Peer, ...], now: float, prefer: Peer | None = None) -> list[Peer]:
        """`peers` in their order, but `prefer` first, over whichever transport, and what has failed lately last."""
        first = prefer[1:3] if prefer else None
        return sorted(peers, key=lambda peer: (not self.good(peer, now), peer[1:3] != first))


def _place(peer: Peer) -> tuple[str, str, int]:
    return peer.transport, peer.host, peer.port
