"""The recording of a call: both directions in one stereo stream of mu-law sound, aligned in time. Sans-IO.

The agent's side (right) is the sound that was sent in each 20 ms slot; it is the clock. The caller's side (left) is the
sound that the recogniser got: complete, and on the sender's clock. The moment at which it began is fixed; when the two
clocks run apart, quiet frames are left out or added, and speech is never cut. Sound is held back for a second, in which
late packets come.
"""

from media.g711 import FRAME, QUIET_LEVEL, RATE, SILENCE, ULAW_SILENCE, level

HELD = RATE
"""Samples held back for late packets, and for those that the jitter buffer waits for."""
BLOCK = RATE
"""Samples handed out at a time (1 s)."""
MOST = 4 * RATE
"""Samples of the caller that may wait; if a sender is faster than time, the rest is dropped."""
APART = 480
"""Samples by which the two sides may differ in time (60 ms: the network's jitter)."""
LOOKS = 5
"""Blocks over which the distance is measured. A stall's distance passes; the distance of unequal clocks stays."""


class Recording:
    """The sound of one call from the beginning of its recording."""

    def __init__(self, held: int = HELD, block: int = BLOCK) -> None:
        """`held` samples are held back for late packets; `block` samples are returned at a time."""
        self.paused = False
        self._held, self._block = held, block
        self._left = bytearray()
        self._right = bytearray()
        self._returned = 0
        """Samples per side that were returned already."""
        self._first_slot: int | None = None
        self._began = False
        self._muted_until = 0
        self._drift = Drift(LOOKS * BLOCK // block)

    @property
    def seconds(self) -> float:
        """Length of the sound that was returned."""
        return self._returned / RATE

    def pause(self) -> None:
        """Record silence from now on, in place of sound that must not be kept."""
        self.paused = True

    def resume(self) -> None:
        """Record sound again, without the caller's sound that was on its way during the pause."""
        self.paused = False
        self._muted_until = self._returned + len(self._right)

    def caller(self, ulaw: bytes) -> None:
        """Take sound of the caller from the jitter buffer."""
        left, now = self._returned + len(self._left), self._returned + len(self._right)
        if not self._began:
            self._began = True
            self._left += _silence(now - left - len(ulaw))
        quiet = self._drift.wanted and level(ulaw) < QUIET_LEVEL
        if quiet and self._drift.leave_out(len(ulaw)):
            return
        if quiet:
            self._left += _silence(self._drift.add())
        elif len(self._left) > MOST:
            return
        muted = self.paused or left < self._muted_until
        self._left += _silence(len(ulaw)) if muted else ulaw
        self._drift.look(self._returned + len(self._left) - now, ulaw)

    def agent(self, frame: bytes) -> None:
        """Take a frame that was sent to the caller."""
        self._right += SILENCE if self.paused else frame

    def take(self, slot: int) -> bytes:
        """To be called at the end of each slot; returns a block of stereo sound if one is complete, else nothing."""
        if self._first_slot is None:
            self._first_slot = slot + 1 - max(1, len(self._right) // FRAME)
        passed = (slot + 1 - self._first_slot) * FRAME
        self._right += _silence(passed - self._returned - len(self._right))
        return self._next(self._block) if len(self._right) >= self._held + self._block else b""

    def finish(self) -> bytes:
        """The rest of the sound, as long as the agent's side."""
        return self._next(len(self._right))

    def _next(self, samples: int) -> bytes:
        self._left += _silence(samples - len(self._left))
        sound = bytearray(2 * samples)
        sound[0::2], sound[1::2] = self._left[:samples], self._right[:samples]
        del self._left[:samples], self._right[:samples]
        self._returned += samples
        self._drift.block()
        return bytes(sound)


class Drift:
    """How far the caller's side is ahead of the agent's while the caller speaks, and how it is corrected."""

    def __init__(self, looks: int = LOOKS) -> None:
        """The distance is measured over `looks` blocks."""
        self.wanted = 0
        """Samples to leave out of a pause; below zero, samples to add."""
        self._looks = looks
        self._blocks = 0
        self._least: int | None = None
        self._most: int | None = None

    def look(self, ahead: int, ulaw: bytes) -> None:
        """Take the distance `ahead` in samples at the end of `ulaw`. It is ignored in pauses, because inserted silence
        comes late."""
        if self._least is None or self._most is None:
            if level(ulaw) >= QUIET_LEVEL:
                self._least = self._most = ahead
        elif (ahead < self._least or ahead > self._most) and level(ulaw) >= QUIET_LEVEL:
            self._least, self._most = min(ahead, self._least), max(ahead, self._most)

    def block(self) -> None:
        """Note that a block was returned; after `looks` blocks the correction is set."""
        self._blocks += 1
        if self._blocks < self._looks:
            return
        least, most = self._least or 0, self._most or 0
        self.wanted = least if least > APART else most if most < -APART else 0
        self._blocks, self._least, self._most = 0, None, None

    def leave_out(self, samples: int) -> bool:
        """Whether to leave out a quiet piece of `samples` samples."""
        if self.wanted < samples:
            return False
        self.wanted -= samples
        return True

    def add(self) -> int:
        """The samples of silence to add in this pause; the caller of this method adds them."""
        missing, self.wanted = max(0, -self.wanted), max(0, self.wanted)
        return missing


def _silence(samples: int) -> bytes:
    return bytes([ULAW_SILENCE]) * samples
