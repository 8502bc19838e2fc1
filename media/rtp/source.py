"""The source of packets that is accepted: symmetric RTP (RFC 4961) that cannot be hijacked.

RFC 7362 warns of latching; RTP Bleed (AST-2017-005) was such an attack. The rules here: packets from the address that
signalling announced are always accepted, and move the call back to it. Another source is considered only while nothing
comes from the present source, only in the first seconds after signalling spoke, and only after a steady run of packets
that come no faster than speech. After a re-INVITE the former source is heard until the new address sends its first
packet; our sound already goes to the new address. While the former source is heard, no other source is found. Once an
address that was proven by ICE was heard, neither the former source nor a stranger is accepted. Later only one other
source is followed: another port of the same host on which the same stream continues after it fell silent, because a NAT
has given it a new port. `TABLE` has all the rules.
"""

from collections.abc import Mapping
from enum import Enum
from math import inf
from typing import NamedTuple

from media.fast import base
from media.g711 import RATE
from media.rtp.ice import Component, IceCredentials, IceLite
from media.rtp.packet import Packet, signed

Address = tuple[str, int]

WINDOW = 5.0
"""Seconds after signalling spoke in which another source than the announced one may be accepted."""
LEFT = 2.0
"""Seconds of `WINDOW` in which the source before a re-INVITE cannot take the call back: for a while both sources
send."""
RUN_PACKETS = 5
RUN_SECONDS = 0.080
RUN_SHORTEST = 0.010
"""The least seconds of sound in a packet: a run that comes faster, except for `RUN_AHEAD`, is a flood, not speech."""
RUN_AHEAD = 25
"""Packets that may come at once, after a delay on the network."""
CANDIDATES = 4
"""Sources watched at a time; a flood from more of them changes nothing."""
REBOUND_AFTER = 0.5
"""Seconds without a packet of the present source after which its stream may continue from another port."""
REBOUND_JUMP = 500
"""Packets by which the stream may have advanced meanwhile (10 s)."""
STALE = 0.2
"""Seconds without a packet after which a candidate loses its place."""


class State(Enum):
    """The source that is accepted."""

    OPEN = "no packet has come since signalling spoke"
    PROVEN = "an address that was proven by ICE is heard, and none is chosen yet"
    CLAIMED = "the announced address, by its first packets"
    ANNOUNCED = "the announced address"
    FOUND = "another source in its place"


class Seen(Enum):
    """The meaning of a packet."""

    ANNOUNCED = "a packet of the announced address"
    STEADY = "one more after enough of the announced address"
    FOUND = "a packet of the other source that was accepted"
    FORMER = "it comes from where the call was moved away from, and only from there"
    CHECKED = "it comes from an address that was proven by ICE, and none is chosen yet"
    RUN = "a steady run of another source in the first seconds, while nobody else is heard"
    REBOUND = "a steady run that continues the stream from another port of its host"
    RESUMED = "the other source continues, and the announced address has fallen silent"


class Do(Enum):
    """Additional action when a packet is accepted."""

    SEND = "our sound is sent there from now on"


S, P = State, Seen
_SEND = (Do.SEND,)
TABLE: Mapping[tuple[State, Seen], tuple[State, tuple[Do, ...]]] = {
    (S.OPEN, P.ANNOUNCED): (S.CLAIMED, _SEND),
    (S.OPEN, P.FOUND): (S.FOUND, ()),  # a session refresh: a source behind a NAT stays
    (S.OPEN, P.FORMER): (S.OPEN, ()),  # a PBX that hands over tells one side first: the caller still speaks
    (S.OPEN, P.CHECKED): (S.PROVEN, ()),
    (S.OPEN, P.RUN): (S.FOUND, _SEND),
    (S.OPEN, P.REBOUND): (S.FOUND, _SEND),
    (S.PROVEN, P.ANNOUNCED): (S.CLAIMED, _SEND),
    (S.PROVEN, P.FOUND): (S.FOUND, ()),
    (S.PROVEN, P.CHECKED): (S.PROVEN, ()),
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
"""The packets that are accepted. All others are dropped."""
_SETTLED = (State.ANNOUNCED, State.FOUND)


class Source(base.Source):
    """The remote address of one call."""

    __slots__ = ("_announced", "_before", "_claims", "_left", "_runs", "_until", "ice", "state")

    def __init__(self, announced: Address, now: float) -> None:
        self.address: Address = announced
        """Where our packets go."""
        self.state = State.OPEN
        self.ice: IceLite | None = None
        """The ICE session by which the other side chooses the address; None if ICE was not agreed."""
        self._settled = False
        self._announced = announced
        self._until = now + WINDOW
        self._runs: dict[Address, _Run] = {}
        self._left: dict[Address, _Left] = {}
        """Sources that the call was moved away from."""
        self._last = -1
        """SSRC and sequence number, in one number, of the last packet of the present source (at `_at`); -1 for none."""
        self._at = now
        self._before: tuple[Address, int] | None = None
        """The other source that was heard before the announced address took the call back, and the value of `_last` of
        its last packet."""
        self._claims = 0

    def connect(self, announced: Address, now: float, ice: IceCredentials | None) -> None:
        """Follow signalling: expect packets from `announced` until the other side chooses an address by `ice`."""
        if ice is None or self.ice is None or self.ice.credentials != ice:
            self.ice = IceLite(ice, now) if ice else None
        self.reopen((self.ice and self.ice.nominated.get(Component.RTP)) or announced, now)

    def reopen(self, announced: Address, now: float) -> None:
        """Follow further signalling, or the choice of `announced` by ICE. A source behind a NAT stays accepted unless
        another address is announced."""
        if announced != self._announced:
            left = {where: one for where, one in self._left.items() if one.until > now}
            heard = self._at if self._last >= 0 else -inf
            left |= {self._announced: _Left(now + LEFT, -inf), self.address: _Left(now + LEFT, heard)}
            self._left = dict(list(left.items())[-CANDIDATES:])
            self.address = self._announced = announced
            self._last = -1
        self._before = None
        self._turn(State.OPEN)
        self._until = now + WINDOW
        self._runs.clear()

    def accept(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` is accepted; may change `address` to `sender` by the rules."""
        if not (self._settled and sender == self.address):  # nearly always
            seen = self._see(sender, packet, now)
            if seen is None or (cell := TABLE.get((self.state, seen))) is None:
                return False
            if seen is Seen.FORMER:
                self._left[sender] = _Left(self._left[sender].until, now)
                return True
            state, done = cell
            if seen is Seen.CHECKED:
                self._turn(state)
                return True
            if state is State.CLAIMED is not self.state:
                known = self._last >= 0 and self.address != sender
                self._before = (self.address, self._last) if known else None
                self._claims = 1
            elif state is State.ANNOUNCED:  # several packets have come, so it was no single forged one
                self._before = None
            self._turn(state)
            if Do.SEND in done:
                self.address = sender
        self._last, self._at = _position(packet), now
        return True

    def _turn(self, state: State) -> None:
        self.state, self._settled = state, state in _SETTLED

    def _see(self, sender: Address, packet: Packet, now: float) -> Seen | None:
        if sender == self._announced:
            self._claims += 1
            return Seen.STEADY if self.state is State.CLAIMED and self._claims >= RUN_PACKETS else Seen.ANNOUNCED
        if sender == self.address:
            return Seen.FOUND
        left = self._left.get(sender)
        if left and self.state is State.OPEN and now < left.until and not self._later(left, now):
            return Seen.FORMER
        proven = self.ice is not None and Component.RTP not in self.ice.nominated and sender in self.ice.checked
        if proven and (self.state, Seen.CHECKED) in TABLE:
            return Seen.CHECKED
        silent = now - self._at >= REBOUND_AFTER
        if silent and self._before and sender == self._before[0] and _goes_on(self._before[1], packet):
            return Seen.RESUMED
        if silent and sender[0] == self.address[0] and _goes_on(self._last, packet):
            seen = Seen.REBOUND
        elif now <= self._until and (left is None or left.until <= now) and not self._later(left, now):
            seen = Seen.RUN
        else:
            return None
        return seen if (self.state, seen) in TABLE and self._is_steady(sender, packet, now) else None

    def _later(self, left: "_Left | None", now: float) -> bool:
        """Whether a former source was heard in the last `STALE` seconds, and later than `left` was heard. For a
        stranger, `left` is None: later than signalling spoke."""
        since = max(now - STALE, left.heard if left else self._until - WINDOW)
        return any(one.heard > since for one in self._left.values())

    def _is_steady(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` completes a steady run of `sender`."""
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


def _position(packet: Packet) -> int:
    """SSRC and sequence number in one number."""
    return packet.ssrc << 16 | packet.sequence


def _goes_on(last: int, packet: Packet) -> bool:
    """Whether `packet` continues the stream whose last packet has the SSRC and sequence number `last`."""
    return packet.ssrc == last >> 16 and 0 < signed(packet.sequence - (last & 0xFFFF), 16) <= REBOUND_JUMP


class _Left(NamedTuple):
    """A source that the call was moved away from."""

    until: float
    """The time at which this source may take the call back, in seconds."""
    heard: float
    """The time at which the last packet of this source was heard, in seconds; -inf for none."""


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
