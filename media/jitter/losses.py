"""Packets that were missing when they were needed: remembered for a while, and counted in runs, bursts and gaps."""

from typing import NamedTuple

from media.rtp.xr import GMIN

REMEMBERED = 100
"""Lost packets of one run that are remembered, because they may come late; twice as many of all runs together."""


class LossPattern(NamedTuple):
    """Losses so far, counted after the buffer: packets that were lost or came too late (RFC 3611 §4.7.2)."""

    lost: int = 0
    runs: int = 0
    """Times that one or more packets in a row were lost."""
    bursts: int = 0
    burst_packets: int = 0
    """Packets within bursts, received or lost."""
    burst_lost: int = 0

    def since(self, before: "LossPattern") -> "LossPattern":
        """The losses after `before`."""
        return LossPattern(*(now - then for now, then in zip(self, before, strict=True)))


class Losses:
    """The losses of one call. `add` is called for each run of lost packets, so a call without losses costs nothing."""

    __slots__ = ("_begin", "_closed", "_end", "_given_up", "_lost", "since_sound")

    def __init__(self) -> None:
        self.since_sound = 0
        """Packets given up since the last sound."""
        self._closed = LossPattern()
        self._begin = self._end = -GMIN
        self._lost = 0
        self._given_up: dict[int, float] = {}

    def add(self, first: int, until: int, waited_from: float) -> None:
        """Give up the packets from extended sequence number `first` up to, not including, `until`.

        The buffer had waited for these packets since the moment `waited_from`, in seconds.
        """
        if not 0 <= first - self._end < GMIN:  # also after a restart, which has other numbers
            self._closed, self._lost, self._begin = self.pattern, 0, first
        self._end = until
        self._lost += until - first
        self.since_sound += until - first
        self._closed = self._closed._replace(lost=self._closed.lost + until - first, runs=self._closed.runs + 1)
        for missing in range(max(first, until - REMEMBERED), until):
            self._given_up[missing] = waited_from
        while len(self._given_up) > 2 * REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def came_late(self, sequence: int) -> float | None:
        """Take a packet that came too late. Returns the moment in seconds since which the buffer waited for it; None if
        it was never given up."""
        return self._given_up.pop(sequence, None)

    def restart(self) -> None:
        """Expect a stream with other numbers."""
        self._given_up.clear()
        self.since_sound = 0

    @property
    def pattern(self) -> LossPattern:
        """All losses so far. A single loss between `GMIN` received packets is no burst; it belongs to the gap."""
        closed = self._closed
        if self._lost < 2:
            return closed
        return closed._replace(
            bursts=closed.bursts + 1,
            burst_packets=closed.burst_packets + self._end - self._begin,
            burst_lost=closed.burst_lost + self._lost,
        )
