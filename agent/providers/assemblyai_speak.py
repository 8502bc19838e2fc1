"""AssemblyAI's streaming voice. Sans-IO. https://www.assemblyai.com/docs. Sound carries the number of its Flush. Each
Flush and each Cancel gets the next number, from 0.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.extra import Limits, below, in_query
from agent.providers.tts_session import (
    Final,
    SpeakOptions,
    SpeechEvent,
    TtsBegun,
    TtsFault,
    TtsSession,
    TtsSound,
    TtsWord,
    parts_of,
)

LONGEST = 2000
"""Maximum characters of one Generate message."""

LANGUAGES = {
    "en": "english",
    "es": "spanish",
    "de": "german",
    "fr": "french",
    "it": "italian",
    "pt": "portuguese",
}
"""The languages of the service's voices, with the service's names. Universal-Streaming understands the same
languages."""


@dataclass(frozen=True)
class AssemblyAITtsOptions(SpeakOptions):
    """Options of AssemblyAI's voices."""

    url: str = "wss://tts.us.assemblyai.com"
    model: str = "assemblyai-tts-1"
    voice_id: str = "aai-jane"
    decided: ClassVar = ("container", "language")
    limits: ClassVar = {"inactivity_timeout": Limits(20, 120)}  # a keep-alive message is sent every 10 s


@dataclass
class _Request:
    """A sentence that was sent and flushed."""

    sentence: str
    ends: list[int]
    """For each word of the sentence, the position in the text at which it ends."""
    sounded: bool = False
    """Whether all its sound has come; usually the times of its words follow."""


class AssemblyAITtsSession(TtsSession):
    """AssemblyAI's protocol of ``/v1/ws``."""

    name = "assemblyai"
    overdue_after = 0.3
    begins = True
    keepalive_every = 10.0
    goodbye = (json.dumps({"type": "Terminate"}),)
    faults: ClassVar = {
        1008: ("refused the API key or the account", "check the key, the balance and the plan", False),
        3006: ("refused a message or parameter", "check model, voice and language", False),
        3008: ("session expired", "", True),
        3010: ("too much text waits", "", True),
        3011: ("too much sound waits", "", True),
        3012: ("no longer has the voice", "choose another voice", False),
        3014: ("does not speak with this model", "check model and voice", False),
    }

    def __init__(self, options: AssemblyAITtsOptions) -> None:
        super().__init__(options)
        self._options = options
        self._flushes = 0
        self._sentences: dict[int, _Request] = {}

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers; the header has the key without a word such as Bearer."""
        options = self._options
        query = {"model_id": options.model, "voice_id": options.voice_id, "encoding": "pcm_mulaw"}
        query["sample_rate"] = str(SAMPLE_RATE)
        if language := LANGUAGES.get(options.language):
            query["language"] = language
        url = below(options.url, "/v1/ws", in_query(query, options.extra))
        return url, {"Authorization": options.api_key}

    def begin(self) -> list[str]:
        """Start on a new websocket, which counts its Flush and Cancel messages from 0."""
        self._flushes = 0
        self._sentences.clear()
        return []

    def keep_alive(self) -> list[str]:
        """The message KeepAlive."""
        return [json.dumps({"type": "KeepAlive"})]

    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """The messages Generate and Flush."""
        self._sentences[self._flushes] = _Request(sentence, [word.end() for word in re.finditer(r"\S+", text)])
        self._flushes += 1
        generate = [json.dumps({"type": "Generate", "text": part}) for part in parts_of(text, LONGEST)]
        return [*generate, json.dumps({"type": "Flush"})]

    def cancel(self, sentence: str) -> list[str]:
        """The message Cancel. Later sound has the number of a forgotten Flush, and is dropped."""
        if all(one.sentence != sentence for one in self._sentences.values()):
            return []
        self._sentences.clear()
        self._flushes += 1
        return [json.dumps({"type": "Cancel"})]

    def overdue(self, sentence: str) -> list[SpeechEvent]:
        """End the sentence without the times of its words."""
        done = [number for number, one in self._sentences.items() if one.sentence == sentence and one.sounded]
        for number in done:
            del self._sentences[number]
        return [Final(sentence)] if done else []

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """The events of a message."""
        match kind:
            case "Begin":
                return [TtsBegun()]
            case "Audio":
                one = self._sentences.get(fields["flush_id"])
                try:
                    return [TtsSound(one.sentence, base64.b64decode(fields["audio"], validate=True))] if one else []
                except ValueError:
                    return [TtsFault("nonsense", "", one.sentence)] if one else []
            case "FlushDone" if one := self._sentences.get(fields["flush_id"]):
                one.sounded = True
            case "WordBoundaries" if one := self._sentences.pop(fields["flush_id"], None):
                ends = [
                    max(0, word["end"] - fields["audio_start_ms"]) * SAMPLE_RATE // 1000 for word in fields["words"]
                ]
                # One time for each word of the text, in order.
                times = zip(one.ends, ends, strict=True) if len(ends) == len(one.ends) else ()
                return [*(TtsWord(one.sentence, *time) for time in times), Final(one.sentence)]
            case "Error":
                code, may, wait = (fields.get(key) for key in ("error_code", "retryable", "retry_after_seconds"))
                return [
                    TtsFault(
                        code if isinstance(code, int) else 1011,
                        str(fields.get("error"))[:1000],
                        passes=may if isinstance(may, bool) else None,
                        retry_after=min(float(wait), 3600.0) if isinstance(wait, int | float) and wait > 0 else 0.0,
                    )
                ]
        return []  # Cancelled, Termination
