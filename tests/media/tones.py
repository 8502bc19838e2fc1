"""Three tones that stand for three people: which of them sound in a frame is measured, not guessed.

Their frequencies are multiples of 50 Hz, so that every frame of a tone is the same and sums can be told exactly.
"""

import numpy as np

from media.g711 import FRAME, RATE, from_linear, to_linear

HERTZ = {"caller": 400, "agent": 1000, "third": 1700}
SOUNDS = 30.0
"""Amplitude from which a tone counts as heard: sums of mu-law leave less than half of it at other frequencies."""


def tone(who: str, amplitude: float = 160.0) -> bytes:
    """A frame of their tone in mu-law: below what counts as a voice, unless it is louder."""
    at = np.arange(FRAME) * 2 * np.pi * HERTZ[who] / RATE
    return from_linear((amplitude * np.sin(at)).astype("<i2").tobytes())


def amplitude(frame: bytes, who: str) -> float:
    """How loud their tone is in mu-law sound whose length is a whole number of frames."""
    linear = np.frombuffer(to_linear(frame), "<i2").astype(float)
    at = np.arange(len(linear)) * 2 * np.pi * HERTZ[who] / RATE
    return float(2 * abs(np.sum(linear * np.exp(-1j * at))) / len(linear))


def heard(frame: bytes) -> frozenset[str]:
    """Whose tones sound in it."""
    return frozenset(who for who in HERTZ if amplitude(frame, who) > SOUNDS)
