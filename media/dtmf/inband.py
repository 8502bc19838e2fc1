"""Keys that the other side presses, as tones in the sound (ITU-T Q.23, Q.24), for trunks without telephone events.

Sans-IO. The eight frequencies are measured in overlapping windows, all windows of a piece of sound in one product of
matrices (the sums of the Goertzel algorithm, without its recursion). A key differs from a voice in this: for 27 ms two
frequencies, each exact to 2.5 % by the change of its phase between windows, have nearly all of the energy.
"""

from math import pi

import numpy as np
from numpy.typing import NDArray

from media.dtmf.sender import HIGH, LOW, PAD
from media.g711 import RATE, to_linear

WINDOW = 120
"""Samples of a window (15 ms)."""
HOP = 40
"""Samples from one window to the next (5 ms)."""
LOOKS = 5
"""Windows in a row that must agree on a key. Such a key lasts longer than 23 ms; keys of 40 ms are always found."""
GAP = 5
"""Windows without a key after which the same key counts as pressed again."""
QUIETEST = 10 ** (-37.0 / 10)
"""The least power of each tone, relative to 0 dBm0."""
TWIST = 10 ** (9.0 / 10)
"""The greatest ratio of the two tones."""
SHARE = 0.80
"""The least part of the energy that the two tones have; at 15 dB above the noise the part is 0.97."""
OTHERS = 10 ** (-6.0 / 10)
"""The greatest power of the other three tones of a group, relative to its strongest."""
DEVIATION = 0.025
"""The greatest deviation of a frequency: Q.24 wants 1.5 % accepted and 3.5 % refused."""

_FREQUENCIES = np.array(LOW + HIGH, dtype=np.float32)
_SHAPE = np.hamming(WINDOW).astype(np.float32)
_WAVES = (_SHAPE[:, None] * np.exp(-2j * pi * np.arange(WINDOW)[:, None] * _FREQUENCIES / RATE)).astype(np.complex64)
_TURN = np.exp(-2j * pi * HOP * _FREQUENCIES / RATE).astype(np.complex64)
"""The change of phase of an exact tone between windows, backwards."""
_FULL = float(np.sum(_SHAPE)) ** 2 / (2 * float(np.sum(_SHAPE**2)))
"""The square of the sum of a tone, divided by its energy in the window."""
# A sine of 0 dBm0 in G.711 has the amplitude 32124 at 3.14 dB (ITU-T G.711, table 5).
_LEVEL = 32124.0 * 10 ** (-3.14 / 20)
_LINEAR = np.frombuffer(to_linear(bytes(range(256))), "<i2").astype(np.float32) / np.float32(_LEVEL)
_POWER = (float(np.sum(_SHAPE)) / 2) ** 2
"""Power of the sum of a tone of 0 dBm0."""
_KEYS = "".join(PAD)


def _droop() -> float:
    """The part of a tone's energy that the window loses per Hz squared beside its frequency."""
    beside = 20.0
    seen = abs(np.sum(_SHAPE * np.exp(2j * pi * np.arange(WINDOW) * beside / RATE))) ** 2 / np.sum(_SHAPE) ** 2
    return float(1 - seen) / beside**2


_DROOP = _droop()


class ToneReceiver:
    """Reports each pressed key once, 30 ms after its tone began."""

    def __init__(self) -> None:
        self._sound = np.zeros(WINDOW - HOP, dtype=np.float32)
        self._before = np.zeros((1, 8), dtype=np.complex64)
        self._key = -1
        self._looks = self._missed = 0
        self._told = -1

    def receive(self, ulaw: bytes) -> str:
        """Take mu-law samples that follow the last ones; returns the keys detected with them, mostly none."""
        sound = np.concatenate((self._sound, _LINEAR[np.frombuffer(ulaw, np.uint8)]))
        looks = (len(sound) - WINDOW) // HOP + 1
        if looks <= 0:
            self._sound = sound
            return ""
        self._sound = sound[looks * HOP :].copy()
        windows = np.lib.stride_tricks.as_strided(sound, (looks, WINDOW), (4 * HOP, 4))
        sums = windows @ _WAVES
        before, self._before = np.concatenate((self._before, sums[:-1])), sums[-1:]
        return "".join(self._follow(int(key)) for key in _judge(windows, sums, before))

    def _follow(self, key: int) -> str:
        """Take the key of one more window, -1 for none; returns it if it is detected now."""
        if key < 0 or key != self._told:
            self._missed += 1
            if self._missed >= GAP:
                self._told = -1
        else:
            self._missed = 0
        self._looks = self._looks + 1 if key == self._key else 1
        self._key = key
        if key < 0 or key == self._told or self._looks < LOOKS:
            return ""
        self._told, self._missed = key, 0
        return _KEYS[key]


def _judge(
    windows: NDArray[np.float32], sums: NDArray[np.complex64], before: NDArray[np.complex64]
) -> NDArray[np.int64]:
    """The key in each window, as its index in `_KEYS`, or -1."""
    power = (sums.real**2 + sums.imag**2) / np.float32(_POWER)
    rows, columns = power[:, :4], power[:, 4:]
    row, column = rows.argmax(1), columns.argmax(1)
    at = np.arange(len(power))
    low, high = rows[at, row], columns[at, column]
    loud = (low > QUIETEST) & (high > QUIETEST) & (low < TWIST * high) & (high < TWIST * low)
    if not loud.any():
        return np.full(len(power), -1)
    energy = ((windows * _SHAPE) ** 2).sum(1) * np.float32(_FULL / _POWER)
    chosen = np.stack((row, column + 4), 1)
    turn = (sums * before.conj() * _TURN)[at[:, None], chosen]
    offset = np.arctan2(turn.imag, turn.real) * np.float32(RATE / (2 * pi * HOP))
    exact = (np.abs(offset) < DEVIATION * _FREQUENCIES[chosen]).all(1)
    seen = 1 - np.float32(_DROOP) * np.minimum(offset**2, 50.0**2)
    share = low / seen[:, 0] + high / seen[:, 1]
    pure = (rows.sum(1) - low < 3 * OTHERS * low) & (columns.sum(1) - high < 3 * OTHERS * high)
    return np.where(loud & exact & pure & (share > SHARE * energy), row * 4 + column, -1)
