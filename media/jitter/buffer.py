"""The jitter buffer for speech recognition.

An STT socket is not a loudspeaker: it takes sound whenever it comes, and needs only order, completeness and an honest
time line. So nothing is delayed that is in order; a hole is waited for, then filled with exactly the time it lasted:
what was lost is concealed from both sides, what was not sent is silence.
When packets stop coming, a watchdog (`media.jitter.gap_filler`) lends silence to keep the
recogniser's clock running; the loan is paid back from later holes, then by dropping quiet frames, never speech.

Positions are samples of the sender's RTP clock, extended past their 32 bits; times are seconds.
"""

from dataclasses import dataclass

from media.g711 import RATE, ULAW_SILENCE
from media.jitter.gap_filler import QUIET_WAIT, GapFiller, frames_within
from media.jitter.losses import Losses
from media.jitter.plc import bridge
from media.rtp.packet import signed

HOLE_WAIT = 0.040
"""Seconds that the packets behind a hole wait for it, at first."""
HOLE_WAIT_MAX = 0.080
DEPTH = 100
"""Packets held behind a hole (2 s); beyond that the hole is given up."""
MAX_DROPOUT = 3000
MAX_MISORDER = 100
JUMP = 1.0
"""Seconds by which a timestamp gap may differ from the wall clock before it is a jump of the sender's clock."""
MAX_FILL = 2.0
"""Seconds of silence put into one hole at once, beyond what was lent already."""
SKEW = 0.001
"""How fast the sender's clock may drift against ours (per second) without being taken for a jump."""


@dataclass(slots=True)
class JitterStats:
    """What happened, each kind of loss by itself. Times are in samples."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    wild: int = 0
    """Dropped for a sequence number far from all others."""
    reordered: int = 0
    overtaken_by: int = 0
    """Packets that one was overtaken by at most."""
    concealed: int = 0
    """Put in the place of what was lost."""
    unsent: int = 0
    """Silence in the place of what was not sent: a pause, a key, or losses at the edge of one."""
    lent: int = 0
    trimmed: int = 0
    debt_max: int = 0
    clock_jumps: int = 0
    resets: int = 0
    longest_stall: float = 0.0


class JitterBuffer:
    """The receiving half of one call. `put` what arrives, `poll` regularly; both return sound that is ready."""

    __slots__ = (
        "_ahead",
        "_bad_sequence",
        "_heard_at",
        "_hole_wait",
        "_sequence",
        "_sound_at",
        "_stall",
        "_started",
        "_timestamp",
        "_waiting",
        "losses",
        "stats",
    )

    def __init__(self) -> None:
        self.stats = JitterStats()
        self._started = False
        self._sequence = 0
        self._timestamp = 0
        self._heard_at = 0.0
        self._sound_at = 0.0
        self._ahead = 0.0
        self._waiting: dict[int, tuple[int, bytes | None, float]] = {}
        self.losses = Losses()
        self._hole_wait = HOLE_WAIT
        self._stall = GapFiller()
        self._bad_sequence = -1

    def restart(self) -> None:
        """Expect a stream with a new SSRC; the time until its first packet is filled by the wall clock."""
        self._started = False

    def put(self, sequence: int, timestamp: int, payload: bytes | None, now: float) -> bytes:
        """Take a packet; `payload` is None for one that carries no sound (telephone event, comfort noise)."""
        stats, stall = self.stats, self._stall
        if (
            timestamp == self._timestamp & 0xFFFFFFFF
            and sequence == self._sequence & 0xFFFF
            and payload
            and self._started
            and stall.settled
            and not self._waiting
        ):  # nearly always: it follows the last without a gap and nothing is owed, so it has the shortest way
            stats.received += 1
            since = now - self._sound_at
            if since > stats.longest_stall:
                stats.longest_stall = max(stats.longest_stall, now - self._heard_at)
            self._heard_at = self._sound_at = now
            self._sequence += 1
            self._timestamp += len(payload)
            ahead = self._ahead + len(payload) / RATE - since
            self._ahead = ahead = ahead - ahead * SKEW * (min(1.0, since))
            stall.follow(payload, now, since, ahead)
            return payload
        stats.received += 1
        stats.longest_stall = max(stats.longest_stall, now - (self._heard_at or now))
        self._heard_at = now
        ready: list[bytes] = []
        if not self._started:
            self._begin(sequence, timestamp, now, ready)
        ahead = signed(sequence - self._sequence, 16)
        if not -MAX_MISORDER < ahead <= MAX_DROPOUT:
            if sequence != self._bad_sequence:
                self._bad_sequence = (sequence + 1) & 0xFFFF
                stats.wild += 1
                return b""
            stats.resets += 1
            self._begin(sequence, timestamp, now, ready)  # RFC 3550 A.1: two in a row, so the other side restarted
            ahead = 0
        if ahead == 0 and not self._waiting:  # nearly always
            self._sequence += 1
            self._emit(timestamp, payload, now, ready)
            return self._out(ready, now)
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
        """Give up holes that were waited for long enough; lend silence when nothing comes."""
        stall = self._stall
        ready = self._release(now) if self._waiting else b""
        if not stall.settled and stall.backlog:
            stall.cover(now)
            return ready + self._out([], now)
        if not stall.sound_at or now - stall.sound_at < QUIET_WAIT[0]:
            return ready
        lent = stall.lend(now, self._hole_wait)
        if lent:
            self.stats.lent += lent
            self.stats.debt_max = max(self.stats.debt_max, stall.debt)
            ready += bytes([ULAW_SILENCE]) * lent
        return ready

    @property
    def hole_wait(self) -> float:
        """Seconds that the packets behind a hole wait for it, now."""
        return self._hole_wait

    @property
    def debt(self) -> int:
        """Samples lent and not yet paid back."""
        return self._stall.debt

    def _begin(self, sequence: int, timestamp: int, now: float, ready: list[bytes]) -> None:
        """A stream begins; what waits of the one before goes first."""
        while self._waiting:
            self._release_next(min(arrived for _, _, arrived in self._waiting.values()), ready)
        self.losses.restart()
        self._stall.restart()
        hole = self._stall.wall_clock_hole(now)
        self._started = True
        self._sequence = sequence
        self._timestamp = timestamp - hole
        self._sound_at = self._sound_at or now

    def _count_old(self, at: int, now: float) -> None:
        waited_from = self.losses.came_late(at)
        if waited_from is None:
            self.stats.duplicate += 1
            return
        self.stats.late += 1
        self.stats.lost -= 1
        self.stats.overtaken_by = max(self.stats.overtaken_by, self._sequence - at - 1)
        # The only statistic a reorder buffer needs: how long it should have waited.
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
        return self._out(ready, now)

    def _release_next(self, waited_from: float, ready: list[bytes]) -> None:
        """Put out the first packet that waits; the hole before it, if there is one, is given up."""
        if self._sequence not in self._waiting:
            self._give_up(min(self._waiting), waited_from)
        timestamp, payload, arrived = self._waiting.pop(self._sequence)
        self._sequence += 1
        self._emit(timestamp, payload, arrived, ready)

    def _give_up(self, until: int, waited_from: float) -> None:
        self.stats.lost += until - self._sequence
        self.losses.add(self._sequence, until, waited_from)
        self._stall.lost += until - self._sequence
        self._sequence = until

    def _emit(self, timestamp: int, payload: bytes | None, arrived: float, ready: list[bytes]) -> None:
        stall = self._stall
        if payload is None:
            stall.last = b""  # events and comfort noise are told by the gap they leave in the timestamps
            return
        since = max(0.0, arrived - self._sound_at)
        self._sound_at = max(arrived, self._sound_at)
        gap = self._gap(signed(timestamp - self._timestamp, 32), since)
        self._ahead += (gap + len(payload)) / RATE - since
        self._ahead -= self._ahead * SKEW * min(since, 1.0)
        if gap > 0:
            fill = min(stall.repay(gap), int(MAX_FILL * RATE))
            heard_all = fill == gap == stall.lost * len(payload)  # else it was a pause too, or silence was lent
            if heard_all:
                self.stats.concealed += fill
                ready.append(bridge(stall.last, fill, payload))
            else:
                self.stats.unsent += fill
                ready.append(bytes([ULAW_SILENCE]) * fill)
        stall.lost = 0
        if stall.sound(self._sound_at, since, gap / RATE, self._ahead):
            self._ahead = 0.0
        self._timestamp = timestamp + len(payload)
        stall.last = payload
        if not stall.backlog.active and stall.trims(payload):
            self.stats.trimmed += len(payload)
        else:
            ready.append(payload)
        stall.settle()

    def _out(self, ready: list[bytes], now: float) -> bytes:
        """What may be handed on of it now: all, but for the time behind a long stall."""
        stall = self._stall
        backlog = stall.backlog
        if not backlog.active:
            return b"".join(ready)
        backlog.add(ready)
        paced = []
        while piece := backlog.take(now):
            if stall.trims(piece):
                self.stats.trimmed += len(piece)
            else:
                paced.append(piece)
                backlog.passed(len(piece), now)
        backlog.active = bool(backlog) or stall.doubt.until > 0
        stall.settle()
        return b"".join(paced)

    def _gap(self, gap: int, since: float) -> int:
        """Samples between the last sound and this, by the timestamps, unless they contradict the wall clock."""
        jumped = abs(gap / RATE - since) > JUMP and abs(gap) > JUMP * RATE
        if jumped or (gap > 0 and self._ahead + gap / RATE - since > JUMP):
            self.stats.clock_jumps += 1
            return frames_within(since)
        return gap
