"""Recorded speech by voice and by half, for the bench.

The halves are "tune", on which the constants of `agent.hearing` were chosen, and "report", of which figures are told.
"""

from functools import cache
from pathlib import Path

import numpy as np

from tests.agent.hearing.mixing import ASTERISK, RATE, Sound, at_level, clip

HALVES = ("tune", "report")
VOICES = ("en_US_f_Allison", "fr_CA_f_June", "es_MX_f_Allison")
NO_SPEECH = ("tone", "beep", "silence", "confbridge", "followme")


@cache
def clips(voice: str, half: str) -> tuple[Sound, ...]:
    """All recordings of speech of a voice that belong to a half."""
    paths = [path for path in sorted((ASTERISK / voice).rglob("*.wav")) if not _is_noise(path)]
    return tuple(clip(path) for path in paths[HALVES.index(half) :: 2])


def _is_noise(path: Path) -> bool:
    return any(part in str(path) for part in NO_SPEECH)


@cache
def lasting(voice: str, half: str, least: float, most: float) -> tuple[Sound, ...]:
    """Recordings of so many seconds: up to 0.5 s a letter, a digit or another word; from 1.2 s on a sentence."""
    return tuple(sound for sound in clips(voice, half) if least <= len(sound) / RATE <= most)


def pick(rng: np.random.Generator, among: tuple[Sound, ...], dbm0: float) -> Sound:
    """One of them, at this level."""
    return at_level(among[rng.integers(len(among))], dbm0)


def talk(rng: np.random.Generator, voice: str, half: str, seconds: float, dbm0: float) -> Sound:
    """Sentence after sentence, with pauses of 0.2 to 0.6 s."""
    among, parts, length = lasting(voice, half, 1.5, 12.0), list[Sound](), 0
    while length < seconds * RATE:
        parts += [pick(rng, among, dbm0 + rng.uniform(-2, 2)), np.zeros(round(rng.uniform(0.2, 0.6) * RATE))]
        length += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)[: round(seconds * RATE)]
