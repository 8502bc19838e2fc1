"""Addresses that have failed lately; they are tried last (RFC 3263 §4.3). Sans-IO."""

from typing import NamedTuple

from sipgw.sip.dialog import Peer

AVOIDED = (60.0, 960.0)
"""Seconds that an address is tried last after a failure; doubled by each failure in a row, up to the second number."""
MAX_KEPT = 1000
"""Addresses whose failures are kept. If there are more, the oldest failure is forgotten."""


class _Failure(NamedTuple):
    until: float
    pause: float


class Health:
    """The recent failures of addresses."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str, int], _Failure] = {}
        self.forgotten = 0
        """How often a failure took the place of another."""

    def failed(self, peer: Peer, now: float) -> None:
        """Note that a request to `peer` was not answered, or was answered with 503."""
        before = self._failures.pop(_place(peer), None)
        if before is not None and before.until > now:
            before = before._replace(pause=before.pause / 2)  # another request saw the same failure
        pause = min(2 * before.pause, AVOIDED[1]) if before else AVOIDED[0]
        if len(self._failures) >= MAX_KEPT:
            self.forgotten += 1
            del self._failures[next(iter(self._failures))]
        self._failures[_place(peer)] = _Failure(now + pause, pause)

    def answered(self, peer: Peer) -> None:
        """Note that a request to `peer` was answered: its failures are forgotten."""
        self._failures.pop(_place(peer), None)

    def good(self, peer: Peer, now: float) -> bool:
        """Whether `peer` has not failed lately."""
        failure = self._failures.get(_place(peer))
        return failure is None or failure.until <= now

    def order(self, peers: tuple[Peer, ...], now: float, prefer: Peer | None = None) -> list[Peer]:
        """`peers` in their order, but `prefer` first, over any transport, and failed ones last."""
        first = prefer[1:3] if prefer else None
        return sorted(peers, key=lambda peer: (not self.good(peer, now), peer[1:3] != first))


def _place(peer: Peer) -> tuple[str, str, int]:
    return peer.transport, peer.host, peer.port
