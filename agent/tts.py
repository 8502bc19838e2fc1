"""Text to speech: turns sentences into mu-law sound. One object per call."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple, Protocol


class WordTime(NamedTuple):
    """The end of a word in the sound of a sentence, from voices that report it."""

    letters: int
    """Characters of the sentence up to the end of the word, signs after it included."""
    samples: int
    """Samples of the sentence's sound up to the end of the word."""


class Inquiry(NamedTuple):
    """How to ask a voice which words of a sentence were heard, if it knows that better than by times of words."""

    ask: Callable[[int, Callable[[int], None]], None]
    """Called with the samples of the sentence that were played when it was stopped, and with a callback. The callback
    gets the number of letters that were heard; it is not called if the voice does not know."""
    characters: int = 0
    """Characters that the provider charges for the answer."""


Speech = bytes | WordTime | Inquiry
"""Mu-law sound, times of words (which may come before or after their sound), or how to ask what was heard."""


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
        """Stream the sound of one sentence as mu-law in pieces of any length, faster than real time.

        `before` is what the voice said directly before in the same reply; the intonation continues from there, if the
        provider supports it. Closing the generator cancels the synthesis, and no more sound of it follows. Raises
        `ProviderError`.
        """
        ...

    async def close(self) -> None:
        """End the session; safe to call twice and after a failure."""
        ...


async def sound_alone(stream: AsyncGenerator[Speech, None]) -> AsyncGenerator[bytes, None]:
    """The sound of `stream` without the times of words."""
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
