"""Local voice activity by energy, because signals of providers come too late to stop the agent. Sans-IO."""

from typing import NamedTuple

from agent import ulaw as sound
from agent.line import SAMPLE_RATE

WINDOW = 160
"""Samples judged at a time (20 ms)."""
ONSET = 0.100
"""Seconds of speech that make an onset; a click is shorter."""
HANGOVER = 0.300
"""Seconds without speech that end it; the gaps inside words are shorter."""
LEARNING = 10
"""Windows at the start of a call. The quietest is the first noise floor: speech has quiet windows, noise has none."""
FLOOR_MIN = 20.0
"""The lowest noise floor (root mean square, 16-bit scale)."""
MARGIN = 3.2
"""Factor by which speech must be louder than the noise floor (10 dB)."""
LOUD_ENOUGH = 250.0
"""Least root mean square of speech (16-bit scale; about -39 dBm0)."""


PITCHES = range(20, 100)
"""Periods of the vocal cords, in samples at 8 kHz: 80 to 400 Hz."""
ALIKE = 0.7
"""How similar two periods of a voice are at least, 1 being identical. In coughs, breath and rustling, no period repeats
so exactly."""
VOICED = 0.080
"""Seconds of voice in the shortest words."""


class Activity(NamedTuple):
    """The caller began (`onset`) or stopped making sound, `ago` seconds before the end of what was given."""

    onset: bool
    ago: float
    spoken: bool = False
    """Whether the sound that stopped was made with the vocal cords: rather a word than a cough."""


def is_voiced(ulaw: bytes) -> bool:
    """Whether the first of two windows repeats within the sound after it, one period of the vocal cords later."""
    linear = sound.to_linear(ulaw)
    one = linear[: 2 * WINDOW]
    if not any(one):
        return False
    place, factor = sound.audioop.findfit(linear[2 * PITCHES.start : 2 * (WINDOW + PITCHES.stop)], one)
    other = linear[2 * (PITCHES.start + place) :][: 2 * WINDOW]
    return bool(factor * sound.audioop.rms(other, 2) > ALIKE * sound.audioop.rms(one, 2))


class VoiceActivity:
    """Follows the noise floor: fast down, slowly up, and unchanged during speech. Sound of more than 3 s is taken for
    noise, and raises it."""

    def __init__(self) -> None:
        self.active = False
        self._rest = b""
        self._first: list[float] = []
        self._floor = 0.0
        self._loud = 0.0
        self._quiet = 0.0
        self._before = b""
        self._voiced = 0.0

    @property
    def pending(self) -> bool:
        """Whether the caller may just be beginning or ending to make sound: the next windows will tell."""
        return self._quiet > 0.0 if self.active else self._loud > 0.0

    def feed(self, ulaw: bytes) -> list[Activity]:
        """Take sound of any length; returns what changed."""
        seconds = WINDOW / SAMPLE_RATE
        ulaw = self._rest + ulaw
        whole = len(ulaw) - len(ulaw) % WINDOW
        self._rest = ulaw[whole:]
        return [
            Activity(self.active, (len(ulaw) - at - WINDOW) / SAMPLE_RATE, not self.active and self._voiced >= VOICED)
            for at in range(0, whole, WINDOW)
            if self._judge(ulaw[at : at + WINDOW], seconds)
        ]

    def _judge(self, window: bytes, seconds: float) -> bool:
        level, before, self._before = sound.level(window), self._before, window
        if len(self._first) < LEARNING:
            self._first.append(level)
            self._floor = max(FLOOR_MIN, min(self._first))
            return False
        speech = level > max(LOUD_ENOUGH, MARGIN * self._floor)
        if not speech:
            rate = 0.3 if level < self._floor else 0.02
            self._floor = max(FLOOR_MIN, self._floor + rate * (level - self._floor))
        elif self._loud > 3.0:
            self._floor = min(self._floor * 1.02, level)  # sound that goes on for seconds is noise
        if speech:
            if self._loud == 0.0:
                self._voiced = 0.0
            if self._voiced < VOICED and is_voiced(before + window):
                self._voiced += seconds
            self._loud += seconds
            self._quiet = 0.0
        else:
            self._quiet += seconds
            self._loud = max(0.0, self._loud - 0.5 * seconds) if self._quiet < HANGOVER else 0.0
        if not self.active and self._loud >= ONSET - 1e-9:
            self.active = True
            return True
        if self.active and self._quiet >= HANGOVER - 1e-9:
            self.active = False
            return True
        return False
