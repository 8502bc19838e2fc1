"""Whose packets are believed: symmetric RTP (RFC 4961) that cannot be hijacked.

RFC 7362 warns of latching, and RTP Bleed (AST-2017-005) is what it warns of. The rules here: a packet from the address
that signalling announced always wins, and always wins back. Another source is considered only while nothing came from
whom we talk to, only in the first seconds after signalling spoke, and only after a steady run of packets that come no
faster than speech; who was left by a move has to wait. Later the only other source that is followed is another port of
the same host on which the same stream goes on after it fell silent: a NAT has given it a new one. `TABLE` is all of it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from media.g711 import RATE
from media.rtp.packet import Packet, signed

Address = tuple[str, int]

WINDOW = 5.0
"""Seconds after signalling spoke in which another source than the announced one may be found."""
LEFT = 2.0
"""Seconds of these in which whom the call was moved away from is not taken for the new side: both send for a while."""
RUN_PACKETS = 5
RUN_SECONDS = 0.080
RUN_SHORTEST = 0.010
"""Seconds of sound in a packet at least: a run that comes faster, but for `RUN_AHEAD`, is a flood and no speech."""
RUN_AHEAD = 25
"""Packets that may have been kept up on their way and come at once."""
CANDIDATES = 4
"""Sources watched at a time; a flood from more changes nothing."""
REBOUND_AFTER = 0.5
"""Seconds without a packet of whom we talk to after which a stream that was heard may go on from elsewhere."""
REBOUND_JUMP = 500
"""Packets that the stream may have gone on by meanwhile (10 s)."""
STALE = 0.2
"""Seconds without a packet after which a candidate gives its place away."""


class State(Enum):
    """Whom we talk to."""

    OPEN = "nobody heard since signalling spoke"
    CLAIMED = "the announced address, by its first packets"
    ANNOUNCED = "the announced address"
    FOUND = "another source in its place"


class Seen(Enum):
    """What a packet is."""

    ANNOUNCED = "a packet of the announced address"
    STEADY = "one more after enough of the announced address"
    FOUND = "a packet of who was found"
    RUN = "a steady run of another source in the first seconds"
    REBOUND = "a steady run that goes on with the stream from another port of its host"
    RESUMED = "who was found goes on, and the announced address has fallen silent"


class Do(Enum):
    """What else is done when a packet is taken."""

    SEND = "our sound goes there from now on"


S, P = State, Seen
_SEND = (Do.SEND,)
TABLE: Mapping[tuple[State, Seen], tuple[State, tuple[Do, ...]]] = {
    (S.OPEN, P.ANNOUNCED): (S.CLAIMED, _SEND),
    (S.OPEN, P.FOUND): (S.FOUND, ()),  # a session refresh: who is behind a NAT stays
    (S.OPEN, P.RUN): (S.FOUND, _SEND),
    (S.OPEN, P.REBOUND): (S.FOUND, _SEND),
    (S.CLAIMED, P.ANNOUNCED): (S.CLAIMED, ()),
    (S.CLAIMED, P.STEADY): (S.ANNOUNCED, ()),
    (S.CLAIMED, P.REBOUND): (S.FOUND, _SEND),
    (S.CLAIMED, P.RESUMED): (S.FOUND, _SEND),  # a single forged packet does not end a call behind a NAT
    (S.ANNOUNCED, P.ANNOUNCED): (S.ANNOUNCED, ()),
    (S.ANNOUNCED, P.REBOUND): (S.FOUND, _SEND),
    (S.FOUND, P.ANNOUNCED): (S.CLAIMED, _SEND),
    (S.FOUND, P.FOUND): (S.FOUND, ()),
    (S.FOUND, P.REBOUND): (S.FOUND, _SEND),
}
"""The packets that are taken. What has no entry is not of this call."""
_SETTLED = (State.ANNOUNCED, State.FOUND)


class Source:
    """The remote address of one call."""

    __slots__ = ("_announced", "_at", "_before", "_claims", "_last", "_left", "_runs", "_settled", "_until", "address",
                 "state")  # fmt: skip

    def __init__(self, announced: Address, now: float) -> None:
        self.address = announced
        """Where our packets go."""
        self.state = State.OPEN
        self._settled = False
        self._announced = announced
        self._until = now + WINDOW
        self._runs: dict[Address, _Run] = {}
        self._left: dict[Address, float] = {}
        """Whom the call was moved away from, and until when that counts."""
        self._last: Packet | None = None
        """Of whom we talk to; it came at `_at`."""
        self._at = now
        self._before: tuple[Address, Packet] | None = None
        """Who was found, and its last packet, when the announced address claimed the call."""
        self._claims = 0

    def reopen(self, announced: Address, now: float) -> None:
        """Signalling spoke again. A source found behind a NAT stays, unless another address is announced."""
        if announced != self._announced:
            left = {where: until for where, until in self._left.items() if until > now}
            left |= {self._announced: now + LEFT, self.address: now + LEFT}
            self._left = dict(list(left.items())[-CANDIDATES:])
            self.address = self._announced = announced
            self._last = None
        self._before = None
        self._turn(State.OPEN)
        self._until = now + WINDOW
        self._runs.clear()

    def accept(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` belongs to the call; may move `address` to `sender` under the rules."""
        if not (self._settled and sender == self.address):  # nearly always
            seen = self._see(sender, packet, now)
            if seen is None or (cell := TABLE.get((self.state, seen))) is None:
                return False
            state, done = cell
            if state is State.CLAIMED is not self.state:
                known = self._last if self.address != sender else None
                self._before = (self.address, known) if known else None
                self._claims = 1
            elif state is State.ANNOUNCED:  # no single packet any more
                self._before = None
            self._turn(state)
            if Do.SEND in done:
                self.address = sender
        self._last, self._at = packet, now
        return True

    def _turn(self, state: State) -> None:
        self.state, self._settled = state, state in _SETTLED

    def _see(self, sender: Address, packet: Packet, now: float) -> Seen | None:
        if sender == self._announced:
            self._claims += 1
            return Seen.STEADY if self.state is State.CLAIMED and self._claims >= RUN_PACKETS else Seen.ANNOUNCED
        if sender == self.address:
            return Seen.FOUND
        silent = now - self._at >= REBOUND_AFTER
        if silent and self._before and sender == self._before[0] and _goes_on(self._before[1], packet):
            return Seen.RESUMED
        if silent and sender[0] == self.address[0] and self._last and _goes_on(self._last, packet):
            seen = Seen.REBOUND
        elif now <= self._until and self._left.get(sender, now) <= now:
            seen = Seen.RUN
        else:
            return None
        return seen if (self.state, seen) in TABLE and self._is_steady(sender, packet, now) else None

    def _is_steady(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` completes a run."""
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
        self._runs.clear()
        return True


def _goes_on(last: Packet, packet: Packet) -> bool:
    """Whether `packet` is of the same stream, and later."""
    return packet.ssrc == last.ssrc and 0 < signed(packet.sequence - last.sequence, 16) <= REBOUND_JUMP


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
