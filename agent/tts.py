"""Text to speech: turns sentences into mu-law sound. One object per call."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple, Protocol


class WordTime(NamedTuple):
    """The end of a word in the sound of a sentence, from voices that report it."""

    letters: int
    """Characters of the sentence up to the end of the word, signs after it included."""
    samples: int
    """Samples of the sentence's sound up to there."""


class Inquiry(NamedTuple):
    """How to ask a voice which words of a sentence were heard, if it knows that better than by times of words."""

    ask: Callable[[int, Callable[[int], None]], None]
    """Takes the samples of the sentence that were played when it was stopped, and what is called later with the
    letters that were heard; it is not called if the voice does not know."""
    characters: int = 0
    """Characters that the provider charges for the answer."""


Speech = bytes | WordTime | Inquiry
"""Mu-law sound, what is said when (which may come before or after its sound), or how to ask what was heard."""


class TextToSpeech(Protocol):
    """A text-to-speech session."""

    @property
    def name(self) -> str:
        """Name of provider and model, for logs and bills."""
        ...

    async def open(self) -> None:
        """Get ready to speak. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """Stream one sentence as mu-law sound in pieces of any length, faster than real time.

        `before` is what it said directly before in the same reply: its intonation goes on from there, where the
        provider has a way to say so. Closing the generator cancels the synthesis; no stale sound follows. Raises
        `ProviderError`.
        """
        ...

    async def close(self) -> None:
        """End the session; safe to call twice and after a failure."""
        ...


async def sound_alone(stream: AsyncGenerator[Speech, None]) -> AsyncGenerator[bytes, None]:
    """The sound of `stream`, for a reader who does not want the times."""
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
