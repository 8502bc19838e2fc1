"""Silence that is inserted while no sound comes, and how the surplus that it makes is taken back.

Times are in seconds, lengths of sound in samples.
"""

from media.fast import base
from media.g711 import FRAME, QUIET_LEVEL, RATE, level
from media.jitter.hold import HOLD, CatchUpPacer, ClockHoldDetector
from media.jitter.states import TABLE, Do, Event, State

SPEECH_WAIT = 0.240
"""Seconds without packets in mid-speech until silence is inserted: silence inside a word ends the caller's turn."""
SPEECH_SURPLUS = 0.200
"""The largest surplus in mid-speech, in seconds, before the stall counts as a hold: some recognisers close the session
on sound that comes faster than time."""
SURPLUS_LIMIT = 2.0
"""Seconds of surplus beyond which no more silence is inserted: the recogniser has already had this time as silence.

Above this surplus only every second frame of a pause is left out, so that the recogniser hears the end of a turn.
"""
QUIET_WAIT = (0.060, 0.200)
"""Shortest and longest wait after a quiet frame until silence is inserted."""
NOISY_LEVEL = 1000
"""The loudest frame that is taken for the noise behind a speaker (-30 dB); anything louder is speech or music."""
ABOVE_NOISE = 1.5
"""By how much (3.5 dB) a frame may be louder than the noise and still be a pause."""
WINDOW = 100
"""Frames (2 s) of each of the two windows that measure noise: nobody speaks longer without taking breath."""

_IN_STEP, _CHECKING_CLOCK = State.IN_STEP, State.CHECKING_CLOCK


class GapFiller(base.GapFiller):
    """The state of the output (see `media.jitter.states`), the silence inserted, and the surplus it has made."""

    __slots__ = ("_detector", "_kept", "_noise", "pacer", "state", "surplus")

    def __init__(self) -> None:
        self.state = State.IN_STEP
        self.in_step = True
        """Whether `state` is `IN_STEP`."""
        self.surplus = 0
        """Samples inserted and not yet taken back."""
        self.sound_at = 0.0
        """Arrival of the last sound; 0 before the first. Packets without sound do not count."""
        self.last = b""
        """The last sound; empty after a telephone event or comfort noise."""
        self.pacer = CatchUpPacer()
        self._detector = ClockHoldDetector()
        self._usual = 0.0
        """Seconds by which the sender's clock has gained on ours, outside of a check."""
        self._noise = NoiseFloor()
        self._inserted = 0
        """Samples inserted since the last sound."""
        self._kept = 0
        """Frames of a pause that were looked at while the surplus was above `SURPLUS_LIMIT`."""
        self._spread = FRAME / RATE

    def follow(self, payload: bytes, now: float, since: float, ahead: float) -> None:
        """Take sound that follows the last without a gap, while in step: a faster way than `sound`."""
        spread = self._spread * 0.995
        self._spread = spread if since < spread else min(since, QUIET_WAIT[1])
        self.sound_at, self.last, self._inserted, self._usual = now, payload, 0, ahead

    def sound(self, now: float, since: float, gap: float, ahead: float) -> bool:
        """Take sound that came `since` seconds after the last, `gap` of which the sender left out by its timestamps.

        `ahead` is by how much the sender's clock has gained on ours. Returns whether the
        sender's clock had stopped, so that its loss is forgotten.
        """
        # The longest recent delay between packets, forgotten with a half-life of about 3 s of sound.
        self._spread = max(min(since - gap, QUIET_WAIT[1]), self._spread * 0.995)
        self.sound_at = now
        self._inserted = 0
        event = None
        if since >= HOLD and self.surplus:
            event = Event.HOLD_ENDED
        elif self.state is _CHECKING_CLOCK:
            event = self._detector.look(now, ahead, self._usual)
        if event is not None:
            self._turn(event, now, ahead)
        stopped = event is Event.CLOCK_STOPPED
        if self.state is not _CHECKING_CLOCK:
            self._usual = max(0.0, ahead) if stopped else ahead
        return stopped

    def insert(self, now: float, hole_wait: float) -> int:
        """Samples of silence to put out now because no sound comes; packets may wait `hole_wait` seconds for a hole."""
        silent = now - self.sound_at
        low, high = QUIET_WAIT
        if silent >= HOLD:
            passed = int(silent * RATE)
            # Without the silence inserted already, and without the sound that waited when the hold began.
            missing = min(passed - self._inserted, passed + int(SURPLUS_LIMIT * RATE) - self.surplus)
            inserted = max(0, min(missing - missing % FRAME, 2 * FRAME))
        elif level(self.last) < QUIET_LEVEL:
            wait = min(max(self._spread + 0.025, low, hole_wait), high)
            inserted = FRAME if silent >= wait and self._inserted < (silent - wait) * RATE + FRAME else 0
        else:
            due = silent >= SPEECH_WAIT and self._inserted < (silent - SPEECH_WAIT + 0.02) * RATE
            inserted = FRAME if due and self.surplus < SPEECH_SURPLUS * RATE else 0
        if inserted:
            if not self.surplus:
                self._noise = NoiseFloor()
            self._inserted += inserted
            self.surplus += inserted
            self._turn(Event.INSERTED)
        return inserted

    def skip(self, now: float) -> None:
        """Note that waiting sound is put out up to `now`, so that no silence is due until then."""
        self._inserted = int((now - self.sound_at) * RATE)

    def fill(self, gap: int) -> int:
        """The samples of a gap that still have to be filled after the surplus is set against it."""
        taken = min(gap, self.surplus)
        self.surplus -= taken
        return gap - taken

    def leaves_out(self, sound: bytes) -> bool:
        """Whether `sound`, a pause of the speaker, is left out to take back part of the surplus."""
        if self.surplus < len(sound) or self.state is _CHECKING_CLOCK or not self._noise.hides(sound):
            return False
        self._kept = self._kept + 1 if self.surplus > SURPLUS_LIMIT * RATE else 0
        if self._kept % 2:
            return False
        self.surplus -= len(sound)
        return True

    def settle(self) -> None:
        """Note that sound was put out; without a surplus the output is in step again."""
        if not self.surplus:
            self._turn(Event.BALANCED)

    def drained(self) -> None:
        """Note that the pacer is empty."""
        self._turn(Event.DRAINED)

    def restart(self) -> None:
        """Expect another stream, whose timestamps tell nothing about the clock of the stream before."""
        self._turn(Event.NEW_STREAM)

    def missed(self, now: float) -> int:
        """Samples between the last sound and `now`, for a stream whose timestamps say nothing about them."""
        return frames_within(now - self.sound_at) if self.sound_at else 0

    def _turn(self, event: Event, now: float = 0.0, ahead: float = 0.0) -> None:
        self.state, actions = TABLE[self.state, event]
        self.in_step = self.state is _IN_STEP
        for action in actions:
            match action:
                case Do.CHECK_CLOCK:
                    self._detector.begin(now, ahead)
                case Do.PACE:
                    self.pacer.begin(now)
                case Do.FORGIVE:
                    self.surplus = 0


class NoiseFloor:
    """The noise behind the speaker: the quietest frame of the last seconds."""

    __slots__ = ("_before", "_frames", "_lowest")

    def __init__(self) -> None:
        self._lowest = self._before = float("inf")
        self._frames = 0

    def hides(self, sound: bytes) -> bool:
        """Whether `sound` is no louder than the noise, or quiet in any case."""
        loudness = level(sound)
        self._lowest = min(self._lowest, loudness)
        self._frames += 1
        if self._frames == WINDOW:
            self._before, self._lowest, self._frames = self._lowest, float("inf"), 0
        noise = ABOVE_NOISE * min(self._lowest, self._before) if self._before <= NOISY_LEVEL else 0
        return loudness < max(QUIET_LEVEL, min(noise, NOISY_LEVEL))


def frames_within(seconds: float) -> int:
    """Samples, in whole frames, that fit between the ends of two frames that are `seconds` apart."""
    return max(0, round(seconds * RATE / FRAME) - 1) * FRAME
