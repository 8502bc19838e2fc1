"""Real recordings through the real models, in one process and on the clock of the sound itself."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.hearing.silero import Silero
from agent.providers.local.endpoint import Act, Pauses
from agent.providers.local.listener import Listener
from agent.providers.local.whisper import Whisper
from agent.turn_taking.expect import Kind
from agent.turn_taking.words import words_of
from agent.ulaw import from_linear, to_linear
from sipgw.records.artifacts.wav import read_ulaw

SPEECH = Path(__file__).parent.parent.parent / "data" / "speech"
SILENCE = b"\xff"
DIGITS = {
    word: str(value % 10)
    for value, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh"])
}


class Event(NamedTuple):
    """What was noticed, and after how much sound (seconds)."""

    act: Act
    text: str
    end: float
    at: float


@cache
def silero() -> Silero:
    return Silero()


@cache
def whisper() -> Whisper:
    return Whisper(1)


def transcripts() -> dict[str, str]:
    """Name of a recording → what is said in it."""
    rows = [line.split("\t") for line in (SPEECH / "manifest.tsv").read_text().splitlines()[1:]]
    return {row[0]: row[1] for row in rows}


def recording(name: str) -> bytes:
    return read_ulaw(SPEECH / name)


def noisy(ulaw: bytes, snr: float, seed: int = 1) -> bytes:
    """The sound with white noise, `snr` dB below the level of its louder half."""
    sound = np.frombuffer(to_linear(ulaw), "<i2").astype(float)
    loud = np.sort(sound**2)[len(sound) // 2 :].mean() ** 0.5
    noise = np.random.default_rng(seed).normal(0, loud / 10 ** (snr / 20), len(sound))
    return from_linear(np.clip(sound + noise, -32768, 32767).astype("<i2").tobytes())


def listen(sound: bytes, *, said: str = "", wanted: Kind = Kind.OPEN, pauses: Pauses | None = None) -> list[Event]:
    """All that is noticed in `sound`; a decode takes no time."""
    listener = Listener(silero(), pauses or Pauses())
    listener.expect(said, wanted)
    events = []
    for at in range(0, len(sound), 160):
        steps = listener.hear(sound[at : at + 160])
        while steps:
            step = steps.pop(0)
            if step.act in (Act.DECODE, Act.EARLY):
                text = whisper().transcribe(listener.cut(step.start, step.end), listener.wanted).text
                steps += listener.turns.understood(step.end, text)
            events.append(Event(step.act, step.text, step.end / 8000, (at + 160) / 8000))
    return events


def finals(events: list[Event]) -> list[str]:
    return [event.text for event in events if event.act is Act.FINAL]


def digits_of(text: str) -> str:
    """All digits in `text`, spoken or written."""
    return "".join(DIGITS.get(word, word if word.isdigit() else "") for word in words_of(text))


def word_errors(said: str, understood: str) -> tuple[int, int]:
    """Wrong words and number of words; ten and 10 are the same."""
    want, got = (words_of(text.replace("10", "ten")) for text in (said, understood))
    row = list(range(len(got) + 1))
    for i, word in enumerate(want, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1], len(want)
