"""The jitter buffer for a person who listens: a frame every 20 ms, whatever the network does.

It plays each sample so long after the earliest possible moment that nearly all packets have come by then: a quantile of
their recent delays, measured against the fastest packet (the rule of WebRTC's NetEQ, in finer steps). Packets that come
even later are played late rather than not at all: the delay grows while concealment covers the wait, and shrinks again
in the pauses of the speaker, where frames are left out or added. So clocks that run apart, longer routes, holds and new
streams need no rule of their own.

Positions are samples of the sender's RTP clock from an origin of our own; times are seconds.
"""

from array import array
from dataclasses import dataclass
from functools import reduce
from operator import add

from media.fast import base
from media.g711 import FRAME, FRAME_SECONDS, QUIET_LEVEL, RATE, SILENCE, level
from media.jitter.buffer import JUMP
from media.jitter.gap_filler import frames_within
from media.jitter.hold import HOLD
from media.jitter.plc import REACH, Concealment
from media.rtp.packet import signed

BLOCK = 80
"""Samples that packets are cut into (10 ms): the greatest common divisor of all usual packets."""
DEPTH = 200
"""Blocks that may wait (2 s); with any more the oldest are dropped."""
QUANTILE = 0.97
"""Part of the packets that are to arrive in time."""
BIN = 0.005
"""Seconds per bin of the histogram of delays."""
BINS = 60
"""The target delay never exceeds these bins (300 ms)."""
FORGET = 0.998
"""Factor by which the weight of older delays in the histogram falls with each packet."""
WINDOW = 1.0
"""Seconds of each of the two windows in which the fastest packet is found."""
FADED = REACH + FRAME
"""Samples of concealment after which nothing of it is heard any more."""
SLACK = 0.005
"""Seconds by which the delay may be longer than needed before a pause is shortened."""


@dataclass(slots=True)
class PlayoutJitterStats(base.PlayoutJitterStats):
    """Changes of the sound, in frames of 20 ms if nothing else is said."""

    played: int = 0
    concealed: int = 0
    late: int = 0
    """Packets that came after their time."""
    added: int = 0
    dropped: int = 0
    overflowed: int = 0
    """Blocks of 10 ms dropped because too many waited."""
    clock_jumps: int = 0


class PlayoutJitterBuffer(base.PlayoutJitterBuffer):
    """The receiving half of one call for a listener. `put` takes packets, `take` returns a frame every 20 ms."""

    __slots__ = ()

    def __init__(self) -> None:
        self.stats = PlayoutJitterStats()
        self._stream: StreamPositions | None = None
        self._delays = Delays()
        self._blocks: dict[int, bytes] = {}
        self._at = 0
        self._bridged = 0
        """Samples put out while nothing waited, since the last frame that was played."""
        self._level = 0
        """Loudness of the last frame that was played."""
        self._concealment = Concealment()

    def restart(self) -> None:
        """Expect a stream with a new SSRC; sound of the old one that waits is still played."""
        if self._stream:
            self._stream.restart()

    def put(self, sequence: int, timestamp: int, payload: bytes | None, now: float) -> None:
        """Take a packet; `payload` is None for one that carries no sound (telephone event, comfort noise)."""
        if not payload:
            return
        if self._stream is None:
            self._stream = StreamPositions(sequence, timestamp, now)
        position = self._stream.position(sequence, timestamp, len(payload), now)
        self.stats.clock_jumps = self._stream.jumps
        self._delays.add(now - position / RATE, now)
        if position < self._at:
            self.stats.late += 1
            self._delays.came_late(now - position / RATE)
            return
        for start in range(0, len(payload) - BLOCK + 1, BLOCK):
            self._blocks[position + start] = payload[start : start + BLOCK]
        while len(self._blocks) > DEPTH:
            oldest = min(self._blocks)
            del self._blocks[oldest]
            self._at = max(self._at, oldest + BLOCK)
            self.stats.overflowed += 1

    @property
    def target(self) -> float:
        """Seconds after the earliest possible moment at which sound should be played."""
        return self._delays.target

    def take(self, now: float) -> bytes:
        """The next 20 ms of mu-law sound."""
        if (whole := self.take_whole(now)) is not None:
            self._level = level(whole)
            return whole
        if self._stream is None:
            return SILENCE
        self._skip_bridged()
        quiet = self._level < QUIET_LEVEL
        spare = now - self._at / RATE - self._delays.fastest - self._delays.target
        if quiet and spare < 0 and self._blocks:
            self.stats.added += 1
            return SILENCE
        if quiet and spare > FRAME_SECONDS + SLACK:  # every second frame is kept: one is played below
            self._leave_out()
        if not self._blocks:
            self._bridged += FRAME
            self.stats.concealed += 1
            return self._concealment.lost() if self._bridged <= FADED else SILENCE
        return self._play(spare)

    def _skip_bridged(self) -> None:
        """Skip the part of a hole for which sound was put out already, while nothing waited."""
        if self._bridged and self._blocks and self._at not in self._blocks:
            self._at += min(self._bridged, min(self._blocks) - self._at)
            self._bridged = 0

    def _leave_out(self) -> None:
        """Leave out a frame of a hole, or a quiet one if the one after it has come."""
        sound = self._blocks.get(self._at, b"") + self._blocks.get(self._at + BLOCK, b"")
        if level(sound) >= QUIET_LEVEL or not self._blocks or (sound and self._at + FRAME not in self._blocks):
            return
        self._blocks.pop(self._at, None)
        self._blocks.pop(self._at + BLOCK, None)
        self._at += FRAME
        self.stats.dropped += 1

    def _play(self, spare: float) -> bytes:
        if spare > JUMP and self._at not in self._blocks:  # the sender ran ahead of time over holes that are not filled
            self._at = min(self._blocks)
        first, second = self._blocks.pop(self._at, None), self._blocks.pop(self._at + BLOCK, None)
        self._at += FRAME
        self._bridged = 0
        if first and second:
            sound = self._concealment.good(first + second)
            self.stats.played += 1
        elif first:
            sound = self._concealment.good(first) + self._concealment.lost(self._blocks.get(self._at, b""), BLOCK)
            self.stats.concealed += 1
        elif second:
            sound = self._concealment.lost(second, BLOCK) + self._concealment.good(second)
            self.stats.concealed += 1
        else:
            sound = self._concealment.lost(self._blocks.get(self._at, b"") + self._blocks.get(self._at + BLOCK, b""))
            self.stats.concealed += 1
        self._level = level(sound)
        return sound


class StreamPositions(base.StreamPositions):
    """Turns timestamps into positions that go on over new streams and jumps of the sender's clock.

    All positions are multiples of a block: if the sender's clock shifts by less than a block, that part is ignored.
    """

    __slots__ = ("jumps",)

    def __init__(self, sequence: int, timestamp: int, now: float) -> None:
        self.jumps = 0
        self._sequence = sequence
        """Sequence number of the last packet; -1 if the next packet is of another stream."""
        self._timestamp = timestamp
        self._position = 0
        self._length = FRAME
        self._arrived = now

    def restart(self) -> None:
        """Expect that the next packet is of another stream."""
        self._sequence = -1

    def position(self, sequence: int, timestamp: int, length: int, now: float) -> int:
        """The position of a packet: by its timestamp, unless both our clock and the sequence numbers contradict it."""
        passed = signed(timestamp - self._timestamp, 32)
        if self._sequence < 0:
            passed = self._length + frames_within(now - self._arrived)
        else:
            steps = signed(sequence - self._sequence, 16)
            if abs(passed / RATE - (now - self._arrived)) > JUMP and passed != steps * self._length:
                self.jumps += 1
                passed = self._length + frames_within(now - self._arrived)
            elif steps <= 0:
                return self._position + _in_blocks(passed)
        self._sequence, self._timestamp, self._length, self._arrived = sequence, timestamp, length, now
        self._position += _in_blocks(passed)
        return self._position


def _in_blocks(samples: int) -> int:
    return (samples + BLOCK // 2) // BLOCK * BLOCK


class Delays(base.Delays):
    """How long packets take, compared with the fastest of the last seconds."""

    __slots__ = ()

    def __init__(self) -> None:
        self.fastest = 0.0
        self.target = 2 * FRAME_SECONDS
        self._recent = self._earlier = float("inf")
        self._turned = 0.0
        self._seen = 0.0
        self._weights = array("d", [0.0] * BINS)
        self._weight = 1.0
        self._packets = 0
        self._late = 0.0

    def add(self, transit: float, now: float) -> None:
        """Take a packet, by the moment at which its position 0 would have arrived."""
        if now - self._seen >= HOLD:  # the present delay is not known, and the sender's clock may have stopped
            self._recent = self._earlier = transit
        elif now - self._turned >= WINDOW:
            self._recent, self._earlier = transit, self._recent
            self._turned = now
        self._seen = now
        self._recent = min(self._recent, transit)
        self.fastest = min(self._recent, self._earlier)
        delay = transit - self.fastest
        self._weights[min(int(delay / BIN), BINS - 1)] += self._weight
        self._weight /= FORGET
        self._late *= 0.9995
        self._packets += 1
        if self._packets % 10 == 0:
            self._update()

    def came_late(self, transit: float) -> None:
        """Note that a packet came too late to be played; the target delay grows for some time."""
        self._late = max(self._late, min(transit - self.fastest, BIN * BINS))

    def _update(self) -> None:
        if self._weight > 1e6:
            self._weights = array("d", [weight / self._weight for weight in self._weights])
            self._weight = 1.0
        room = (1 - QUANTILE) * reduce(add, self._weights)  # as C adds; `sum` rounds in another way since Python 3.12
        place = BINS
        while place and room >= 0:
            place -= 1
            room -= self._weights[place]
        self.target = max((place + 1) * BIN, self._late)
