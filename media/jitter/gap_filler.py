"""The watchdog of the jitter buffer for speech recognition: what is lent while nothing comes, and how it is paid back.

Times are in seconds, lengths of sound in samples.
"""

from collections import deque
from collections.abc import Iterable

from media.g711 import FRAME, QUIET_LEVEL, RATE, level

SPEECH_WAIT = 0.240
"""Seconds without packets in mid-speech until silence is lent: silence inside a word ends the turn."""
SPEECH_LOAN = 0.200
"""Seconds owed at most in mid-speech until the stall counts as a hold: recognisers close on sound faster than time."""
HOLD = 1.0
"""Seconds without packets after which silence is lent in real time."""
CARRIED = 2.0
"""Seconds owed from earlier stalls beyond which nothing more is lent: the recogniser has had that time already.

What is owed beyond it is paid back with every second frame of a pause only, so that the end of a turn is heard.
"""
PACE = 2
"""How much faster than time what waited behind a hold is handed on."""
WAITING = 500
"""Frames (10 s) that may wait behind a hold; what is more is handed on at once."""
QUIET_WAIT = (0.060, 0.200)
"""Bounds of the wait after a quiet frame."""
NOISY_LEVEL = 1000
"""The most that is taken for the noise behind a speaker (-30 dB); beyond it is speech, or music."""
ABOVE_NOISE = 1.5
"""By how much (3.5 dB) a frame may be louder than the noise and still be a pause."""
WINDOW = 100
"""Frames in which the noise is looked for, and as many before: longer than anybody speaks without taking breath."""
SETTLE = 0.5
"""Seconds after a stall in which it shows whether the sender's clock had stopped or the network had."""
CATCHING_UP = 0.1
"""Seconds that the sender's clock must gain on ours in that time: then the network has not delivered all of it yet."""


class GapFiller:
    """Since when no sound has come, how much silence was lent for it, what is still owed and what waits behind it."""

    __slots__ = (
        "_ahead",
        "_halved",
        "_lent_now",
        "_noise",
        "_spread",
        "backlog",
        "debt",
        "doubt",
        "last",
        "lost",
        "settled",
        "sound_at",
    )

    def __init__(self) -> None:
        self.sound_at = 0.0
        """Arrival of the last sound; 0 before the first. Packets without sound do not stop the watchdog."""
        self.last = b""
        """The last sound; empty for an event or comfort noise."""
        self.lost = 0
        """Packets given up since the last sound."""
        self.debt = 0
        self.settled = True
        """Whether nothing is owed, in doubt or waiting."""
        self.doubt = ClockHoldDetector()
        self.backlog = CatchUpPacer()
        self._noise = NoiseFloor()
        self._halved = False
        self._lent_now = 0
        self._spread = FRAME / RATE
        self._ahead = 0.0

    def follow(self, payload: bytes, now: float, since: float, ahead: float) -> None:
        """Note sound that follows the last without a gap while nothing is owed or in doubt: the short of `sound`."""
        spread = self._spread * 0.995
        self._spread = spread if since < spread else min(since, QUIET_WAIT[1])
        self.sound_at, self.last, self._lent_now, self._ahead = now, payload, 0, ahead

    def lend(self, now: float, hole_wait: float) -> int:
        """Samples of silence to put out now because nothing comes."""
        silent = now - self.sound_at
        low, high = QUIET_WAIT
        if silent >= HOLD:
            passed = int(silent * RATE)
            owed = min(passed - self._lent_now, passed + int(CARRIED * RATE) - self.debt)  # and what the waiting held
            lent = max(0, min(owed - owed % FRAME, 2 * FRAME))
        elif level(self.last) < QUIET_LEVEL:
            wait = min(max(self._spread + 0.025, low, hole_wait), high)
            lent = FRAME if silent >= wait and self._lent_now < (silent - wait) * RATE + FRAME else 0
        else:
            due = silent >= SPEECH_WAIT and self._lent_now < (silent - SPEECH_WAIT + 0.02) * RATE
            lent = FRAME if due and self.debt < SPEECH_LOAN * RATE else 0
        if lent and not self.debt:
            self._noise = NoiseFloor()
        self._lent_now += lent
        self.debt += lent
        self.settle()
        return lent

    def cover(self, now: float) -> None:
        """What waits is handed on meanwhile, so nothing has to be lent up to now."""
        self._lent_now = int((now - self.sound_at) * RATE)

    def repay(self, gap: int) -> int:
        """The part of a hole that still has to be filled after the loan is set against it."""
        paid = min(gap, self.debt)
        self.debt -= paid
        return gap - paid

    def trims(self, sound: bytes) -> bool:
        """Whether to leave out `sound`, a pause of the speaker, to pay back its length."""
        if self.debt < len(sound) or self.doubt.until or not self._noise.hides(sound):
            return False
        self._halved = self.debt > CARRIED * RATE and not self._halved
        if not self._halved:
            self.debt -= len(sound)
        return not self._halved

    def settle(self) -> None:
        """See whether anything is left to be done about the stall."""
        self.settled = not (self.debt or self.doubt.until or self.backlog.active)

    def sound(self, now: float, since: float, gap: float, ahead: float) -> bool:
        """Note sound, `since` seconds after the last, `gap` of which the sender meant; True if the loan is forgiven.

        `ahead` is by how much the sender's clock has run faster than ours.
        """
        # The longest recent delay between packets, forgotten with a half-life of about 3 s of sound.
        self._spread = max(min(since - gap, QUIET_WAIT[1]), self._spread * 0.995)
        self.sound_at = now
        self._lent_now = 0
        forgiven = False
        if since >= HOLD and self.debt:
            self.doubt.begin(now, self._ahead, ahead)
            self.backlog.begin(now)
        elif self.doubt.until:
            forgiven = self.doubt.look(now, ahead)
            if forgiven:
                self.debt = 0
        if not self.doubt.until:
            self._ahead = 0.0 if forgiven else ahead
        return forgiven

    def restart(self) -> None:
        """The next sound is of another stream, whose hole the wall clock tells."""
        self.doubt.until = 0.0
        self.lost = 0

    def wall_clock_hole(self, now: float) -> int:
        """Samples between the last sound and now, for streams whose timestamps say nothing about it."""
        return frames_within(now - self.sound_at) if self.sound_at else 0


class ClockHoldDetector:
    """Whether the sender's clock had stood still (hold behind some SBCs), or the network.

    After a stall of the network the late packets come faster than time, so the sender's clock is in the end as far
    ahead of ours as before. If it stays behind, the silence lent was real time, and the loan is forgiven.
    """

    __slots__ = ("_gained", "_shifted", "until")

    def __init__(self) -> None:
        self.until = 0.0
        """Until when it is not known; 0 if it is."""
        self._shifted = 0.0
        self._gained = 0.0

    def begin(self, now: float, before: float, ahead: float) -> None:
        """The first sound after a stall is there; the sender's clock was ahead by `before`, and is by `ahead`."""
        self.until, self._shifted, self._gained = now + SETTLE, before, ahead

    def look(self, now: float, ahead: float) -> bool:
        """Whether it was the sender's clock, as it turns out now."""
        if ahead >= self._shifted - HOLD / 2:
            self.until = 0.0
        elif ahead >= self._gained + CATCHING_UP:
            self.until, self._gained = now + SETTLE, ahead
        elif now >= self.until:
            self.until = 0.0
            return True
        return False


class CatchUpPacer:
    """Sound behind a hold: recognisers that close on sound faster than time get it at a pace."""

    __slots__ = ("_free_at", "_pieces", "active")

    def __init__(self) -> None:
        self.active = False
        """Whether sound is paced, be there any or not."""
        self._pieces: deque[bytes] = deque()
        self._free_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def begin(self, now: float) -> None:
        """Pace what comes from now on."""
        if not self.active:
            self.active, self._free_at = True, now

    def add(self, pieces: Iterable[bytes]) -> None:
        """Take sound, in pieces of any length."""
        for piece in pieces:
            self._pieces.extend(piece[at : at + FRAME] for at in range(0, len(piece), FRAME))

    def take(self, now: float) -> bytes:
        """The next frame if its time has come, or if too many wait."""
        due = self._free_at <= now or len(self._pieces) > WAITING
        return self._pieces.popleft() if self._pieces and due else b""

    def passed(self, samples: int, now: float) -> None:
        """So much has been handed on; what waits is looked at each 20 ms."""
        if len(self._pieces) >= WAITING:
            return  # it was too much
        self._free_at = max(self._free_at, now - FRAME / RATE) + samples / (PACE * RATE)


class NoiseFloor:
    """What is behind the speaker: the quietest frame of the last seconds."""

    __slots__ = ("_before", "_frames", "_lowest")

    def __init__(self) -> None:
        self._lowest = self._before = float("inf")
        self._frames = 0

    def hides(self, sound: bytes) -> bool:
        """Whether `sound` is no louder than it, or quiet in any case."""
        loudness = level(sound)
        self._lowest = min(self._lowest, loudness)
        self._frames += 1
        if self._frames == WINDOW:
            self._before, self._lowest, self._frames = self._lowest, float("inf"), 0
        noise = ABOVE_NOISE * min(self._lowest, self._before) if self._before <= NOISY_LEVEL else 0
        return loudness < max(QUIET_LEVEL, min(noise, NOISY_LEVEL))


def frames_within(seconds: float) -> int:
    """Samples that the wall clock leaves between the ends of two frames, in whole frames."""
    return max(0, round(seconds * RATE / FRAME) - 1) * FRAME
