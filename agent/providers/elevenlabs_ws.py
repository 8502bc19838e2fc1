"""ElevenLabs' multi-stream-input websocket, without input and output: one context for each sentence.

https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input. A context is
opened ahead of its sentence (its first message carries the voice settings, and it keeps the idle socket alive). The
sentence is sent and flushed in one go. The end of its sound is told (`isFinal`) only of a context that was closed, and
one that is closed before its sound has begun may end without any: the close follows the first sound.
"""

import base64
import json
import urllib.parse
from typing import Any

from agent.providers.elevenlabs import CODES, NAME, SOUND_FORMAT, WRONG_KEY, ElevenLabsOptions
from agent.providers.extra import in_query
from agent.providers.tts_session import Answer, Final, SpeechEvent, TtsFault, TtsSession, TtsSound

MAX_CONTEXTS = 5
"""Contexts that one socket may have at a time."""

_INACTIVITY = 60
"""Seconds of silence after which the service gives up: several of our keepalives."""


class ElevenLabsSession(TtsSession):
    """/v1/text-to-speech/{voice}/multi-stream-input."""

    name = NAME
    parallel = MAX_CONTEXTS - 1  # one is open ahead
    cancels = False
    goodbye = (json.dumps({"close_socket": True}),)
    faults = CODES

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(options)
        self.keepalive_every = options.keepalive
        self._options = options
        self._sentences: dict[str, str] = {}  # by their contexts
        self._unclosed: dict[str, str] = {}  # contexts by their sentences
        self._ready = ""  # the context opened ahead

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        options = self._options
        query = {"model_id": options.model, "output_format": SOUND_FORMAT, "auto_mode": "true"}
        query["inactivity_timeout"] = str(_INACTIVITY)
        if options.language:
            query["language_code"] = options.language
        base = options.url.replace("http", "ws", 1).rstrip("/")
        voice = urllib.parse.quote(options.voice_id, safe="")
        parameters = urllib.parse.urlencode(in_query(query, options.further))
        return f"{base}/v1/text-to-speech/{voice}/multi-stream-input?{parameters}", {"xi-api-key": options.api_key}

    def begin(self) -> list[str]:
        """Open the first context."""
        self._sentences.clear()
        self._unclosed.clear()
        return [self._open()]

    def keep_alive(self) -> list[str]:
        """An empty text to the context that is open ahead."""
        return [_message(self._ready, text="") if self._ready else self._open()]

    def say(self, sentence: str, text: str, now: float) -> list[str]:
        """The whole sentence in the context that is open, and open the next."""
        opening = [] if self._ready else [self._open()]
        context = self._ready
        self._sentences[context] = sentence
        self._unclosed[sentence] = context
        return [
            *opening,
            _message(context, text=" ".join(text.split()) + " "),
            _message(context, flush=True),
            self._open(),
        ]

    def cancel(self, sentence: str) -> list[str]:
        """There is no way to take a sentence back; its context is closed, so that it makes room."""
        return self._close(sentence)

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """What a message means; one may bring both the last sound and the end. Both spellings of the keys are taken."""
        if error := fields.get("error"):
            return [TtsFault(str(error)[:100], "" if error == WRONG_KEY else str(fields.get("message") or "")[:1000])]
        context = str(fields.get("contextId", fields.get("context_id")))
        sentence = self._sentences.get(context, "")
        found: list[SpeechEvent] = []
        if audio := fields.get("audio"):
            try:
                found.append(TtsSound(sentence, base64.b64decode(audio, validate=True)))
            except ValueError:
                return [TtsFault("nonsense", "")]
        if fields.get("isFinal", fields.get("is_final")) is True:
            self._sentences.pop(context, None)
            self._unclosed.pop(sentence, None)
            if context == self._ready:  # not asked for: the service ended it
                self._ready = ""
            found.append(Final(sentence))
        elif found:
            found += map(Answer, self._close(sentence))
        return found

    def _close(self, sentence: str) -> list[str]:
        context = self._unclosed.pop(sentence, "")
        return [_message(context, close_context=True)] if context else []

    def _open(self) -> str:
        """Open the next context. Only a context's first message may hold settings."""
        self._count += 1
        self._ready = f"c{self._count}"
        settings = self._options.voice_settings
        return _message(self._ready, text=" ", **({"voice_settings": settings} if settings else {}))


def _message(context: str, **fields: object) -> str:
    return json.dumps({**fields, "context_id": context})
