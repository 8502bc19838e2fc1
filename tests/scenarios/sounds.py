"""Write `tests/data/callers`, what callers of the scenarios say: ``python -m tests.scenarios.sounds``.

They are made of those of `tests/data/speech`: cut, mixed, raised. The same every time.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sipgw.records.artifacts.wav import write_mono
from tests.agent.hearing.mixing import RATE, Sound, at_level, levels, noise, place, to_ulaw, ulaw_clip

FOLDER = Path(__file__).parents[1] / "data" / "callers"
VOICE = -20.0
"""dBm0 of every caller."""
CAR = -38.0
MUSIC = -22.0
CHILD = 1.35
"""How many times as fast, and as high, a grown-up's recording is played."""


def spoken(name: str) -> Sound:
    """A whole recording."""
    return at_level(ulaw_clip(name), VOICE)


def words(name: str, first: int, count: int) -> Sound:
    """Some words of a recording whose words are parted by silence."""
    sound = spoken(name)
    loud = np.pad(levels(sound) > VOICE - 25, 1)
    edges = np.flatnonzero(np.diff(loud.astype(int))) * 160
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    parted = [runs[0]]
    for begin, end in runs[1:]:
        if begin - parted[-1][1] < 0.12 * RATE:
            parted[-1] = parted[-1][0], end
        else:
            parted.append((begin, end))
    return sound[parted[first][0] : parted[first + count - 1][1]]


def raised(sound: Sound) -> Sound:
    """The voice of somebody smaller."""
    at = np.arange(0, len(sound) - 1, CHILD)
    return np.interp(at, np.arange(len(sound)), sound)


def car(seconds: float) -> Sound:
    return noise(np.random.default_rng(1), seconds, CAR)


def music(seconds: float) -> Sound:
    """Chords of three tones with overtones, two a second."""
    length, step = round(seconds * RATE), RATE // 2
    chords = [(262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)]
    time = np.arange(step) / RATE
    played = [
        sum(np.sin(2 * np.pi * tone * part * time) / part for tone in chord for part in (1, 2, 3)) * np.exp(-time / 0.4)
        for chord in chords
    ]
    return at_level(np.resize(np.concatenate(played), length), MUSIC)


def recordings() -> Iterator[tuple[str, Sound]]:
    """Each with the name of its file."""
    yield "one_word", words("fsdd_theo_7346.wav", 3, 1)
    yield "two_words", words("fsdd_theo_7346.wav", 2, 2)
    yield "murmur", words("fsdd_theo_7346.wav", 3, 1)[: round(0.3 * RATE)]
    for name, first, count in (("group_one", 0, 3), ("group_two", 3, 3), ("group_three", 6, 4)):
        yield name, words("fsdd_jackson_4155550123.wav", first, count)
    one, other = spoken("lv_0880.wav"), spoken("goforward.wav")
    yield "two_people", place(len(one) + len(other) - round(0.5 * RATE), (0.0, one), (len(one) / RATE - 0.5, other))
    yield "child", raised(spoken("lv_0930.wav"))
    yield "child_interrupts", raised(spoken("something.wav"))
    yield "in_a_car", place(len(one), (0.0, one), (0.0, car(len(one) / RATE)))
    yield "car", car(5.0)
    yield "music", music(9.0)
    yield "machine", spoken("jfk.wav")[: round(4.5 * RATE)]


def main() -> None:
    """Write them all."""
    for name, sound in recordings():
        write_mono(FOLDER / f"{name}.wav", to_ulaw(sound))


if __name__ == "__main__":
    main()
