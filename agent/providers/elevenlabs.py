"""Code shared by the protocols of ElevenLabs: options, messages and the meaning of its errors.

https://elevenlabs.io/docs/api-reference/text-to-speech
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from agent.errors import ProviderError
from agent.providers.extra import FIXED, Limits
from agent.providers.faults import coded_fault, http_fault, quoted
from agent.providers.tts_session import SpeakOptions
from agent.rules.rule_error import RuleError

NAME = "elevenlabs"
WRONG_KEY = "invalid_api_key"
"""The error code whose words repeat the key."""

SOUND_FORMAT = "ulaw_8000"
"""The format of the sound: 8 kHz mu-law without a header, as the line takes it."""


IN_URL = ("enable_logging", "optimize_streaming_latency")
"""Parameters that an HTTP request must have in its URL. In the body they are ignored."""
OF_CONTEXT = ("voice_settings", "generation_config", "pronunciation_dictionary_locators")
"""Parameters that belong into the first message of a websocket's context, not into the URL."""


@dataclass(frozen=True)
class ElevenLabsOptions(SpeakOptions):
    """Options of ElevenLabs' voices."""

    voice_id: str = "JBFqnCBsd6RMkjVDRZzb"
    model: str = "eleven_flash_v2_5"
    transport: Literal["websocket", "http", "dialogue"] = "websocket"
    """One websocket for the whole call (faster), or one HTTP request per sentence; dialogue is another websocket, the
    only way to the v3 and v4 models."""
    url: str = "https://api.elevenlabs.io"
    keepalive: float = field(default=10.0, metadata=FIXED)
    """Seconds between keep-alive messages on the idle websocket; the service gives up after 20."""

    decided: ClassVar = ("inputs", "language_code", "previous_text", "text")
    limits: ClassVar = {
        "inactivity_timeout": Limits(20, 180),
        "optimize_streaming_latency": Limits(0, 4),
        "voice_settings.similarity_boost": Limits(0, 1),
        "voice_settings.speed": Limits(0.7, 1.2),
        "voice_settings.stability": Limits(0, 1),
        "voice_settings.style": Limits(0, 1),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.startswith("eleven_v") is not (self.transport == "dialogue"):
            raise RuleError(
                f"transport {self.transport!r} does not serve {self.model}: dialogue serves v3 and v4 only",
                "transport",
                "model",
            )

    @property
    def language_code(self) -> str:
        """The language code of requests; empty: none. v2.5, v3 and v4 take one. English models do not, and multilingual
        models recognise the language of the text."""
        return self.language if self.model.endswith("_v2_5") or self.transport == "dialogue" else ""

    @property
    def voice_settings(self) -> dict[str, Any]:
        """The settings that replace the voice's defaults."""
        return dict(self.extra.get("voice_settings", {}))

    def only(self, *names: str) -> dict[str, Any]:
        """The parameters of `extra` with these names."""
        return {name: value for name, value in self.extra.items() if name in names}

    def without(self, *names: str) -> dict[str, Any]:
        """The parameters of `extra` with other names."""
        return {name: value for name, value in self.extra.items() if name not in names}


def body_fault(status: int, body: Any, api_key: str) -> ProviderError:
    """The error for an HTTP answer. Its `body` should be ``{"detail": {"status": code, "message": words}}``, but may be
    anything."""
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, dict):
        code, words = str(detail.get("status")), quoted(detail.get("message") or "", api_key)
        if known := CODES.get(code):
            return coded_fault(NAME, known, "" if code == WRONG_KEY else words)
        return http_fault(NAME, status, words)
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):  # 422: pydantic's list of errors
        return http_fault(NAME, status, quoted(f"{detail[0].get('loc')} {detail[0].get('msg')}", api_key))
    return http_fault(NAME, status)


CODES: Mapping[int | str, tuple[str, str, bool]] = {
    WRONG_KEY: ("refused the API key", "check ELEVENLABS_API_KEY", False),
    "authentication_required": ("refused the API key", "check ELEVENLABS_API_KEY", False),
    "missing_permissions": ("the API key lacks a permission", "give the key the text-to-speech permission", False),
    "quota_exceeded": ("the quota is used up", "buy characters or raise the plan", False),
    "only_for_creator+": ("the plan does not include this", "raise the plan or choose another voice", False),
    "detected_unusual_activity": ("the account is blocked", "ask the provider's support", False),
    "voice_not_found": ("does not know the voice", "check voice_id", False),
    "max_character_limit_exceeded": ("the text is too long", "", False),
    "invalid_input_message": ("refused a message", "check model and the voice settings", False),
    "too_many_concurrent_requests": ("too many sentences at once", "raise the plan's concurrency", True),
    "too_many_contexts": ("too many contexts at once", "this is a fault of the gateway: report it", True),
    "max_active_conversations": ("too many contexts at once", "this is a fault of the gateway: report it", True),
    "system_busy": ("the service is busy", "", True),
    "input_timeout_exceeded": ("closed an idle connection", "", True),
}
"""For each error code of the service: the problem, the advice, and whether the same request may succeed later."""
