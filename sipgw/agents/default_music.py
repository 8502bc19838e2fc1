"""The source of the default hold music: a quiet tune, free of rights. No gateway imports this module.

``python -m sipgw.agents.default_music sipgw/agents/hold_music.wav`` writes the file that `sipgw.agents.music` reads.
"""

import sys
from pathlib import Path

import numpy as np

from media.g711 import RATE, from_linear
from sipgw.records.artifacts.wav import write_mono

BAR = 2.4
"""Seconds of a chord."""
CHORDS = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67))
"""Am, F, C and G, as MIDI notes, within the telephone band."""
LOUDNESS = 2600
"""Peak of a note on the 16-bit scale: about 20 dB below loud speech."""


def tune() -> bytes:
    """Four broken chords of 19 s that loop without a seam."""
    length = int(2 * BAR * len(CHORDS) * RATE)
    sound = np.zeros(length)
    step = int(BAR / 4 * RATE)
    for number, at in enumerate(range(0, length, step)):
        chord = CHORDS[number // 8 % len(CHORDS)]
        note = chord[(0, 2, 1, 3)[number % 4]] + 12
        seconds = np.arange(3 * step) / RATE
        pitch = 440 * 2 ** ((note - 69) / 12)
        wave = np.sin(2 * np.pi * pitch * seconds) + 0.3 * np.sin(4 * np.pi * pitch * seconds)
        shape = np.minimum(seconds / 0.02, 1) * np.exp(-2.2 * seconds)
        sound[(at + np.arange(3 * step)) % length] += LOUDNESS * wave * shape
    return from_linear(np.clip(sound, -32000, 32000).astype("<i2").tobytes())


if __name__ == "__main__":
    write_mono(Path(sys.argv[1]), tune())
