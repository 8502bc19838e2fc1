"""Recorded backchannels of four speakers in five languages, as long as real ones: nearly all last 0.15 to 0.6 s.

`backchannels.tsv` names the recordings that each is made of: whole ones (the letter O is an "oh"), or a part of one,
with its first and last second ("yes" of "yesterday", a hum of the consonant of the letter M). The parts of the bench
have different speakers.
"""

from functools import cache
from pathlib import Path

import numpy as np

from tests.bench.turns.compose import joined, rng
from tests.bench.turns.corpus import (
    ASTERISK,
    FRAME,
    LICENCES,
    RATE,
    SPEAKERS,
    Clip,
    Sound,
    Word,
    active,
    levelled,
    read,
)

RAMP = round(0.01 * RATE)
"""Samples in which a cut piece becomes loud and silent, so that it does not click."""
BETWEEN = 0.05
"""Seconds between two pieces."""


@cache
def backchannels(part: str) -> tuple[Clip, ...]:
    """All of one part, in an order that mixes speakers and lengths; without those whose package is not installed."""
    rows = [line.split("\t") for line in Path(__file__).with_suffix(".tsv").read_text().splitlines()[1:]]
    known = [_recorded(language, text, pieces) for where, language, text, pieces in rows if where == part]
    found = [one for one in known if one is not None]
    return tuple(found[number] for number in rng("backchannels", part).permutation(len(found)))


def seconds(clip: Clip) -> float:
    """Its length from the first to the last frame of speech."""
    places = np.flatnonzero(active(clip.sound))
    return float(places[-1] + 1 - places[0]) * FRAME / 2 / RATE


def _recorded(language: str, text: str, pieces: str) -> Clip | None:
    folder = ASTERISK / SPEAKERS[language]
    if not folder.is_dir():
        return None
    named = [piece.split() for piece in pieces.split(" + ")]
    sounds = [_cut(read(folder / f"{file}.wav"), *map(float, times)) for file, *times in named]
    whole = levelled(joined(text, [Clip(text, sound) for sound in sounds], [BETWEEN]).sound)
    words, size = text.split(), len(whole) // len(text.split())
    placed = tuple(Word(word, number * size, (number + 1) * size) for number, word in enumerate(words))
    return Clip(f"{language}: {text}, {pieces}", whole, placed, LICENCES.get(language, LICENCES["asterisk"]))


def _cut(sound: Sound, first: float = 0.0, last: float = 0.0) -> Sound:
    """The piece between two times, with ramps; without times the whole, without the silence around it."""
    if not last:
        return levelled(sound)
    piece = sound[round(first * RATE) : round(last * RATE)]
    ramp = np.minimum(1, np.minimum(np.arange(len(piece)), np.arange(len(piece))[::-1]) / RAMP)
    return levelled(np.asarray(piece * ramp, np.float32))
