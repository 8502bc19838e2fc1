"""OpenAI's voices: 24 kHz linear sound over HTTP, which the gateway filters and converts to mu-law.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent import ulaw
from agent.errors import ProviderError
from agent.providers.extra import FIXED, Limits, below, merged
from agent.providers.faults import http_fault, quoted, wait_of
from agent.providers.http_tts import Decoder, HttpSpeech
from agent.providers.tts_session import SpeakOptions
from agent.resample import Decimator

LONGEST = 4096
"""Maximum characters of one request."""


@dataclass(frozen=True)
class OpenAITtsOptions(SpeakOptions):
    """Options of OpenAI's voices."""

    url: str = "https://api.openai.com/v1"
    model: str = "gpt-4o-mini-tts"
    voice_id: str = "marin"
    language: str = field(default="", metadata=FIXED)
    decided: ClassVar = ("input", "voice")
    limits: ClassVar = {"speed": Limits(0.25, 4)}


class OpenAISpeech(HttpSpeech):
    """OpenAI's requests to ``/audio/speech``."""

    name = "openai"

    def __init__(self, options: OpenAITtsOptions) -> None:
        super().__init__(options)
        self._options = options

    @property
    def url(self) -> str:
        """The address of OpenAI, or of a compatible server."""
        return self._options.url

    def request(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """The POST for `text`."""
        options = self._options
        body: dict[str, Any] = {
            "model": options.model,
            "voice": options.voice_id,
            "input": text[:LONGEST],
            "response_format": "pcm",
        }
        headers = {"Authorization": f"Bearer {options.api_key}", "Content-Type": "application/json"}
        return below(self.url, "/audio/speech"), headers, json.dumps(merged(body, options.extra)).encode()

    def decoder(self) -> Decoder:
        """The decoder from 24 kHz linear sound to 8 kHz mu-law."""
        return _Linear24()

    def refusal(self, status: int, body: bytes, fields: Mapping[str, str]) -> ProviderError:
        """The error for a refusal. The server's words are in ``{"error": {"message": …}}``."""
        try:
            words = str(json.loads(body)["error"]["message"])
        except (ValueError, LookupError, TypeError, RecursionError):
            words = ""
        return http_fault(self.name, status, quoted(words, self._options.api_key), wait_of(fields))


class _Linear24(Decoder):
    def __init__(self) -> None:
        self._filter = Decimator(3)

    def feed(self, data: bytes) -> bytes:
        return ulaw.from_linear(self._filter.feed(data))

    def finish(self) -> bytes:
        return ulaw.from_linear(self._filter.finish())
