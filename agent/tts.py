"""The voice: what turns sentences into mu-law sound. One object per call."""

from collections.abc import AsyncGenerator
from typing import Protocol


class TextToSpeech(Protocol):
    """A text-to-speech session."""

    @property
    def name(self) -> str:
        """Who it is, for logs and bills."""
        ...

    async def open(self) -> None:
        """Get ready to speak. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream one sentence as mu-law sound in pieces of any length, faster than real time.

        Closing the generator cancels the synthesis; no stale sound follows. Raises `ProviderError`.
        """
        ...

    async def close(self) -> None:
        """End the session; safe to call twice and after a failure."""
        ...
