"""Cartesia's streaming voice Sonic, without input and output: one websocket, a context for each reply.

https://docs.cartesia.ai/api-reference/tts/websocket, and there "Contexts" and "Context flushing and flush IDs". Each
sentence is an input of the context and is flushed, so that its end is told. A context expires 1 s after its last sound.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.cartesia_ink import API_VERSION, fault_code
from agent.providers.extra import Limits, below, merged, milliseconds
from agent.providers.tts_session import (
    Answer,
    Final,
    SpeakOptions,
    SpeechEvent,
    TtsFault,
    TtsSession,
    TtsSound,
    TtsWord,
    WordFinder,
)


@dataclass(frozen=True)
class CartesiaTtsOptions(SpeakOptions):
    """Options of Cartesia's voices."""

    url: str = "wss://api.cartesia.ai"
    model: str = "sonic-3.5"
    voice_id: str = "a0e99841-438c-4a64-b679-ae501e7d6091"
    language: str = "en"
    decided: ClassVar = ("continue", "flush", "language", "transcript", "voice")
    limits: ClassVar = {
        "generation_config.speed": Limits(0.6, 1.5),
        "generation_config.volume": Limits(0.5, 2),
        "max_buffer_delay_ms": milliseconds(0, 5000),
    }


@dataclass
class _Context:
    """A context that the service has not ended: the sentences of one reply."""

    sentence: str = ""
    """The sentence that is being spoken in the context; empty between two sentences."""
    samples: int = 0
    """Samples received for all sentences of the context."""
    begins_at: int = 0
    """How many of these samples belong to earlier sentences."""
    words: WordFinder = field(default_factory=lambda: WordFinder(""))

    def times(self, words: Mapping[str, Any]) -> Iterator[SpeechEvent]:
        """Events with the times of `words`. The service counts the times from the beginning of the context."""
        for word, until in zip(words["words"], words["end"], strict=False):
            if (end := self.words.end_of(str(word))) is not None:
                yield TtsWord(self.sentence, end, max(0, int(float(until) * SAMPLE_RATE) - self.begins_at))


class SonicSession(TtsSession):
    """Cartesia's protocol of ``/tts/websocket``."""

    name = "cartesia"
    parallel = 2
    context_life = 0.7
    overdue_after = 0.6
    faults: ClassVar = {
        "concurrency_limited": ("too many sentences at once", "raise the plan's concurrency", True),
        "quota_exceeded": ("the credits are used up", "buy credits or raise the plan", False),
    }

    def __init__(self, options: CartesiaTtsOptions) -> None:
        super().__init__(options)
        self._options = options
        self._contexts: dict[str, _Context] = {}
        self._reply = ""  # the context of the newest reply

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        headers = {"Authorization": f"Bearer {self._options.api_key}", "Cartesia-Version": API_VERSION}
        return below(self._options.url, "/tts/websocket"), headers

    def begin(self) -> list[str]:
        """Start on a new websocket."""
        self._contexts.clear()
        self._reply = ""
        return []

    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """Messages with the whole sentence, and with a flush, so that the service reports its end. The service joins
        the inputs of one context unchanged."""
        context = self._contexts.get(self._reply)
        if context is None or context.sentence or not goes_on:
            self._contexts.pop(self._reply, None)
            self._reply = sentence
            self._contexts[sentence] = context = _Context()
        context.sentence, context.begins_at, context.words = sentence, context.samples, WordFinder(text)
        return [self._message(f"{text} "), self._message("", flush=True)]

    def cancel(self, sentence: str) -> list[str]:
        """Cancel a sentence. Its later chunks are ignored, because their context is unknown."""
        name = self._context_of(sentence)
        return [json.dumps({"context_id": name, "cancel": True})] if self._contexts.pop(name, None) else []

    def overdue(self, sentence: str) -> list[SpeechEvent]:
        """Finish the context of the sentence: the service reports the end of a context."""
        name = self._context_of(sentence)
        return [Answer(self._message("", goes_on=False))] if name and name == self._reply else []

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """The events of a message."""
        name = str(fields.get("context_id") or "")
        context = self._contexts.get(name, _Context())
        sentence = context.sentence
        match kind:
            case "chunk":
                try:
                    ulaw = base64.b64decode(fields["data"], validate=True)
                except ValueError:
                    return [TtsFault("nonsense", "", sentence)]
                context.samples += len(ulaw)
                return [TtsSound(sentence, ulaw)]
            case "timestamps" if sentence:
                return list(context.times(fields["word_timestamps"]))
            case "flush_done":
                context.sentence = ""
                return [Final(sentence)]
            case "done":
                self._contexts.pop(name, None)
                return [Final(sentence)]
            case "error":
                self._contexts.pop(name, None)
                if name and not sentence:
                    return []  # a context that was cancelled
                if 0 < context.samples == context.begins_at:
                    return [Final(sentence)]  # the context had expired: the sentence is said again in another one
                words = str(fields.get("message") or fields.get("title") or "")[:1000]
                return [TtsFault(fault_code(fields, self.faults), words, sentence)]
        return []

    def _context_of(self, sentence: str) -> str:
        return next((name for name, one in self._contexts.items() if one.sentence == sentence), "")

    def _message(self, transcript: str, *, flush: bool = False, goes_on: bool = True) -> str:
        """An input of the reply's context; all its inputs have the same settings."""
        options = self._options
        message: dict[str, Any] = {
            "model_id": options.model,
            "transcript": transcript,
            "voice": {"mode": "id", "id": options.voice_id},
            "language": options.language,
            "context_id": self._reply,
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": SAMPLE_RATE},
            "continue": goes_on,
            "max_buffer_delay_ms": 0,
            "add_timestamps": True,
        }
        if flush:
            message["flush"] = True
        return json.dumps(merged(message, options.extra))
