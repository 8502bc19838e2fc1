"""The jitter buffer for speech recognition.

A recogniser is not a loudspeaker: it takes sound whenever it comes. It needs the packets in order, none missing, and as
much sound as time has passed. So packets in order are put out at once. Packets after a hole wait for a short time;
then the hole is filled with sound of exactly its length: lost packets are concealed from both sides, time in which
nothing was sent becomes silence.
When no packets come, silence is inserted, so that the recogniser's clock goes on (`media.jitter.gap_filler`). That
surplus is taken back from later holes, then by leaving out quiet frames, never speech. `media.jitter.states` is the
table of the states.

Positions are samples of the sender's RTP clock, extended past their 32 bits; times are seconds.
"""

from dataclasses import dataclass

from media.fast import base
from media.g711 import RATE, ULAW_SILENCE
from media.jitter.gap_filler import QUIET_WAIT, GapFiller, frames_within
from media.jitter.losses import Losses
from media.jitter.plc import bridge
from media.jitter.states import State
from media.rtp.packet import signed

HOLE_WAIT = 0.040
"""Seconds that the packets after a hole wait for it, at first."""
HOLE_WAIT_MAX = 0.080
DEPTH = 100
"""Packets that may wait after a hole (2 s); with any more the hole is given up."""
MAX_DROPOUT = 3000
"""Packets that may be missing in a row before a sequence number is out of the window (RFC 3550 A.1)."""
MAX_MISORDER = 100
"""Packets by which one may be late before its sequence number is out of the window (RFC 3550 A.1)."""
JUMP = 1.0
"""Seconds by which a gap in the timestamps may differ from our clock before it is a jump of the sender's clock."""
MAX_FILL = 2.0
"""Seconds of silence put into one hole at once, beyond the silence that was inserted already."""
LEAD = 10.0
"""Seconds of sound that a sender may bring beyond the time that has passed. It is more than any delay of the first
packets, and a clock that is a hundredth too fast does not reach it."""
SKEW = 0.001
"""How much faster or slower than ours the sender's clock may run (per second) without being taken for a jump."""

_IN_STEP = State.IN_STEP
_PACED = (State.CHECKING_CLOCK, State.CATCHING_UP)


@dataclass(slots=True)
class JitterStats(base.JitterStats):
    """Counters, with each kind of loss by itself. Lengths are in samples, times in seconds."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    out_of_window: int = 0
    """Packets dropped because their sequence number was far from the expected one."""
    too_fast: int = 0
    """Packets dropped because the sender was `LEAD` seconds ahead of time."""
    reordered: int = 0
    overtaken_by: int = 0
    """The most packets that overtook the same packet."""
    concealed: int = 0
    """Samples of concealment in place of lost packets."""
    unsent: int = 0
    """Samples of silence where nothing was sent: in a pause, during a key, or for losses at the edge of either."""
    inserted: int = 0
    """Samples of silence put out because no sound came."""
    trimmed: int = 0
    """Samples of quiet frames left out to take back inserted silence."""
    surplus_max: int = 0
    """The most samples of inserted silence that were not yet taken back."""
    clock_jumps: int = 0
    resets: int = 0
    longest_stall: float = 0.0


class JitterBuffer(base.JitterBuffer):
    """The receiving half of one call. `put` takes packets, `poll` is called every 20 ms; both return sound that is
    ready."""

    __slots__ = ("_hole_wait", "losses")

    def __init__(self) -> None:
        self.stats = JitterStats()
        self.losses = Losses()
        self._begins_with: int | None = None
        """Sequence number with which a new stream begins: None for any, -1 for none."""
        self._sequence = 0
        self._timestamp = 0
        self._heard_at = 0.0
        self._sound_at = 0.0
        self._ahead = 0.0
        """Seconds by which the sender's clock has gained on ours."""
        self._waiting: dict[int, tuple[int, bytes | None, float]] = {}
        self._hole_wait = HOLE_WAIT
        self._filler = GapFiller()

    def restart(self) -> None:
        """Expect a stream with a new SSRC; the time until its first packet is measured by our clock."""
        self._begins_with = None

    def put(self, sequence: int, timestamp: int, payload: bytes | None, now: float) -> bytes:
        """Take a packet; `payload` is None for one that carries no sound (telephone event, comfort noise)."""
        stats, filler = self.stats, self._filler
        if self._ahead > LEAD and payload and self._ahead - (now - self._sound_at) > LEAD:
            stats.too_fast += 1
            if sequence == self._sequence & 0xFFFF and not self._waiting:  # else its own time would be filled, too
                self._heard_at = now
                self._sequence += 1
                self._timestamp = timestamp + len(payload)
            return b""
        if (
            timestamp == self._timestamp & 0xFFFFFFFF
            and sequence == self._sequence & 0xFFFF
            and payload
            and filler.state is _IN_STEP
            and not self._waiting
            and self._begins_with is not None
        ):  # nearly always: the packet follows the last one without a gap, and there is no surplus
            stats.received += 1
            since = now - self._sound_at
            if since > stats.longest_stall:
                stats.longest_stall = max(stats.longest_stall, now - self._heard_at)
            self._heard_at = self._sound_at = now
            self._sequence += 1
            self._timestamp += len(payload)
            ahead = self._ahead + len(payload) / RATE - since
            self._ahead = ahead = ahead - ahead * SKEW * (min(1.0, since))
            filler.follow(payload, now, since, ahead)
            return payload
        stats.received += 1
        stats.longest_stall = max(stats.longest_stall, now - (self._heard_at or now))
        self._heard_at = now
        ready: list[bytes] = []
        if self._begins_with is None:
            self._begin(sequence, timestamp, now, ready)
        ahead = signed(sequence - self._sequence, 16)
        if not -MAX_MISORDER < ahead <= MAX_DROPOUT:
            if sequence != self._begins_with:
                self._begins_with = (sequence + 1) & 0xFFFF
                stats.out_of_window += 1
                return b""
            stats.resets += 1
            self._begin(sequence, timestamp, now, ready)  # RFC 3550 A.1: two in a row, so the other side restarted
            ahead = 0
        if ahead == 0 and not self._waiting:  # nearly always
            self._sequence += 1
            self._emit(timestamp, payload, now, ready)
            return self._paced(ready, now)
        at = self._sequence + ahead
        if ahead < 0 or at in self._waiting:
            self._count_old(at, now)
            return b""
        if self._waiting and at < (last := max(self._waiting)):
            stats.reordered += 1
            stats.overtaken_by = max(stats.overtaken_by, last - at)
        self._waiting[at] = (timestamp, payload, now)
        return self._release(now)

    def poll(self, now: float) -> bytes:
        """Give up holes that were waited for long enough; insert silence when no sound comes."""
        filler = self._filler
        ready = self._release(now) if self._waiting else b""
        if filler.state is not _IN_STEP and filler.pacer:
            filler.skip(now)
            return ready + self._paced([], now)
        if not filler.sound_at or now - filler.sound_at < QUIET_WAIT[0]:
            return ready
        inserted = filler.insert(now, self._hole_wait)
        if inserted:
            self.stats.inserted += inserted
            self.stats.surplus_max = max(self.stats.surplus_max, filler.surplus)
            ready += bytes([ULAW_SILENCE]) * inserted
        return ready

    @property
    def hole_wait(self) -> float:
        """Seconds that the packets after a hole wait for it, now."""
        return self._hole_wait

    @property
    def surplus(self) -> int:
        """Samples of silence inserted and not yet taken back."""
        return self._filler.surplus

    @property
    def state(self) -> State:
        """How the sound put out compares with the time that has passed."""
        return self._filler.state

    def _begin(self, sequence: int, timestamp: int, now: float, ready: list[bytes]) -> None:
        """Begin a new stream; packets of the stream before that still wait are put out first."""
        while self._waiting:
            self._release_next(min(arrived for _, _, arrived in self._waiting.values()), ready)
        self.losses.restart()
        self._filler.restart()
        self._begins_with = -1
        self._sequence = sequence
        self._timestamp = timestamp - self._filler.missed(now)
        self._sound_at = self._sound_at or now

    def _count_old(self, at: int, now: float) -> None:
        waited_from = self.losses.came_late(at)
        if waited_from is None:
            self.stats.duplicate += 1
            return
        self.stats.late += 1
        self.stats.lost -= 1
        self.stats.overtaken_by = max(self.stats.overtaken_by, self._sequence - at - 1)
        # The only statistic that a reorder buffer needs: how long it should have waited.
        self._hole_wait = min(HOLE_WAIT_MAX, max(self._hole_wait, now - waited_from))

    def _release(self, now: float) -> bytes:
        ready: list[bytes] = []
        while self._waiting:
            oldest = 0.0
            if self._sequence not in self._waiting:
                oldest = min(arrived for _, _, arrived in self._waiting.values())
                if now - oldest < self._hole_wait and len(self._waiting) < DEPTH:
                    break
            self._release_next(oldest, ready)
        return self._paced(ready, now)

    def _release_next(self, waited_from: float, ready: list[bytes]) -> None:
        """Put out the first packet that waits; the hole before it, if there is one, is given up."""
        if self._sequence not in self._waiting:
            until = min(self._waiting)
            self.stats.lost += until - self._sequence
            self.losses.add(self._sequence, until, waited_from)
            self._sequence = until
        timestamp, payload, arrived = self._waiting.pop(self._sequence)
        self._sequence += 1
        self._emit(timestamp, payload, arrived, ready)

    def _emit(self, timestamp: int, payload: bytes | None, arrived: float, ready: list[bytes]) -> None:
        """Put the sound of a packet into `ready`, and before it the sound that fills the gap."""
        filler = self._filler
        if payload is None:
            filler.last = b""  # the length of an event or of comfort noise is the gap that it leaves in the timestamps
            return
        since = max(0.0, arrived - self._sound_at)
        self._sound_at = max(arrived, self._sound_at)
        gap = self._gap(signed(timestamp - self._timestamp, 32), since)
        self._ahead += (gap + len(payload)) / RATE - since
        self._ahead -= self._ahead * SKEW * min(since, 1.0)
        if gap > 0:
            fill = min(filler.fill(gap), int(MAX_FILL * RATE))
            all_lost = fill == gap == self.losses.since_sound * len(payload)  # else part was a pause, or is filled
            if all_lost:
                self.stats.concealed += fill
                ready.append(bridge(filler.last, fill, payload))
            else:
                self.stats.unsent += fill
                ready.append(bytes([ULAW_SILENCE]) * fill)
        self.losses.since_sound = 0
        if filler.sound(self._sound_at, since, gap / RATE, self._ahead):
            self._ahead = max(0.0, self._ahead)
        self._timestamp = timestamp + len(payload)
        filler.last = payload
        if filler.state not in _PACED and filler.leaves_out(payload):
            self.stats.trimmed += len(payload)
        else:
            ready.append(payload)
        filler.settle()

    def _paced(self, ready: list[bytes], now: float) -> bytes:
        """The part of `ready`, and of sound that waits, that is put out now: all of it except after a hold."""
        filler = self._filler
        if filler.state not in _PACED:
            return b"".join(ready)
        pacer = filler.pacer
        pacer.add(ready)
        paced = []
        while piece := pacer.take(now):
            if filler.leaves_out(piece):
                self.stats.trimmed += len(piece)
            else:
                paced.append(piece)
                pacer.passed(len(piece), now)
        if not pacer:
            filler.drained()
        filler.settle()
        return b"".join(paced)

    def _gap(self, gap: int, since: float) -> int:
        """Samples between the last sound and the present one: `gap` from the timestamps, unless our clock
        contradicts."""
        jumped = abs(gap / RATE - since) > JUMP and abs(gap) > JUMP * RATE
        if jumped or (gap > 0 and self._ahead + gap / RATE - since > JUMP):
            self.stats.clock_jumps += 1
            return frames_within(since)
        return gap
