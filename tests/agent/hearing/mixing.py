"""Sound of a caller's line, mixed from recorded speech: voices at a level, echo paths, coughs, babble. Seeded."""

import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.ulaw import audioop

Sound = NDArray[np.float64]
"""Samples at 8 kHz on the 16-bit scale."""
RATE = 8000
SLOT = 160
FULL = 15_813.0
"""Root mean square of 0 dBm0 (ITU-T G.711, table 5)."""
SPEECH = Path(__file__).parents[2] / "data" / "speech"
ASTERISK = Path("/usr/share/asterisk/sounds")
"""Debian's asterisk-core-sounds-*-wav (CC-BY-SA-3.0): three speakers."""


def level(sound: Sound) -> float:
    """In dBm0."""
    return float(20 * np.log10(max(1.0, float(np.sqrt(np.mean(sound**2)))) / FULL))


def levels(sound: Sound) -> Sound:
    """In dBm0, of each slot."""
    slots = sound[: len(sound) // SLOT * SLOT].reshape(-1, SLOT)
    return 20 * np.log10(np.maximum(1.0, np.sqrt((slots**2).mean(1))) / FULL)  # type: ignore[no-any-return]


def active(sound: Sound) -> tuple[int, int]:
    """The first sample and the one after the last of what is heard of it: 22 dB below its loud parts or more."""
    found = levels(sound)
    loud = np.flatnonzero(found > np.quantile(found, 0.9) - 22)
    return int(loud[0]) * SLOT, (int(loud[-1]) + 1) * SLOT


def at_level(sound: Sound, dbm0: float) -> Sound:
    """With its speech at this level: the mean of the slots in which there is some."""
    found = levels(sound)
    power = 10 ** (found[found > np.quantile(found, 0.9) - 22] / 10)
    return sound * 10 ** ((dbm0 - 10 * np.log10(power.mean())) / 20)  # type: ignore[no-any-return]


@cache
def clip(path: Path) -> Sound:
    """A recording without the silence around it."""
    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
        sound = np.frombuffer(data, np.int16).astype(float)
    start, end = active(sound)
    return sound[start:end]


@cache
def ulaw_clip(name: str) -> Sound:
    """A recording of `tests/data/speech`: mu-law in WAV."""
    data = (SPEECH / name).read_bytes()
    sound = from_ulaw(data[data.index(b"data") + 8 :])
    start, end = active(sound)
    return sound[start:end]


def to_ulaw(sound: Sound) -> bytes:
    """G.711."""
    return audioop.lin2ulaw(np.clip(sound, -32768, 32767).astype("<i2").tobytes(), 2)  # type: ignore[no-any-return]


def from_ulaw(ulaw: bytes) -> Sound:
    """G.711."""
    return np.frombuffer(audioop.ulaw2lin(ulaw, 2), "<i2").astype(float)


def place(length: int, *parts: tuple[float, Sound]) -> Sound:
    """The sum of sounds that begin so many seconds in."""
    whole = np.zeros(length)
    for at, sound in parts:
        start = round(at * RATE)
        piece = sound[: max(0, length - start)]
        whole[start : start + len(piece)] += piece
    return whole


def noise(rng: np.random.Generator, seconds: float, dbm0: float) -> Sound:
    """Of a room: falls off towards high frequencies."""
    white = rng.standard_normal(round(seconds * RATE))
    pink = np.convolve(white, 0.9 ** np.arange(30))[: len(white)]
    return pink * FULL * 10 ** (dbm0 / 20) / np.sqrt(np.mean(pink**2))  # type: ignore[no-any-return]


def echo(sound: Sound, rng: np.random.Generator, delay: float, loss: float, *, room: float = 0.0) -> Sound:
    """What comes back of `sound`, so many seconds later and so many dB weaker.

    `room`: seconds in which the reverberation after the first reflection falls by 60 dB.
    """
    path = np.zeros(round((delay + 1.5 * room) * RATE) + 40)
    start = round(delay * RATE)
    path[start : start + 8] = (1.0, 0.4, -0.3, 0.2, -0.1, 0.05, 0.02, 0.01)
    if room:
        tail = rng.standard_normal(len(path) - start - 40) * 10 ** (
            -3 * np.arange(len(path) - start - 40) / room / RATE
        )
        path[start + 40 :] += 0.15 * tail
    size = 1 << (len(sound) + len(path)).bit_length()  # by the spectrum: a long path is 20 times as quick
    back = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(path, size), size)[: len(sound)]
    reach = np.sqrt(np.mean(sound**2) / max(1e-9, float(np.mean(back**2))))
    return back * reach * 10 ** (-loss / 20)  # type: ignore[no-any-return]


def cough(rng: np.random.Generator, dbm0: float) -> Sound:
    """One or two bursts of noise through a throat: 0.2 to 0.35 s each."""
    bursts = []
    for _ in range(int(rng.integers(1, 4))):
        length = round(rng.uniform(0.18, 0.35) * RATE)
        time = np.arange(length) / RATE
        shape = np.minimum(1, time / 0.012) * np.exp(-time / rng.uniform(0.05, 0.12))
        burst = _formants(rng.standard_normal(length), rng.uniform(500, 900), rng.uniform(1200, 2200)) * shape
        bursts += [burst, np.zeros(round(rng.uniform(0.05, 0.25) * RATE))]
    return at_level(np.concatenate(bursts), dbm0)


def bump(rng: np.random.Generator, dbm0: float) -> Sound:
    """The handset touches something: a dull knock and a scrape."""
    time = np.arange(round(0.25 * RATE)) / RATE
    knock = np.exp(-time / 0.03) * np.sin(2 * np.pi * rng.uniform(80, 250) * time)
    scrape = 0.3 * rng.standard_normal(len(time)) * np.exp(-((time - 0.12) ** 2) / 0.004)
    return at_level(knock + scrape, dbm0)


def click(rng: np.random.Generator, dbm0: float) -> Sound:
    """A key of a keyboard, or a switch: 10 ms."""
    length = round(0.01 * RATE)
    sound = rng.standard_normal(length) * np.exp(-np.arange(length) / 20)
    return sound * FULL * 10 ** (dbm0 / 20) / np.sqrt(np.mean(sound**2))  # type: ignore[no-any-return]


def rustle(rng: np.random.Generator, dbm0: float) -> Sound:
    """Paper or clothes: bright noise in irregular puffs for half a second to two."""
    length = round(rng.uniform(0.5, 2.0) * RATE)
    puffs = np.interp(np.arange(length), np.sort(rng.integers(0, length, 24)), rng.uniform(0, 1, 24) ** 2)
    return at_level(np.diff(rng.standard_normal(length + 1)) * puffs, dbm0)


def breath(rng: np.random.Generator, dbm0: float) -> Sound:
    """Into the microphone."""
    length = round(rng.uniform(0.4, 0.9) * RATE)
    shape = np.sin(np.pi * np.arange(length) / length) ** 2
    return at_level(_formants(rng.standard_normal(length), 400, 1500) * shape, dbm0)


def _formants(sound: Sound, *hertz: float) -> Sound:
    for center in hertz:
        radius, angle = 0.93, 2 * np.pi * center / RATE
        path = radius ** np.arange(200) * np.sin(angle * np.arange(1, 201))
        sound = sound + np.convolve(sound, path)[: len(sound)]
    return sound


NOISES = {"cough": cough, "bump": bump, "click": click, "rustle": rustle, "breath": breath}
