"""Packet-loss concealment for 8 kHz mu-law sound, like ITU-T G.711 Appendix I, without added delay.

A hole is filled by repeating the last pitch period before it, which fades out within 60 ms. If the sound after the
hole is known (for a recogniser, a recording, or a buffer that holds a later packet), the same is done backwards from
there and both are cross-faded; that improves the sound more than any refinement of the one-sided method. It was written
from the description in the appendix and tuned by P.862 on recorded speech (`tests/bench/plc.py`); it contains no code
of the ITU.
"""

import numpy as np
from numpy.typing import NDArray

from media.fast import base
from media.g711 import FRAME, ULAW_SILENCE, from_linear, to_linear

PITCH = (26, 120)
"""Shortest and longest pitch period, in samples (308 to 67 Hz)."""
MEMORY = 280
"""Samples of the past that are used: two periods, and the quarter of a period by which they overlap."""
REACH = 480
"""Samples after which a repeated period has faded out (60 ms)."""
STEP = 80
"""Samples (10 ms) in which the sound loses `LOSS` of its amplitude; voiced sound begins to fade a step later."""
LOSS = 0.2
OVERLAP = 32
"""Samples (4 ms) of the cross-fade to the sound after a loss; longer fades, as in the appendix, were no better."""
VOICED = (0.3, 0.8)
"""Correlation with the period before: sound below the first value is noise, above the second fully voiced."""

Samples = NDArray[np.float32]

_WINDOW = 120
# Samples near the hole count most: the weight falls to 1/e in 15 samples.
_WEIGHT = np.exp((np.arange(_WINDOW) - _WINDOW + 1) / 15).astype(np.float32)
_COUNT = np.arange(REACH)
_SILENCE = bytes([ULAW_SILENCE])


class Concealment(base.Concealment):
    """The sound of one listener. `good` takes each frame that came, `lost` replaces each frame that did not."""

    __slots__ = ("_lost",)

    def __init__(self) -> None:
        self._past = _SILENCE * MEMORY
        self._repeated: Samples | None = None
        self._lost = 0

    def good(self, ulaw: bytes) -> bytes:
        """Take a frame that came, and return it; the beginning of the first frame after a loss is cross-faded."""
        if self._repeated is not None:
            ulaw = self._overlap(ulaw, self._repeated)
            self._repeated, self._lost = None, 0
        self._past = (self._past + ulaw)[-MEMORY:]
        return ulaw

    def lost(self, following: bytes = b"", samples: int = FRAME) -> bytes:
        """`samples` of sound in place of lost ones; better if the sound that follows them is known."""
        if self._repeated is None:
            self._repeated = _repeat(_linear(self._past))
        sound = _part(self._repeated, self._lost, samples)
        self._lost += samples
        if following:
            sound = _cross_fade(sound, _backwards(following, samples))
            self._repeated, self._lost = None, 0
        ulaw = _ulaw(sound)
        self._past = (self._past + ulaw)[-MEMORY:]
        return ulaw

    def _overlap(self, ulaw: bytes, repeated: Samples) -> bytes:
        length = min(len(ulaw), OVERLAP)
        sound = _cross_fade(_part(repeated, self._lost, length), _linear(ulaw[:length]))
        return _ulaw(sound) + ulaw[length:]


def bridge(before: bytes, samples: int, after: bytes) -> bytes:
    """`samples` of mu-law sound between `before` and `after`, both mu-law; long holes are silent in the middle.

    The last 35 ms of `before` and the first 35 ms of `after` are used; either may be shorter, or empty.
    """
    reach = min(samples, REACH)
    sound = np.zeros(samples, np.float32)
    rise = _ramp(samples)
    if before:
        sound[:reach] = _repeat(_linear(before[-MEMORY:]))[:reach] * (1 - rise[:reach])
    if after:
        sound[-reach:] += _backwards(after, reach) * rise[-reach:]
    return _ulaw(sound)


def _repeat(past: Samples) -> Samples:
    """The continuation of `past`, `REACH` samples: its last period again and again, fading."""
    known = len(past)
    if known < MEMORY:
        past = np.concatenate([np.zeros(MEMORY - len(past), np.float32), past])
    pitch, voiced = _pitch(past)
    quarter = pitch // 4
    rise = _ramp(quarter)
    one = _cycle(past, pitch, quarter, rise)
    sound = one[_COUNT % pitch]
    sound[:quarter] += (past[-1] - past[-1 - pitch]) * (1 - rise)
    if 2 * pitch + quarter <= known:  # after a frame, two periods in turn: that sounds more natural
        later = _cycle(past, 2 * pitch, quarter, rise)[(_COUNT[:-FRAME] + FRAME % pitch) % (2 * pitch)]
        later[:quarter] *= rise
        later[:quarter] += sound[FRAME : FRAME + quarter] * (1 - rise)
        sound[FRAME:] = later
    level = 1 - (_COUNT - STEP * voiced) * (LOSS / STEP)
    sound *= np.minimum(np.maximum(level, 0), 1)
    return sound


def _pitch(past: Samples) -> tuple[int, float]:
    """The period of the end of `past` in samples, and how voiced it is (0..1), by normalised cross-correlation."""
    shortest, longest = PITCH
    now = past[-_WINDOW:]
    earlier = past[MEMORY - _WINDOW - longest : MEMORY - shortest]
    weighted = now * _WEIGHT
    likeness = np.maximum(np.correlate(earlier, weighted), 0)
    energy = np.correlate(earlier * earlier, _WEIGHT) + 1.0
    score = likeness * likeness / energy
    best = int(score.argmax())
    correlation = float(np.sqrt(score[best] / (float(now @ weighted) + 1.0)))
    noise, voice = VOICED
    return longest - best, min(max((correlation - noise) / (voice - noise), 0.0), 1.0)


def _cycle(past: Samples, length: int, quarter: int, rise: Samples) -> Samples:
    """The last `length` samples of `past` as a loop: its end is cross-faded into the sound before its beginning."""
    loop = past[-length:].copy()
    loop[-quarter:] *= 1 - rise
    loop[-quarter:] += past[-length - quarter : -length] * rise
    return loop


def _backwards(after: bytes, count: int) -> Samples:
    """The sound that leads to `after`: the continuation of `after` reversed in time."""
    return _repeat(_linear(after[:MEMORY])[::-1])[:count][::-1]


def _cross_fade(first: Samples, second: Samples) -> Samples:
    rise = _ramp(len(first))
    return first * (1 - rise) + second * rise


def _part(sound: Samples, at: int, count: int) -> Samples:
    part = np.zeros(count, np.float32)
    piece = sound[at : at + count]
    part[: len(piece)] = piece
    return part


def _ramp(count: int) -> Samples:
    return np.arange(0.5, count, dtype=np.float32) / np.float32(max(count, 1))


def _linear(ulaw: bytes) -> Samples:
    return np.frombuffer(to_linear(ulaw), "<i2").astype(np.float32)


def _ulaw(sound: Samples) -> bytes:
    return from_linear(np.rint(np.clip(sound, -32768, 32767)).astype("<i2").tobytes())
