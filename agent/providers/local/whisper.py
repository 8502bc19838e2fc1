"""Speech to text: Whisper tiny.en (int8, CTranslate2), greedy, with a short encoder context.

Expected digits or letters are also decoded with a vocabulary that has nothing else. This result counts if the model
finds it probable among all words, if it reaches to the end of the sound, and if no other words are sure.
"""

from collections.abc import Sequence
from math import inf
from string import ascii_uppercase
from typing import Any, NamedTuple

import ctranslate2
import numpy as np
import soxr

from agent.log_mel import HOP, RATE, WINDOW, LogMel
from agent.phrases import phrases_of
from agent.providers.local.models import VOCABULARY, WHISPER, verified
from agent.providers.local.plausible import heard, is_suspect, is_thin, loops, shortened
from agent.turn_taking.expect import Kind, kind_of
from agent.turn_taking.words import words_of

SHORT_CONTEXT = 1100
"""Minimum frames (11 s) of the encoder's context; 30 s cost three times as much, and are no better for one turn."""
FULL_CONTEXT = 3000
TOKENS_PER_SECOND = 12
GOOD_SCORE = -1.0
"""Average log probability of a token below which the sound is decoded again with the full context."""
NO_SPEECH = 0.45
PHANTOM_SCORE = -0.7
"""Average log probability of a token below which the words of `_PHANTOMS` count as silence."""
SPELLED_SCORE, LEAST_SCORE = -3.0, -2.0
"""Average log probabilities, among all words, below which expected digits or letters were not said: for three digits or
more, and for fewer digits or letters. If other words were said, the value is -4 or less."""
SURE = -0.8
"""Average log probability above which other words between digits, as in "5 5 5, no, 5 5 6", count, and not the digits
alone."""
BEHIND = 0.6
"""Maximum seconds of sound after the last digit; if more is left, something else was said."""
WORDS_SCORE = -1.2
"""Average log probability below which a few words, where digits or letters are expected, are misheard digits or
letters."""
FEW = 3
SHORTEST = 800
"""Minimum samples (0.1 s) that are decoded."""
ENDS_SENTENCE = 0.6
"""Minimum probability of all marks that end a sentence, among all tokens after the last word, for such a mark. The most
probable token alone depends on chance: "." and "?" share the probability, and a cut off sentence often gets a point.
Recorded whole sentences have 0.77 and more; of cut off ones, two thirds have less than the minimum.
"""
LEAST_ALIGNED = 40
"""Minimum frames of an alignment."""
_PHANTOMS = frozenset({"you", "thank you", "thanks for watching", "bye", "thank you for watching", "so", "oh"})
"""Texts that Whisper writes for silence."""
_DIGITS = frozenset(
    f"{space}{word}" for word in [*"0123456789", "double", "triple", "Double", "Triple"] for space in ("", "Ġ")
)
_SPELLED = {Kind.DIGITS: _DIGITS, Kind.SPELLING: _DIGITS | {f"Ġ{letter}" for letter in ascii_uppercase}}
"""The tokens of each vocabulary. All letters have a space before them, because the decoder makes words of letters
without one."""
_TRIED = {Kind.DIGITS: (Kind.DIGITS, Kind.SPELLING), Kind.SPELLING: (Kind.SPELLING,)}
"""The vocabularies that are tried for each expected kind, in order: order numbers may have letters, too."""
_NUMERALS = phrases_of(("en",)).digits | {"double", "triple"}
_ENDS = (".", "?", "!")
_MARKS = frozenset({*_ENDS, ",", "...", "-", ";", ":"})
_BEGIN, _END, _UNTIMED = "<|startoftranscript|>", "<|endoftext|>", "<|notimestamps|>"


class Transcription(NamedTuple):
    """A recognised text."""

    text: str
    score: float
    """Average log probability of its tokens."""
    no_speech: float
    """Probability that nobody spoke."""
    doubtful: bool
    """Whether the sound should be decoded again with the full context."""


class _Seen(NamedTuple):
    """An encoded sound, as the decoder needs it."""

    features: ctranslate2.StorageView
    seconds: float


class Whisper:
    """The model, loaded once per process. `threads` turns can be recognised at the same time."""

    def __init__(self, threads: int) -> None:
        folder = verified(WHISPER).parent
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=threads, intra_threads=1
        )
        vocabulary = verified(VOCABULARY).read_text(encoding="utf-8").splitlines()
        self._ids = {token: number for number, token in enumerate(vocabulary)}
        self._suppressed = {
            kind: [number for number, token in enumerate(vocabulary) if token not in spelled | {_END}]
            for kind, spelled in _SPELLED.items()
        }
        """For each expected kind, the numbers of all tokens that are not in its vocabulary."""
        self._log_mel = LogMel()
        self._bytes = {char: byte for byte, char in _byte_characters().items()}

    def transcribe(self, linear: "np.ndarray[Any, Any]", wanted: Kind = Kind.OPEN) -> Transcription:
        """Recognise up to 30 s of 8 kHz float sound of a caller who was asked for a `wanted` kind of answer. The text
        is empty if there were no words: for noise Whisper writes "Thank you." and the like, or repeats one phrase. No
        text has more words than can be said in the sound.
        """
        if len(linear) < SHORTEST:
            return Transcription("", 0.0, 1.0, doubtful=False)
        sound = soxr.resample(linear, 8000, RATE, quality="MQ")
        best = self._understand(sound, wanted, SHORT_CONTEXT)
        if best.doubtful:
            again = self._understand(sound, wanted, FULL_CONTEXT)
            best = min(best, again, key=lambda one: (one.doubtful, -one.score))
        text = shortened(best.text, len(linear) / 8000)
        words = words_of(text)
        phantom = " ".join(words) in _PHANTOMS and best.score < PHANTOM_SCORE
        noise = best.no_speech > NO_SPEECH and best.score < GOOD_SCORE
        misheard = wanted in _SPELLED and best.score < WORDS_SCORE and len(words) >= FEW and kind_of(text) is Kind.OPEN
        invented = phantom or noise or misheard or loops(text) or is_thin(text, len(linear) / 8000)
        return best._replace(text="" if invented else text)

    def _understand(self, sound: "np.ndarray[Any, Any]", wanted: Kind, context: int) -> Transcription:
        seconds = len(sound) / RATE
        frames = min(FULL_CONTEXT, max(context, int(seconds * 100) + 50))
        features = ctranslate2.StorageView.from_array(self._features(sound, frames)[np.newaxis])
        seen = _Seen(self._model.encode(features), min(seconds, frames / 100))
        tried = (self._spelled(seen, kind) for kind in _TRIED.get(wanted, ()))
        spelled, free = next((one for one in tried if one), None), self._free(seen)
        if spelled is None:
            return free
        words = words_of(free.text.replace("-", " "))
        others = [word for word in words if len(word) > 1 and not word.isdigit() and word not in _NUMERALS]
        return free if others and free.score >= SURE else spelled

    def _spelled(self, seen: _Seen, kind: Kind) -> Transcription | None:
        """The digits or letters that were said; None if something else was said."""
        result = self._decode(seen, self._suppressed[kind])
        tokens = [token for token in result.sequences[0] if token != _END]
        if not tokens:
            return None
        starts, chances = self._aligned(seen, tokens)
        kept = heard(tokens, starts)
        score = float(np.mean(chances[:kept] or [-inf]))
        least = SPELLED_SCORE if kept >= FEW and kind is Kind.DIGITS else LEAST_SCORE
        if score <= least or starts[kept] < seen.seconds - BEHIND:
            return None
        return Transcription(self._text(tokens[:kept]), score, no_speech=0.0, doubtful=False)

    def _free(self, seen: _Seen) -> Transcription:
        """The words that were said. Words that have no place in the sound are left out."""
        result = self._decode(seen, [-1], logits=True)
        tokens, score = [token for token in result.sequences[0] if token != _END], result.scores[0]
        if is_suspect(self._text(tokens), seen.seconds):
            tokens = tokens[: heard(tokens, self._aligned(seen, tokens)[0])]
        text = self._text(self._ended(tokens, result.logits[0]))
        doubtful = score < GOOD_SCORE or not text or loops(text)
        return Transcription(text, score, result.no_speech_prob, doubtful)

    def _ended(self, tokens: list[str], logits: Sequence[ctranslate2.StorageView]) -> list[str]:
        """The tokens with a mark that ends a sentence if, and only if, such a mark is probable. `logits` has the logits
        of each step."""
        last = next((at for at in range(len(tokens), 0, -1) if tokens[at - 1] not in _MARKS), 0)
        if not last or last >= len(logits):
            return tokens
        chances = np.asarray(logits[last]).ravel()[: self._ids[_END]]  # only of what is written
        chances = np.exp(chances - chances.max())
        ends = {mark: float(chances[self._ids[mark]]) for mark in _ENDS}
        if sum(ends.values()) >= ENDS_SENTENCE * float(chances.sum()):
            return [*tokens[:last], max(ends, key=lambda mark: ends[mark])]
        return tokens[:last] if tokens[-1] in _ENDS else tokens

    def _decode(self, seen: _Seen, suppressed: list[int], *, logits: bool = False) -> Any:
        (result,) = self._model.generate(
            seen.features,
            [[_BEGIN, _UNTIMED]],
            beam_size=1,
            max_length=16 + int(seen.seconds * TOKENS_PER_SECOND),
            return_scores=True,
            return_logits_vocab=logits,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=suppressed,
        )
        return result

    def _aligned(self, seen: _Seen, tokens: list[str]) -> tuple[list[float], list[float]]:
        """The second at which each token begins, with the end of the last one, and the log probability of each."""
        numbers = [self._ids[token] for token in tokens]
        frames = max(LEAST_ALIGNED, int(seen.seconds * 100))
        (result,) = self._model.align(seen.features, [self._ids[_BEGIN]], [numbers], frames)
        first: dict[int, float] = {}
        for token, step in result.alignments:
            first.setdefault(token, step * 2 * HOP / RATE)
        starts = [first.get(number, seen.seconds) for number in range(len(tokens) + 1)]
        return starts, np.log(np.maximum(result.text_token_probs, 1e-9)).tolist()

    def _features(self, sound: "np.ndarray[Any, Any]", frames: int) -> "np.ndarray[Any, Any]":
        """The log-mel spectrogram as Whisper was trained on it, `frames` wide."""
        padded = np.zeros(frames * HOP + WINDOW, np.float32)
        kept = sound[: frames * HOP]
        padded[WINDOW // 2 : WINDOW // 2 + len(kept)] = kept
        return self._log_mel.features(padded, frames)

    def _text(self, tokens: list[str]) -> str:
        characters = "".join(token for token in tokens if not token.startswith("<|"))
        return bytes(self._bytes.get(char, 32) for char in characters).decode("utf-8", "replace").strip()


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
