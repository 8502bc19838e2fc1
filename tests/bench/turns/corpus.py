"""Recorded speech with its words, their times and its licence; a part for development, a part that is held back."""

import hashlib
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from media.g711 import to_linear
from sipgw.records.artifacts.wav import read_ulaw

Sound = npt.NDArray[np.float32]
"""Samples between -1 and 1, 8000 a second."""
RATE = 8000
FRAME = 160
ASTERISK = Path("/usr/share/asterisk/sounds")
SPEECH = Path(__file__).parents[2] / "data" / "speech"
SPEAKERS = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
"""The folder of each language of Asterisk's prompts: one speaker in each, of Spanish the one of English."""
LICENCES = {
    "asterisk": "CC-BY-SA-3.0, Debian's asterisk-core-sounds-{en,es,fr}-wav (Allison Smith, June Wallack)",
    "it": "CC-BY-3.0, Debian's asterisk-core-sounds-it-wav (Carlo Flora)",
    "ru": "CC-BY-3.0, Debian's asterisk-core-sounds-ru-wav (provided by Maxim Topal)",
}
LEVEL = -22.0
"""dBov of the active speech of every recording."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Word(NamedTuple):
    """A word and where it stands, in samples."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound of one speaker and what is said in it."""

    name: str
    sound: Sound
    words: tuple[Word, ...] = ()
    licence: str = ""
    pauses: tuple[tuple[int, int], ...] = ()
    """Silences that were put in, in samples."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def part_of(name: str) -> str:
    """``dev``, which may be tuned to, or ``held``, which may not: by the hash of the file's name."""
    return "dev" if hashlib.sha256(name.encode()).digest()[0] < 144 else "held"


def dbov(sound: Sound) -> float:
    """Level of the whole of it; -100 for silence."""
    power = float(np.mean(sound.astype(np.float64) ** 2)) if len(sound) else 0.0
    return 10 * float(np.log10(power)) if power > 1e-10 else -100.0


def active(sound: Sound) -> npt.NDArray[np.bool_]:
    """Which frames of 10 ms have speech: less than 32 dB below the loudest."""
    step = FRAME // 2
    frames = sound[: len(sound) // step * step].reshape(-1, step)
    power = (frames.astype(np.float64) ** 2).mean(axis=1)
    return np.asarray(power > power.max(initial=0.0) * 10**-3.2)


def levelled(sound: Sound, level: float = LEVEL) -> Sound:
    """The sound with its speech at that level, and without silence around it."""
    speech = active(sound)
    places = np.flatnonzero(speech)
    if not len(places):
        return sound
    step = FRAME // 2
    loud = sound[: len(speech) * step].reshape(-1, step)[speech]
    cut = sound[max(0, places[0] - 2) * step : (places[-1] + 3) * step]
    return np.asarray(np.clip(cut * 10 ** ((level - dbov(loud.ravel())) / 20), -1, 1), np.float32)


def aligned(sound: Sound, text: str) -> tuple[Word, ...]:
    """Where each word stands: the speech is shared out by the number of letters, silences are left out."""
    speech = np.flatnonzero(active(sound))
    words = text.split()
    if not words or not len(speech):
        return ()
    weights = np.cumsum([0.0, *(len(word) + 1.0 for word in words)])
    edges = np.rint(weights / weights[-1] * (len(speech) - 1)).astype(int)
    step = FRAME // 2
    return tuple(
        Word(word, int(speech[first]) * step, int(speech[last] + 1) * step)
        for word, first, last in zip(words, edges, edges[1:], strict=False)
    )


def read(path: Path) -> Sound:
    """A WAV file at 8000 Hz, 16-bit linear."""
    with wave.open(str(path)) as file:
        raw = file.readframes(file.getnframes())
    return np.frombuffer(raw, "<i2").astype(np.float32) / 32768  # type: ignore[return-value]


def clip(name: str, sound: Sound, text: str, licence: str) -> Clip:
    """A recording made ready: levelled, trimmed, its words placed."""
    sound = levelled(sound)
    return Clip(name, sound, aligned(sound, text), licence)


@cache
def missing() -> tuple[str, ...]:
    """What this machine lacks; the bench goes on with the rest."""
    return tuple(
        f"asterisk-core-sounds-{code}-wav" for code, folder in SPEAKERS.items() if not (ASTERISK / folder).is_dir()
    )


def _prompt(file: str, text: str) -> Clip | None:
    path = ASTERISK / "en_US_f_Allison" / f"{file}.wav"
    return clip(file, read(path), text, LICENCES["asterisk"]) if path.is_file() else None


@cache
def prompts(role: str) -> tuple[Clip, ...]:
    """Asterisk's English prompts in one role: caller, agent or television."""
    rows = [line.split("\t") for line in Path(__file__).with_name("asterisk.tsv").read_text().splitlines()[1:]]
    found = (_prompt(file, text) for kind, file, text in rows if kind == role)
    return tuple(one for one in found if one is not None)


@cache
def people() -> tuple[Clip, ...]:
    """The recordings of tests/data/speech: several speakers."""
    rows = [line.split("\t") for line in (SPEECH / "manifest.tsv").read_text().splitlines()[1:]]
    found = []
    for file, text, _, _, licence in rows:
        linear = np.frombuffer(to_linear(read_ulaw(SPEECH / file)), "<i2").astype(np.float32) / 32768
        found.append(clip(file.removesuffix(".wav"), linear, text, licence))  # type: ignore[arg-type]
    return tuple(found)


def sentences(part: str) -> list[Clip]:
    """What callers say, of one part."""
    spoken = [*prompts("caller"), *(one for one in people() if not one.name.startswith("fsdd"))]
    return [one for one in spoken if part_of(one.name) == part]


@cache
def _characters() -> tuple[Clip, ...]:
    names = [(f"digits/{number}", word) for number, word in enumerate(DIGITS)]
    names += [(f"letters/{letter}", letter) for letter in LETTERS]
    return tuple(one for file, word in names if (one := _prompt(file, word)) is not None)


def _of_strings() -> list[Clip]:
    """The single digits of the recorded strings of digits, whose gaps are silent."""
    found = []
    for whole in people():
        if not whole.name.startswith("fsdd"):
            continue
        speech = np.pad(active(whole.sound), 1)
        edges = np.flatnonzero(np.diff(speech.astype(int))) * (FRAME // 2)
        runs = [[int(first), int(last)] for first, last in zip(edges[::2], edges[1::2], strict=True)]
        joined = runs[:1]
        for first, last in runs[1:]:
            if first - joined[-1][1] < 0.12 * RATE:
                joined[-1][1] = last
            else:
                joined.append([first, last])
        if len(joined) == len(whole.words):
            for number, ((first, last), word) in enumerate(zip(joined, whole.words, strict=True)):
                sound = whole.sound[max(0, first - 160) : last + 240]
                found.append(Clip(f"{whole.name}:{number}", sound, (Word(word.text, 0, len(sound)),), whole.licence))
    return found


def characters(part: str, kind: str) -> list[list[Clip]]:
    """Single digits or letters, by speaker."""
    wanted = frozenset(DIGITS if kind == "digits" else LETTERS)
    by_speaker: dict[str, list[Clip]] = {}
    for one in (*_characters(), *(_of_strings() if kind == "digits" else ())):
        speaker, colon, _ = one.name.partition(":")
        if one.text in wanted and part_of(speaker) == part:
            by_speaker.setdefault(speaker if colon else "allison", []).append(one)
    return [known for known in by_speaker.values() if len({one.text for one in known}) >= 4]


@cache
def strangers() -> tuple[Sound, ...]:
    """Speech in other languages, of which nobody understands a word: the voices of babble."""
    found = []
    for folder in ("es_MX_f_Allison", "fr_CA_f_June", "en_US_f_Allison"):
        for path in sorted((ASTERISK / folder).glob("*.wav")):
            sound = read(path)
            if 2 * RATE <= len(sound) <= 12 * RATE:
                found.append(levelled(sound))
    return tuple(found) or tuple(one.sound for one in people())
