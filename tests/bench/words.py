"""Gate of what a recogniser makes of lost packets: words wrong by fill, with the embedded Whisper.

The truth is what the model makes of the same sound without loss, so any prompts will do: the English ones of Asterisk
(Debian's asterisk-core-sounds-en-wav) where they are installed, otherwise the recordings of `tests/data/speech`.
"""

import wave
from collections.abc import Iterator

import numpy as np

from media.g711 import FRAME, RATE, from_linear, to_linear
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.tools.evaluation.words import wrong_words
from tests.bench.gate import Gate
from tests.bench.plc import PROMPTS, SPEECH, Condition, Fill, pattern, repeated, silent, two_sided

AREA = "media"
UTTERANCES = 60
RANDOM = Condition(0.10, 1, 0, 0, 0)
BURSTS = Condition(0.10, 3, 0, 0, 0)


def corpus() -> tuple[str, list[bytes]]:
    """Its name, and mu-law sounds of 3 to 14 s."""
    sounds = []
    for path in sorted(PROMPTS.glob("en_*/*.wav")):
        with wave.open(str(path)) as file:
            if 3 * RATE <= file.getnframes() <= 14 * RATE:
                sounds.append(from_linear(file.readframes(14 * RATE)))
    if sounds:
        return "Asterisk prompts", sounds[:: max(1, len(sounds) // UTTERANCES)]
    return "tests/data/speech", [read_ulaw(path) for path in sorted(SPEECH.glob("*.wav"))]


def omitted(ulaw: bytes, lost: list[bool]) -> bytes:
    return b"".join(ulaw[at * FRAME : (at + 1) * FRAME] for at, gone in enumerate(lost) if not gone)


FILLS: dict[str, Fill] = {"omitted": omitted, "silence": silent, "repetition": repeated, "concealed": two_sided}


def gates() -> Iterator[Gate]:
    """Measure everything; takes some minutes."""
    try:
        from agent.providers.local.whisper import Whisper
        from agent.turn_taking.words import words_of
    except ModuleNotFoundError:
        yield Gate(AREA, "words", "not installed: pip install '.[local]'", "installed", False)
        return
    model, (name, sounds) = Whisper(1), corpus()

    def understand(ulaw: bytes) -> list[str]:
        linear = np.frombuffer(to_linear(ulaw), "<i2").astype(np.float32) / 32768
        return list(words_of(model.transcribe(linear).text))

    sounds = [sound[: len(sound) // FRAME * FRAME] for sound in sounds]
    truth = [understand(sound) for sound in sounds]
    total = sum(map(len, truth))
    for condition in (RANDOM, BURSTS):
        rates = {}
        for fill, conceal in FILLS.items():
            errors = 0
            for number, (sound, said) in enumerate(zip(sounds, truth, strict=True)):
                errors += wrong_words(understand(conceal(sound, pattern(len(sound) // FRAME, condition, number))), said)
            rates[fill] = 100 * errors / total
        figures = ", ".join(f"{fill} {rate:.1f} %" for fill, rate in rates.items()) + f" of {total} words ({name})"
        ours, best = rates["concealed"], min(rates.values())
        met = ours <= best + 1 and (condition is RANDOM or ours <= rates["omitted"] - 3)
        goal = "concealed within 1 of the best" + ("" if condition is RANDOM else ", 3 better than omitted")
        yield Gate(AREA, f"words wrong, {condition}", figures, goal, met)
