"""Cartesia's streaming voice Sonic, without input and output: one websocket, a context for each sentence.

https://docs.cartesia.ai/api-reference/tts/websocket
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.cartesia_ink import API_VERSION, fault_code
from agent.providers.extra import merged, number
from agent.providers.tts_session import Final, SpeakOptions, SpeechEvent, TtsFault, TtsSession, TtsSound


@dataclass(frozen=True)
class CartesiaTtsOptions(SpeakOptions):
    """How to speak with Cartesia."""

    url: str = "wss://api.cartesia.ai"
    model: str = "sonic-3.5"
    voice_id: str = "a0e99841-438c-4a64-b679-ae501e7d6091"
    language: str = "en"

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = self.extra.get("generation_config", {})
        if not isinstance(settings, dict):
            raise ValueError("extra: generation_config must be a table")  # noqa: TRY004  a fault of the configuration
        number(settings, "speed", 1, 0.6, 1.5)


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
        return [json.dumps(merged(message, options.extra))]

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
