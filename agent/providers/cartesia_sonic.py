"""Cartesia's streaming voice Sonic, without input and output: one websocket, a context for each sentence.

https://docs.cartesia.ai/api-reference/tts/websocket
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.cartesia_ink import API_VERSION, fault_code
from agent.providers.tts_session import Final, SpeakOptions, SpeechEvent, TtsFault, TtsSession, TtsSound


@dataclass(frozen=True)
class CartesiaTtsOptions(SpeakOptions):
    """How to speak with Cartesia."""

    url: str = "wss://api.cartesia.ai"
    """Where the service is."""
    model: str = "sonic-3.5"
    """The model."""
    voice_id: str = "a0e99841-438c-4a64-b679-ae501e7d6091"
    """The voice."""
    language: str = "en"
    """ISO 639-1 code."""
    speed: float | None = None
    """0.6 to 1.5; None for the voice's own."""
    emotion: str = ""
    """Empty for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.speed is not None and not 0.6 <= self.speed <= 1.5:
            raise ValueError("speed must be between 0.6 and 1.5")


class SonicSession(TtsSession):
    """/tts/websocket."""

    name = "cartesia"
    parallel = 2
    faults: ClassVar = {
        "concurrency_limited": ("too many sentences at once", "raise the plan's concurrency", True),
        "quota_exceeded": ("the credits are used up", "buy credits or raise the plan", False),
    }

    def __init__(self, options: CartesiaTtsOptions) -> None:
        super().__init__(options)
        self._options = options

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        headers = {"Authorization": f"Bearer {self._options.api_key}", "Cartesia-Version": API_VERSION}
        return f"{self._options.url.rstrip('/')}/tts/websocket", headers

    def say(self, sentence: str, text: str, now: float) -> list[str]:
        """The whole sentence in one request."""
        options = self._options
        generation = {"speed": options.speed, "emotion": options.emotion}
        message = {
            "model_id": options.model,
            "transcript": " ".join(text.split()),
            "voice": {"mode": "id", "id": options.voice_id},
            "language": options.language,
            "context_id": sentence,
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": SAMPLE_RATE},
            "continue": False,
            "max_buffer_delay_ms": 0,
        }
        if given := {name: value for name, value in generation.items() if value}:
            message["generation_config"] = given
        return [json.dumps(message)]

    def cancel(self, sentence: str) -> list[str]:
        """Cancel; chunks that still come are of an unknown context."""
        return [json.dumps({"context_id": sentence, "cancel": True})]

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """What a message means."""
        context = fields.get("context_id")
        sentence = context if isinstance(context, str) else ""
        match kind:
            case "chunk":
                try:
                    return [TtsSound(sentence, base64.b64decode(fields["data"], validate=True))]
                except ValueError:
                    return [TtsFault("nonsense", "", sentence)]
            case "done":
                return [Final(sentence)]
            case "error":
                words = str(fields.get("message") or fields.get("title") or "")[:1000]
                return [TtsFault(fault_code(fields, self.faults), words, sentence)]
        return []  # timestamps, flush_done
