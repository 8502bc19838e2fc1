"""Deepgram's streaming voice Aura, without input and output.

https://developers.deepgram.com/reference/text-to-speech/speak-streaming. Sound is binary and names no sentence: what
comes belongs to the one being spoken, and after `Clear` to nobody until `Cleared`.
"""

import json
import urllib.parse
from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, in_query
from agent.providers.tts_session import Final, SpeakOptions, SpeechEvent, TtsFault, TtsSession, TtsSound, parts_of

LONGEST = 2000
"""Characters of one Speak message."""

FLUSHES = 20
"""Flush messages that one connection takes within `FLUSH_WINDOW` seconds."""

FLUSH_WINDOW = 60.0


@dataclass(frozen=True)
class DeepgramTtsOptions(SpeakOptions):
    """How to speak with Deepgram."""

    url: str = "wss://api.deepgram.com"
    model: str = "aura-2-thalia-en"
    voice_id: str = field(default="", metadata=FIXED)
    """None: the model is the voice, and says its language: ``aura-2-{name}-{language}``."""
    language: str = field(default="", metadata=FIXED)
    decided: ClassVar = ("container",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.startswith("flux"):
            raise ValueError(f"model: {self.model} speaks another protocol, which is not supported: take an Aura model")


class AuraSession(TtsSession):
    """/v1/speak."""

    name = "deepgram"
    goodbye = (json.dumps({"type": "Close"}),)
    faults: ClassVar = {
        1008: ("refused the text or the options", "check the model", False),
        "DATA-0000": ("refused a message", "check the model", False),
        "DATA-0001": ("refused a message", "check the model", False),
        "NET-0001": ("closed an idle connection", "", True),
    }

    def __init__(self, options: DeepgramTtsOptions) -> None:
        super().__init__(options)
        self._options = options
        self._speaking = ""
        self._clearing = 0
        self._flushed: deque[float] = deque(maxlen=FLUSHES)

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        query = {"model": self._options.model, "encoding": "mulaw", "sample_rate": str(SAMPLE_RATE)}
        url = f"{self._options.url.rstrip('/')}/v1/speak?{urllib.parse.urlencode(in_query(query, self._options.extra))}"
        return url, {"Authorization": f"Token {self._options.api_key}"}

    def begin(self) -> list[str]:
        """Start on a new websocket."""
        self._speaking, self._clearing = "", 0
        self._flushed.clear()
        return []

    def worn(self, now: float) -> bool:
        """Whether one more Flush would be one too many."""
        return len(self._flushed) == FLUSHES and now - self._flushed[0] < FLUSH_WINDOW

    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """Speak and Flush."""
        self._speaking = sentence
        self._flushed.append(now)
        speak = [json.dumps({"type": "Speak", "text": part}) for part in parts_of(text, LONGEST)]
        return [*speak, json.dumps({"type": "Flush"})]

    def cancel(self, sentence: str) -> list[str]:
        """Clear."""
        if sentence != self._speaking:
            return []
        self._speaking = ""
        self._clearing += 1
        return [json.dumps({"type": "Clear"})]

    def sound(self, ulaw: bytes) -> list[SpeechEvent]:
        """Sound of the sentence being spoken, unless it is left over from one that was cleared."""
        return [TtsSound(self._speaking, ulaw)] if self._speaking and not self._clearing else []

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """What a message means."""
        match kind:
            case "Flushed" if self._speaking and not self._clearing:
                sentence, self._speaking = self._speaking, ""
                return [Final(sentence)]
            case "Cleared":
                self._clearing = max(0, self._clearing - 1)
            case "Error":
                code = fields.get("code") or fields.get("variant") or fields.get("err_code")
                words = fields.get("description") or fields.get("message") or ""
                return [TtsFault(code if isinstance(code, str) else 1011, str(words)[:1000])]
        return []  # Metadata, Warning
