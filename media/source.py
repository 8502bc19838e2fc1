"""Whose packets are believed: symmetric RTP that cannot be hijacked.

RFC 7362 warns of latching, and RTP Bleed (AST-2017-005) is what it warns of. The rule here: the address of the SDP is
trusted first; another source is considered only while nothing valid came from it, only in the first seconds after an
answer, and only after a steady run of packets that come no faster than speech. Then it is locked until signalling opens
it again, or until it has fallen silent and the same stream goes on from another port of the same address: a NAT has
given it a new one.
"""

from typing import NamedTuple

from media.g711 import RATE
from media.rtp import Packet, signed

Address = tuple[str, int]

WINDOW = 5.0
"""Seconds after (re-)connecting in which another source than the SDP's may be taken."""
RUN_PACKETS = 5
RUN_SECONDS = 0.080
RUN_SHORTEST = 0.010
"""Seconds of sound in a packet at least: a run that comes faster, but for `RUN_AHEAD`, is a flood and no speech."""
RUN_AHEAD = 25
"""Packets that may have been kept up on their way and come at once."""
CANDIDATES = 4
"""Sources watched at a time; a flood from more changes nothing."""
REBOUND_AFTER = 0.5
"""Seconds without a packet of the locked source after which its stream may go on from another port."""
REBOUND_JUMP = 500
"""Packets that the stream may have gone on by meanwhile (10 s)."""
STALE = 0.2
"""Seconds without a packet after which a candidate gives its place away."""


class Source:
    """The remote address of one call."""

    __slots__ = ("_announced", "_at", "_last", "_runs", "_until", "address", "locked")

    def __init__(self, announced: Address, now: float) -> None:
        self.address = announced
        """Where our packets go."""
        self.locked = False
        self._announced = announced
        self._until = now + WINDOW
        self._runs: dict[Address, _Run] = {}
        self._last: Packet | None = None
        self._at = now

    def reopen(self, announced: Address, now: float) -> None:
        """Signalling spoke again. A source found behind a NAT stays, unless another address is announced."""
        if announced != self._announced:
            self.address = self._announced = announced
        self.locked = False
        self._until = now + WINDOW
        self._runs.clear()

    def accept(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` belongs to the call; may move `address` to `sender` under the rules."""
        if sender == self.address:
            self.locked = True
            self._last, self._at = packet, now
            return True
        if (self.locked or now > self._until) and not self._rebound(sender, packet, now):
            return False
        run = self._runs.get(sender)
        if run is None:
            self._runs = {where: run for where, run in self._runs.items() if now - run.at < STALE}
            if len(self._runs) < CANDIDATES:
                self._runs[sender] = _Run(packet, 1, now, now)
            return False
        run = self._runs[sender] = run.extended(packet, now)
        lasted = now - run.since
        if run.packets < RUN_PACKETS or lasted < RUN_SECONDS - 0.001 or run.packets > RUN_AHEAD + lasted / RUN_SHORTEST:
            return False
        self.address, self.locked = sender, True
        self._last, self._at = packet, now
        self._runs.clear()
        return True

    def _rebound(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` goes on with the stream of the source that has fallen silent, from another port of it."""
        last = self._last
        return (
            last is not None
            and sender[0] == self.address[0]
            and now - self._at >= REBOUND_AFTER
            and packet.ssrc == last.ssrc
            and 0 < signed(packet.sequence - last.sequence, 16) <= REBOUND_JUMP
        )


class _Run(NamedTuple):
    """Packets in a row from one candidate."""

    last: Packet
    packets: int
    since: float
    at: float

    def extended(self, packet: Packet, now: float) -> "_Run":
        """The run with one more packet, or a new one if it does not continue the last."""
        last = self.last
        steady = (
            (packet.ssrc, packet.payload_type) == (last.ssrc, last.payload_type)
            and signed(packet.sequence - last.sequence, 16) == 1
            and 0 < signed(packet.timestamp - last.timestamp, 32) <= RATE
        )
        return _Run(packet, self.packets + 1, self.since, now) if steady else _Run(packet, 1, now, now)
