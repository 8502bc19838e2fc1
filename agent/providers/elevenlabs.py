"""What the two ways to ElevenLabs share: options, messages and the meaning of its errors.

https://elevenlabs.io/docs/api-reference/text-to-speech
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from agent.errors import ProviderError
from agent.providers.faults import http_fault, quoted

NAME = "elevenlabs"
SOUND_FORMAT = "ulaw_8000"
"""Mu-law at 8 kHz without a header: goes to the line as it comes."""

MAX_CONTEXTS = 5
"""Contexts that one socket may have at a time."""


@dataclass(frozen=True)
class ElevenLabsOptions:
    """How to speak with ElevenLabs."""

    api_key: str = field(default="", repr=False)
    """The account's key; sent in the xi-api-key header."""
    voice_id: str = "JBFqnCBsd6RMkjVDRZzb"
    """The voice; the default is one of the ready-made voices that every account has."""
    model_id: str = "eleven_flash_v2_5"
    """The model. The v3 and v4 families are not served by these endpoints."""
    transport: Literal["websocket", "http"] = "websocket"
    """One websocket for the whole call (faster), or one HTTP request per sentence."""
    base_url: str = "https://api.elevenlabs.io"
    """Where the service is; ``api.eu.residency.elevenlabs.io`` and others keep the data in a region."""
    language_code: str = ""
    """ISO 639-1 code that holds a multilingual model to one language; empty lets it guess."""
    stability: float | None = None
    """0 to 1; None for the voice's own setting, as with the next four."""
    similarity_boost: float | None = None
    style: float | None = None
    use_speaker_boost: bool | None = None
    speed: float | None = None
    """0.7 to 1.2."""
    open_limit: float = 3.0
    """Seconds until the connection must stand."""
    first_sound_limit: float = 4.0
    """Seconds from the text to its first sound."""
    gap_limit: float = 4.0
    """Seconds between two pieces of a sentence."""
    keepalive: float = 10.0
    """Seconds between signs of life on the idle websocket; the service gives up after 20."""

    def __post_init__(self) -> None:
        if self.speed is not None and not 0.7 <= self.speed <= 1.2:
            raise ValueError("speed must be between 0.7 and 1.2")
        for setting in ("stability", "similarity_boost", "style"):
            value = getattr(self, setting)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{setting} must be between 0 and 1")
        if not self.base_url.startswith(("https://", "http://")):
            raise ValueError("base_url must begin with https://")

    @property
    def voice_settings(self) -> dict[str, float | bool]:
        """The settings that differ from the voice's own."""
        names = ("stability", "similarity_boost", "style", "use_speaker_boost", "speed")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class Sound(NamedTuple):
    """A piece of mu-law sound of a context."""

    context: str
    ulaw: bytes


class Final(NamedTuple):
    """Nothing more follows for a context."""

    context: str


class Fault(NamedTuple):
    """The service ends the socket; `code` is its own word for why, such as ``quota_exceeded``."""

    code: str
    words: str


def read(message: str | bytes) -> tuple[Sound | Final | Fault, ...]:
    """What one websocket message means; one message may bring both the last sound and the end of its context.

    Both spellings of the keys are taken. Nonsense gives an empty tuple; never raises.
    """
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(fields, dict):
        return ()
    if fields.get("error"):
        return (Fault(str(fields["error"])[:100], str(fields.get("message") or "")[:1000]),)
    context = fields.get("contextId", fields.get("context_id"))
    if not isinstance(context, str):
        return ()
    found: list[Sound | Final] = []
    audio = fields.get("audio")
    if isinstance(audio, str) and audio:
        try:
            found.append(Sound(context, base64.b64decode(audio, validate=True)))
        except (binascii.Error, ValueError):
            return (Fault("invalid_sound", "sound that is not base64"),)
    if fields.get("isFinal", fields.get("is_final")) is True:
        found.append(Final(context))
    return tuple(found)


def fault(code: str, words: str, api_key: str) -> ProviderError:
    """The error for one of the service's own error codes."""
    problem, advice, temporary = _CODES.get(code, (f"error {quoted(code, api_key)}", "", True))
    if words and code != "invalid_api_key":
        problem = f"{problem}: {quoted(words, api_key)}"
    return ProviderError(NAME, problem, advice=advice, temporary=temporary)


def body_fault(status: int, body: Any, api_key: str) -> ProviderError:
    """The error for an HTTP answer; its body is ``{"detail": {"status": code, "message": words}}`` or anything."""
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, dict):
        code, words = str(detail.get("status")), str(detail.get("message") or "")
        if code in _CODES:
            return fault(code, words, api_key)
        return http_fault(NAME, status, quoted(words, api_key))
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):  # 422: pydantic's list of what is wrong
        return http_fault(NAME, status, quoted(f"{detail[0].get('loc')} {detail[0].get('msg')}", api_key))
    return http_fault(NAME, status)


# The service's error codes: what it is, what to do about it, whether the same may go well later.
_CODES = {
    "invalid_api_key": ("refused the API key", "check ELEVENLABS_API_KEY", False),
    "missing_permissions": ("the API key lacks a permission", "give the key the text-to-speech permission", False),
    "quota_exceeded": ("the quota is used up", "buy characters or raise the plan", False),
    "only_for_creator+": ("the plan does not include this", "raise the plan or choose another voice", False),
    "detected_unusual_activity": ("the account is blocked", "ask the provider's support", False),
    "voice_not_found": ("does not know the voice", "check voice_id", False),
    "max_character_limit_exceeded": ("the text is too long", "", False),
    "invalid_input_message": ("refused a message", "check model_id and the voice settings", False),
    "invalid_sound": ("sent nonsense", "", True),
    "too_many_concurrent_requests": ("too many sentences at once", "raise the plan's concurrency", True),
    "system_busy": ("the service is busy", "", True),
    "input_timeout_exceeded": ("closed an idle connection", "", True),
}
