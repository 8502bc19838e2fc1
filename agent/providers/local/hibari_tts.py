"""Text to speech by Hibari and the voice in its package, as 8 kHz mu-law."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr
from hibari import Hibari

from agent.providers.local.models import HIBARI, UNKNOWN_WORDS, verified
from agent.turn_taking.words import words_of
from agent.ulaw import from_linear

LEVEL = 0.09
"""Root mean square (share of full scale) to which speech is scaled: about -21 dBFS, as usual on the telephone."""
PEAK = 0.85
AUDIBLE = 0.006
"""Amplitude below which sound at both ends is cut off: the model adds 0.3 s of silence before and 0.5 s after the
speech."""
LEAD_IN = 120
LEAD_OUT = 1000
"""Samples of silence that are kept before and after (15 and 125 ms)."""
PIECE = 4000
"""Bytes of one piece of sound (0.5 s)."""


class HibariTts:
    """The model, loaded once per process."""

    def __init__(self, threads: int) -> None:
        verified(UNKNOWN_WORDS)
        self._model = Hibari(model=str(verified(HIBARI)), threads=threads)
        for _ in self.speak("Ready."):  # loads the pronunciation tables
            pass

    def speak(self, text: str) -> Iterator[bytes]:
        """Yield the mu-law sound of `text`, each sentence as soon as it is ready. The same text gives the same sound.
        Text without letters or digits, or in a script other than Latin, gives no sound.
        """
        if not words_of(text):
            return  # the model makes a groan of "..."
        for sound in self._model.stream(text, seed=0):
            if not len(sound):
                continue
            narrow = _trimmed(soxr.resample(sound, self._model.sample_rate, 8000, quality="HQ"))
            loud = np.sqrt(np.mean(narrow[np.abs(narrow) > 0.01] ** 2)) if np.any(np.abs(narrow) > 0.01) else 1.0
            gain = min(LEVEL / float(loud), PEAK / max(float(np.max(np.abs(narrow))), 1e-6))
            linear = (np.clip(narrow * gain, -1, 1) * 32767).astype("<i2").tobytes()
            ulaw = from_linear(linear)
            for at in range(0, len(ulaw), PIECE):
                yield ulaw[at : at + PIECE]


def _trimmed(sound: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    audible = np.flatnonzero(np.abs(sound) > AUDIBLE)
    if not len(audible):
        return sound
    return sound[max(0, audible[0] - LEAD_IN) : audible[-1] + LEAD_OUT]
