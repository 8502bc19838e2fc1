"""Single tones in the sound: the beep of an answering machine, the calling and answering tones of fax. Sans-IO.

A tone differs from a voice in this: one constant frequency has nearly all of the energy.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.g711 import RATE, to_linear

WINDOW = 256
"""Samples of a window (32 ms)."""
HOP = 160
"""Samples from one window to the next (20 ms)."""
LEAST = 0.12
"""The shortest tone in seconds."""
LOWEST, HIGHEST = 400.0, 2200.0
"""Hz: the range of tones."""
DRIFT = 12.0
"""Hz by which a tone may change between windows; a singing voice changes more."""
HOLE = 4
"""Windows that a tone may be absent: a late frame or a slip of the clocks leaves a hole of 20 to 40 ms in a beep."""
SHARE = 0.93
"""The least part of the energy that a tone has."""
QUIETEST = 200.0
"""The least amplitude (16-bit scale, about -44 dBm0)."""

_SHAPE = np.hanning(WINDOW)
_PADDED = 1024
_BIN = RATE / _PADDED
_LOBE = round(2 * _PADDED / WINDOW)
"""Bins from the peak of a tone to the first zero of the window's spectrum."""
_FULL = float(np.sum(_SHAPE)) / 2


class Tone(NamedTuple):
    """A tone that has lasted `seconds` so far; if `over`, the tone has ended after `seconds`."""

    hz: float
    seconds: float
    over: bool


class Tones:
    """Detects tones in mu-law sound."""

    def __init__(self) -> None:
        self._rest = b""
        self._hz = 0.0
        self._looks = 0
        self._gone = 0

    def feed(self, ulaw: bytes) -> list[Tone]:
        """Take sound of any length; returns a `Tone` for each 20 ms of a tone, and one for its end."""
        sound = self._rest + ulaw
        found = []
        at = 0
        while at + WINDOW <= len(sound):
            tone = self._look(np.frombuffer(to_linear(sound[at : at + WINDOW]), "<i2").astype(np.float64))
            if tone is not None:
                found.append(tone)
            at += HOP
        self._rest = sound[at:]
        return found

    def _look(self, samples: NDArray[np.float64]) -> Tone | None:
        hz = pitch(samples)
        if hz and self._looks and abs(hz - self._hz) <= DRIFT:
            self._looks += 1
            self._hz, self._gone = hz, 0
            return self._tone(over=False)
        if self._looks * HOP / RATE >= LEAST / 2 and not hz and self._gone < HOLE:
            self._gone += 1
            return None
        ended = self._tone(over=True)
        self._hz, self._looks, self._gone = hz, int(hz > 0), 0
        return ended

    def _tone(self, *, over: bool) -> Tone | None:
        seconds = self._looks * HOP / RATE
        return Tone(self._hz, seconds, over) if seconds >= LEAST - 1e-9 else None


def pitch(samples: NDArray[np.float64]) -> float:
    """The frequency in Hz if the window of sound is a tone, else 0."""
    power = np.abs(np.fft.rfft((samples - samples.mean()) * _SHAPE, _PADDED)) ** 2
    top = int(np.argmax(power))
    total = float(power.sum())
    if not LOWEST / _BIN <= top <= HIGHEST / _BIN or np.sqrt(power[top]) < QUIETEST * _FULL:
        return 0.0
    if float(power[top - _LOBE : top + _LOBE + 1].sum()) < SHARE * total:
        return 0.0
    left, middle, right = np.log(power[top - 1 : top + 2])
    return float((top + 0.5 * (left - right) / (left - 2 * middle + right)) * _BIN)
