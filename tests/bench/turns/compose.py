"""What callers do, made of recordings: pauses, groups, murmurs, coughs, babble, a television; the same by seed."""

from functools import cache

import numpy as np

from media.g711 import to_linear
from tests.bench.turns.agent_side import embedded_voice, words_of
from tests.bench.turns.corpus import LEVEL, RATE, Clip, Sound, Word, _characters, clip, levelled, prompts, strangers

QUIET_LINE = -62.0
"""dBov of the noise that every line has."""


def rng(*seed: object) -> np.random.Generator:
    """The same numbers for the same seed on every machine."""
    return np.random.default_rng(list(repr(seed).encode()))


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE), np.float32)


def joined(name: str, clips: list[Clip], gaps: list[float]) -> Clip:
    """Clips one after the other with silences between, which are noted as pauses."""
    sounds: list[Sound] = []
    words: list[Word] = []
    pauses: list[tuple[int, int]] = []
    at = 0
    for number, one in enumerate(clips):
        words += [Word(word.text, word.start + at, word.end + at) for word in one.words]
        sounds.append(one.sound)
        at += len(one.sound)
        if number < len(clips) - 1:
            gap = silence(gaps[number % len(gaps)])
            sounds.append(gap)
            pauses.append((at, at + len(gap)))
            at += len(gap)
    return Clip(name, np.concatenate(sounds), tuple(words), clips[0].licence, tuple(pauses))


def divided(clip: Clip, at: int) -> tuple[Clip, Clip]:
    """The clip in two, at the quietest place near a sample of it."""
    around = range(max(0, at - 1000), min(len(clip.sound) - 320, at + 1000), 40)
    at = min(around, key=lambda place: float((clip.sound[place : place + 320] ** 2).sum()), default=at) + 160
    before = [word for word in clip.words if (word.start + word.end) // 2 < at]
    first = tuple(word._replace(end=min(word.end, at)) for word in before)
    rest = tuple(Word(word.text, max(0, word.start - at), word.end - at) for word in clip.words[len(before) :])
    return Clip(clip.name, clip.sound[:at], first), Clip(clip.name, clip.sound[at:], rest)


def paused(clip: Clip, seconds: float) -> Clip:
    """The clip with a silence at the quietest place near the word boundary in its middle."""
    middle = min(clip.words[:-1], key=lambda word: abs(word.end - len(clip.sound) / 2)) if clip.words[1:] else None
    at = middle.end if middle else len(clip.sound) // 2
    both = joined(clip.name, [*divided(clip, at)], [seconds])
    return Clip(f"{clip.name}+{seconds}", both.sound, both.words, clip.licence, both.pauses)


def dictated(name: str, known: list[Clip], groups: tuple[int, ...], pause: float) -> Clip:
    """Digits or letters of one speaker in groups: 60 ms between them, `pause` between the groups."""
    chosen = rng(name)
    order = [known[int(chosen.integers(len(known)))] for _ in range(sum(groups))]
    whole, at = [], 0
    for number, size in enumerate(groups):
        whole.append(joined(f"{name}.{number}", order[at : at + size], [0.06]))
        at += size
    return joined(name, [Clip(one.name, one.sound, one.words) for one in whole], [pause])


MURMURS = (
    "oh", "mhm", "okay", "thank you", "i see", "right", "oh okay", "mhm mhm", "okay thank you", "oh i see",
    "right right", "mhm okay", "okay right", "mhm i see", "oh thank you", "right okay",
)  # fmt: skip


ACKNOWLEDGEMENTS = (
    "okay, I see", "I see, thank you", "Okay, got it.", "Got it, thanks", "yeah I know", "that makes sense",
    "yeah that's true", "I see, okay", "Yes I understand", "oh that's great", "okay, thank you so much",
    "right, I got it", "yeah, that's right", "I understand, thank you", "sure, no problem", "oh okay, that makes sense",
    "okay, sounds good, thanks", "mm-hmm, I see", "yes, of course, thank you", "all right, very good",
    "oh I see, that's nice", "wow, that's really cool", "okay okay, I got it", "good to know, thanks",
    "yeah yeah, I know that",
)  # fmt: skip
"""What listeners say most, of several words."""


@cache
def acknowledgements() -> list[Clip]:
    """They are spoken by the embedded voice, because nobody recorded them for reuse; none where it is not installed."""
    if (voice := embedded_voice()) is None:
        return []
    spoken = [(text, b"".join(voice(text))) for text in ACKNOWLEDGEMENTS]
    return [
        clip(
            text,
            np.frombuffer(to_linear(sound), "<i2").astype(np.float32) / 32768,  # type: ignore[arg-type]
            " ".join(words_of(text)),
            "made here",
        )
        for text, sound in spoken
    ]


def murmurs() -> list[Clip]:
    """What listeners say, made of recorded letters and prompts: "okay" of O and K, "I see" of I and C, "right" of the
    name of a bracket, "mm-hmm" of the consonant of the letter M."""
    letters = {one.text: one for one in _characters()}
    if not {"o", "k", "m", "i", "c"} <= set(letters):
        return []
    hum = letters["m"].sound[-1200:]
    ramp = np.minimum(1, np.minimum(np.arange(1200), np.arange(1200)[::-1]) / 240).astype(np.float32)
    single = {
        "oh": letters["o"].sound,
        "mhm": levelled(np.concatenate([hum * ramp, silence(0.06), hum[::-1] * ramp * 1.2]).astype(np.float32)),
        "okay": np.concatenate([letters["o"].sound, letters["k"].sound]),
        "see": letters["c"].sound,
        "i": letters["i"].sound,
    }
    for whole in prompts("murmur"):
        if whole.text == "thank you":
            single["thank you"] = whole.sound
        else:
            single[whole.words[0].text] = whole.sound[: whole.words[0].end]
    licence = letters["o"].licence
    known = {text: Clip(text, sound, (Word(text, 0, len(sound)),), licence) for text, sound in single.items()}
    parts = {text: text.replace("thank you", "thank_you").split() for text in MURMURS}
    made = {text: [known[part.replace("_", " ")] for part in some] for text, some in parts.items()}
    both = [joined(text, some, [0.04]) for text, some in made.items()]
    return [Clip(one.name, one.sound, one.words, one.licence) for one in both]


def noise(kind: str, seed: int) -> Clip:
    """A cough, a bump or a click; synthesised, because no package of Debian or PyPI has them recorded for reuse."""
    chosen = rng(kind, seed)
    match kind:
        case "cough":
            bursts = [_cough(chosen) for _ in range(int(chosen.integers(1, 4)))]
            sound = np.concatenate([part for burst in bursts for part in (burst, silence(0.12))])
        case "bump":
            at = np.arange(round(0.18 * RATE)) / RATE
            low = np.sin(2 * np.pi * float(chosen.uniform(60, 160)) * at) + 0.4 * chosen.normal(size=len(at))
            sound = low * np.exp(-at / 0.04)
        case _:
            at = np.arange(round(0.03 * RATE)) / RATE
            sound = chosen.normal(size=len(at)) * np.exp(-at / 0.004)
    return Clip(f"{kind}:{seed}", levelled(np.asarray(sound, np.float32), LEVEL + 4), licence="made here")


def _cough(chosen: np.random.Generator) -> Sound:
    """An explosion of 40 ms, breath of 150 to 300 ms around two resonances, and a voiced end."""
    breath = float(chosen.uniform(0.15, 0.3))
    at = np.arange(round((0.04 + breath + 0.06) * RATE)) / RATE
    white = chosen.normal(size=len(at))
    spectrum = np.fft.rfft(white)
    hertz = np.fft.rfftfreq(len(at), 1 / RATE)
    shape = sum(np.exp(-(((hertz - peak) / width) ** 2)) for peak, width in ((550, 350), (1600, 700), (2700, 600)))
    shaped = np.fft.irfft(spectrum * shape, len(at))
    envelope = np.where(at < 0.04, 1.0, 0.45 * np.exp(-(at - 0.04) / (breath / 2)))
    voiced = np.where(at > 0.04 + breath, 0.15 * np.sign(np.sin(2 * np.pi * 140 * at)), 0.0)
    return np.asarray(shaped / np.abs(shaped).max() * envelope + voiced, np.float32)


def babble(seconds: float, level: float, seed: int) -> Sound:
    """Four voices at once."""
    chosen, length = rng("babble", seed), round(seconds * RATE)
    voices = strangers()
    total = np.zeros(length, np.float32)
    for _ in range(4):
        pieces, have = [], 0
        while have < length:
            pieces.append(voices[int(chosen.integers(len(voices)))])
            have += len(pieces[-1])
        total += np.concatenate(pieces)[:length]
    return np.asarray(total * 10 ** ((level - 10 * np.log10(np.mean(total**2))) / 20), np.float32)


def television(clips: list[Clip], seconds: float, level: float, seed: int) -> Clip:
    """Somebody who talks on and on, with short breaks."""
    chosen = rng("television", seed)
    order, have = [], 0.0
    while have < seconds and clips:
        order.append(clips[int(chosen.integers(len(clips)))])
        have += len(order[-1].sound) / RATE + 0.5
    if not order:
        return Clip("television", silence(seconds))
    whole = joined("television", order, [0.5])
    return Clip(whole.name, np.asarray(whole.sound * 10 ** ((level - LEVEL) / 20), np.float32), whole.words)


def scenes(shown: Clip, seed: int) -> Clip:
    """A television whose scenes last 3 to 8 s, with silences of 1 to 5 s between; odd seeds begin with a silence."""
    chosen = rng("scenes", seed)
    pieces = [silent(0.0)] if seed % 2 else []
    rest = shown
    while len(rest.sound) > 10 * RATE:
        scene, rest = divided(rest, round(float(chosen.uniform(3, 8)) * RATE))
        pieces.append(scene)
    return joined(shown.name, [*pieces, rest], [float(chosen.uniform(1, 5)) for _ in range(len(pieces))])


def silent(seconds: float) -> Clip:
    return Clip("silence", silence(seconds))


def hiss(seconds: float, seed: int) -> Sound:
    """The noise of a line."""
    found = rng("hiss", seed).normal(0, 10 ** (QUIET_LINE / 20), round(seconds * RATE))
    return np.asarray(found, np.float32)
