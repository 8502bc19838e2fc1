"""Speech to text: Whisper tiny.en (int8, CTranslate2), greedy, with a short encoder context."""

import re
from typing import Any, NamedTuple

import ctranslate2
import numpy as np
import soxr

from agent.log_mel import HOP, RATE, WINDOW, LogMel
from agent.providers.local.models import VOCABULARY, WHISPER, verified
from agent.turn_taking.words import words_of

SHORT_CONTEXT = 1100
"""Frames (11 s) that the encoder sees at least; 30 s cost three times as much and are no better for one turn."""
FULL_CONTEXT = 3000
TOKENS_PER_SECOND = 12
GOOD_SCORE = -1.0
"""Average log probability of a token below which the result is tried again with the full context."""
NO_SPEECH = 0.6
PHANTOM_SCORE = -0.7
"""The same for words of `_PHANTOMS`."""
SHORTEST = 800
"""Samples (0.1 s) below which nothing is understood."""
_PHANTOMS = frozenset({"you", "thank you", "thanks for watching", "bye", "thank you for watching", "so", "oh"})
"""What Whisper says when it hears nothing."""
_LOOP = re.compile(r"^(\w+ \w+ .*\w) \1$|\b(\w+(?: \w+){1,5})(?: \2){3}\b|\b(\w+)(?: \3){7}\b")


class Heard(NamedTuple):
    """What was understood."""

    text: str
    score: float
    """Average log probability of its tokens."""
    no_speech: float
    """Probability that nobody spoke."""
    doubtful: bool
    """Whether it is worth another try."""


class Whisper:
    """The model, loaded once per process; `threads` turns can be understood at the same time."""

    def __init__(self, threads: int) -> None:
        folder = verified(WHISPER).parent
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=threads, intra_threads=1
        )
        self._vocabulary = frozenset(verified(VOCABULARY).read_text(encoding="utf-8").splitlines())
        self._log_mel = LogMel()
        self._bytes = {char: byte for byte, char in _byte_characters().items()}

    def transcribe(self, linear: "np.ndarray[Any, Any]", prompt: str) -> Heard:
        """Understand up to 30 s of 8 kHz float sound; `prompt` is a sentence of the kind that is expected, or empty.

        Text is empty when there were no words: noise makes Whisper say "Thank you." and the like.
        """
        if len(linear) < SHORTEST:
            return Heard("", 0.0, 1.0, doubtful=False)
        sound = soxr.resample(linear, 8000, RATE, quality="MQ")
        tries = [self._decode(sound, prompt, SHORT_CONTEXT)]
        if tries[0].doubtful and prompt:
            tries.append(self._decode(sound, "", SHORT_CONTEXT))
        if all(one.doubtful for one in tries):
            tries.append(self._decode(sound, prompt, FULL_CONTEXT))
        heard = min(tries, key=lambda one: (one.doubtful, -one.score))
        spoken = " ".join(words_of(heard.text))
        phantom = spoken in _PHANTOMS and heard.score < PHANTOM_SCORE
        if phantom or _loops(spoken) or (heard.no_speech > NO_SPEECH and heard.score < GOOD_SCORE):
            return heard._replace(text="")
        return heard

    def _decode(self, sound: "np.ndarray[Any, Any]", prompt: str, context: int) -> Heard:
        seconds = len(sound) / RATE
        frames = min(FULL_CONTEXT, max(context, int(seconds * 100) + 50))
        features = ctranslate2.StorageView.from_array(self._features(sound, frames)[np.newaxis])
        before = ["<|startofprev|>", *self._tokens(prompt)] if prompt else []
        cap = 16 + int(seconds * TOKENS_PER_SECOND)
        (result,) = self._model.generate(
            features,
            [[*before, "<|startoftranscript|>", "<|notimestamps|>"]],
            beam_size=1,
            max_length=len(before) + cap,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
        )
        text, score = self._text(result.sequences[0]), result.scores[0]
        doubtful = score < GOOD_SCORE or len(result.sequences[0]) >= cap or _loops(" ".join(words_of(text)))
        return Heard(text, score, result.no_speech_prob, doubtful)

    def _features(self, sound: "np.ndarray[Any, Any]", frames: int) -> "np.ndarray[Any, Any]":
        """The log-mel spectrogram as Whisper was trained on it, `frames` wide."""
        padded = np.zeros(frames * HOP + WINDOW, np.float32)
        kept = sound[: frames * HOP]
        padded[WINDOW // 2 : WINDOW // 2 + len(kept)] = kept
        return self._log_mel.features(padded, frames)

    def _tokens(self, text: str) -> list[str]:
        """`text` as vocabulary entries, longest first: good enough for a prompt."""
        tokens: list[str] = []
        for word in text.split():
            rest = "Ġ" + word
            while rest:
                length = next((n for n in range(len(rest), 0, -1) if rest[:n] in self._vocabulary), 0)
                if not length:
                    break
                tokens.append(rest[:length])
                rest = rest[length:]
        return tokens

    def _text(self, tokens: list[str]) -> str:
        characters = "".join(token for token in tokens if not token.startswith("<|"))
        return bytes(self._bytes.get(char, 32) for char in characters).decode("utf-8", "replace").strip()


def _loops(words: str) -> bool:
    """Whether the decoder got stuck: it says all of it twice, a phrase four times, or one word eight times in a row."""
    return bool(_LOOP.search(words))


def _byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in a GPT-2 vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in plain}
    extra = 256
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(extra)
            extra += 1
    return table
