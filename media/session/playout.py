"""Playout: the queue of the agent's sound, cut into 20 ms frames, with exact positions."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from media.fast import base
from media.g711 import FRAME, RATE, SILENCE, ramp

CAPACITY = 120 * RATE
"""Samples that may wait; any more are refused and counted."""
FADE = 40
"""Samples of the fade at a cut (5 ms)."""


class Heard(NamedTuple):
    """The position of playout: all utterances before `utterance` were sent, then `samples` samples of `utterance`."""

    utterance: int
    samples: int


class Mark(NamedTuple):
    """The first (`begins`) or the last sample of an utterance is in the frame just taken."""

    utterance: int
    begins: bool


NO_MARKS: Sequence[Mark] = ()


@dataclass(slots=True)
class PlayoutStats:
    """Counters."""

    refused: int = 0
    """Samples that were refused because there was no room."""
    underruns: int = 0
    """Times that the queue ran empty in the middle of an utterance."""


class Playout(base.Playout):
    """The queue of one call. Time is counted in frames taken; there is no clock."""

    __slots__ = ("_rise", "_waiting", "stats")

    def __init__(self) -> None:
        self.stats = PlayoutStats()
        self.paused = False
        self._utterance = 0
        self._samples = 0
        self._queue: deque[tuple[int, bytes]] = deque()
        self._offset = 0
        self._waiting = 0
        self._finished = 0
        self._told = 0
        self._edge: bytes | None = None
        self._sounding = False
        self._rise = False

    @property
    def position(self) -> Heard:
        """The position of the last sample that was taken."""
        return Heard(self._utterance, self._samples + self._offset)

    def say(self, utterance: int, ulaw: bytes) -> None:
        """Queue mu-law sound; `utterance` never decreases. Sound of a stopped or ended utterance is ignored."""
        if utterance <= self._told or utterance < self._utterance:
            return
        room = CAPACITY - self.waiting
        if len(ulaw) > room:
            self.stats.refused += len(ulaw) - room
            ulaw = ulaw[:room]
        if ulaw:
            self._queue.append((utterance, ulaw))
            self._waiting += len(ulaw)

    def finish(self, utterance: int) -> None:
        """No more sound of `utterance` follows."""
        self._finished = max(self._finished, utterance)

    def pause(self) -> Heard:
        """Be silent from the next frame on, after a short fade, and keep the queue; returns the position."""
        if not self.paused:
            self.paused = True
            self._edge = self._fade_out()
        return self.position

    def resume(self) -> None:
        """Continue at the sample where `pause` stopped."""
        self.paused = False
        self._edge = None
        self._rise = bool((self._samples or self._offset) and self._queue and not self._sounding)

    def stop(self) -> Heard:
        """Discard the queue and be silent from the next frame on, after a short fade; returns the position."""
        edge = self._edge if self.paused else self._fade_out()
        last = self._queue[-1][0] if self._queue else self._utterance
        self._queue.clear()
        self._samples += self._offset
        self._offset = self._waiting = 0
        self._told = self._finished = max(self._finished, last)
        self.paused = False
        self._edge = edge
        return self.position

    @property
    def waiting(self) -> int:
        """Samples in the queue."""
        return self._waiting - self._offset

    def take(self) -> tuple[bytes, Sequence[Mark]]:
        """The next 20 ms frame, always 160 bytes, and the marks that fall into it."""
        if self._sounding:
            if self._queue and self._edge is None and not self.paused:
                utterance, sound = self._queue[0]
                offset = self._offset
                end = offset + FRAME
                if end < len(sound) and utterance == self._utterance:  # nearly always: in the middle of a piece
                    self._offset = end
                    return sound[offset:end], NO_MARKS
        elif not self._queue and self._finished <= self._told and self._edge is None:  # or nothing is queued
            return SILENCE, NO_MARKS
        if self._edge is not None:
            edge, self._edge = self._edge, None
            self._sounding = False
            return edge, NO_MARKS
        if self.paused:
            self._count_underrun()
            return SILENCE, NO_MARKS
        return self._take_sound()

    def _take_sound(self) -> tuple[bytes, list[Mark]]:
        parts: list[bytes] = []
        marks: list[Mark] = []
        need = FRAME
        while need and self._queue:
            utterance, sound = self._queue[0]
            if utterance > self._finished and self.waiting < need:
                break  # the last part of a frame waits for the rest of it while the utterance continues
            if utterance != self._utterance:
                marks += self._finish_marks()
                self._utterance, self._samples = utterance, 0
                marks.append(Mark(utterance, begins=True))
            piece = sound[self._offset : self._offset + need]
            parts.append(piece)
            need -= len(piece)
            self._offset += len(piece)
            if self._offset == len(sound):
                self._queue.popleft()
                self._samples += len(sound)
                self._waiting -= len(sound)
                self._offset = 0
        marks += self._finish_marks()
        if not parts:
            self._count_underrun()
            return SILENCE, marks
        frame = b"".join(parts)
        if self._rise:
            frame = ramp(frame[:FADE], rising=True) + frame[FADE:]
            self._rise = False
        self._sounding = True
        return (frame if not need else frame + SILENCE[:need]), marks

    def _finish_marks(self) -> list[Mark]:
        """The ends of all finished utterances whose sound was taken, if they were not returned yet."""
        last = self._finished if not self._queue else min(self._finished, self._queue[0][0] - 1)
        if last <= self._told:
            return []
        marks = [Mark(utterance, begins=False) for utterance in range(self._told + 1, last + 1)]
        self._told = last
        return marks

    def _count_underrun(self) -> None:
        if self._sounding and not self.paused and self._utterance > self._finished:
            self.stats.underruns += 1
        self._sounding = False

    def _fade_out(self) -> bytes | None:
        if not self._sounding or not self._queue:
            return None
        sound, offset = b"", self._offset
        for _, piece in self._queue:  # a piece may end within the fade
            sound += piece[offset : offset + FADE - len(sound)]
            offset = 0
            if len(sound) == FADE:
                break
        return (ramp(sound, rising=False) + SILENCE)[:FRAME]
