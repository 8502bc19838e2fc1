"""ElevenLabs' multi-stream-input websocket, with one context for each reply. Sans-IO.

https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input. A context is
opened ahead of its reply (its first message carries the voice settings, and it keeps the idle socket alive). Each
sentence is sent together with a flush. The service does not report its end: the sentence ends when all its characters
are aligned with sound (`sync_alignment`). Without alignment, the context is closed, and the service reports its end
(`isFinal`). It is not closed before the first sound, because it might then end without sound.
"""

import base64
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.elevenlabs import CODES, NAME, OF_CONTEXT, SOUND_FORMAT, WRONG_KEY, ElevenLabsOptions
from agent.providers.elevenlabs_alignment import AlignedText
from agent.providers.extra import below, in_query
from agent.providers.tts_session import Answer, Final, SpeechEvent, TtsFault, TtsSession, TtsSound, TtsWord

MAX_CONTEXTS = 5
"""Maximum contexts of one socket at a time."""
REST = 5 * SAMPLE_RATE
"""Maximum bytes of sound, received between two sentences, that are kept for the second one."""

_DURATIONS = ("charDurationsMs", "charsDurationsMs", "char_durations_ms")

_INACTIVITY = 60
"""Seconds without a message after which the service gives up: several of our keep-alive messages fit into them."""


@dataclass
class _Context:
    """A context that the service has not ended."""

    sentence: str = ""
    """The sentence that is being spoken in the context; empty between two sentences."""
    text: AlignedText = field(default_factory=AlignedText)
    samples: int = 0
    """Samples received for the sentence."""
    rest: bytes = b""
    """Sound that came between two sentences; it belongs to the next one."""
    closed: bool = False


class ElevenLabsSession(TtsSession):
    """ElevenLabs' protocol of ``/v1/text-to-speech/{voice}/multi-stream-input``."""

    name = NAME
    parallel = MAX_CONTEXTS - 2  # one is opened ahead, and one belongs to a reply that may go on
    cancels = False
    context_life = 8.0
    overdue_after = 0.6
    goodbye = (json.dumps({"close_socket": True}),)
    faults = CODES
    query: ClassVar[Mapping[str, str]] = {"auto_mode": "true", "inactivity_timeout": str(_INACTIVITY)}
    """Further parameters of the URL."""
    alive: ClassVar[Mapping[str, Any]] = {"text": ""}
    """The message that keeps a context alive."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(options)
        self.keepalive_every = options.keepalive
        self._options = options
        self._contexts: dict[str, _Context] = {}
        self._ready = ""  # the context opened ahead
        self._reply = ""  # the context of the newest reply, if it may go on

    @property
    def has_room(self) -> bool:
        """Whether a context is open or may be opened. Closed contexts count until the service has ended them."""
        return bool(self._ready) or len(self._contexts) < MAX_CONTEXTS

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        options = self._options
        query = {"model_id": options.model, "output_format": SOUND_FORMAT, "sync_alignment": "true", **self.query}
        if options.language_code:
            query["language_code"] = options.language_code
        path = f"/v1/{self.place}/multi-stream-input"
        url = below(options.url.replace("http", "ws", 1), path, in_query(query, options.without(*OF_CONTEXT)))
        return url, {"xi-api-key": options.api_key}

    @property
    def place(self) -> str:
        """The part of the URL that names the endpoint."""
        return f"text-to-speech/{urllib.parse.quote(self._options.voice_id, safe='')}"

    def opening(self) -> dict[str, Any]:
        """The first message of a context."""
        return {"text": " ", **self._options.only(*OF_CONTEXT)}

    def speak(self, context: str, text: str) -> list[str]:
        """The messages that have `text` spoken."""
        return [message(context, text=text), message(context, flush=True)]

    def begin(self) -> list[str]:
        """Open the first context."""
        self._contexts.clear()
        self._reply = ""
        return [self._open()]

    def keep_alive(self) -> list[str]:
        """The message with an empty text for the context that was opened ahead. The context of an ended reply is
        closed."""
        over = self._reply and not self._contexts[self._reply].sentence
        closing = self._close(self._reply) if over else []
        if self._ready:
            return [*closing, message(self._ready, **self.alive)]
        return [*closing, self._open()] if self.has_room else closing

    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """Messages with the whole sentence, in the context of its reply, or in the one that was opened ahead; then the
        next is opened."""
        messages: list[str] = []
        context = self._reply
        if not (goes_on and context and not self._contexts[context].sentence):
            if context and not self._contexts[context].sentence:
                messages += self._close(context)
            messages += [] if self._ready else [self._open()]
            self._reply = context = self._ready
            self._ready = ""
        one = self._contexts[context]
        one.sentence, one.text, one.samples = sentence, AlignedText(text), 0
        messages += self.speak(context, f"{text} ")
        return [*messages, self._open()] if not self._ready and self.has_room else messages

    def cancel(self, sentence: str) -> list[str]:
        """Close the context of the sentence, because the service cannot cancel a sentence."""
        return self._close(self._context_of(sentence))

    def overdue(self, sentence: str) -> list[SpeechEvent]:
        """Close the context of the sentence: the service reports the end of a context."""
        return [Answer(message) for message in self._close(self._context_of(sentence))]

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """The events of a message. One message may have both the last sound and the end. Both spellings of the keys are
        accepted."""
        if error := fields.get("error"):
            return [TtsFault(str(error)[:100], "" if error == WRONG_KEY else str(fields.get("message") or "")[:1000])]
        name = str(fields.get("contextId", fields.get("context_id")))
        context = self._contexts.get(name, _Context())
        found: list[SpeechEvent] = []
        if audio := fields.get("audio"):
            try:
                ulaw = context.rest + base64.b64decode(audio, validate=True)
            except ValueError:
                return [TtsFault("nonsense", "")]
            context.rest = b""
            if not context.sentence:
                context.rest = b"" if context.closed else ulaw[:REST]
                return []
            aligned = self._align(context, fields.get("alignment"), len(ulaw))
            found += [TtsSound(context.sentence, ulaw), *(aligned or ())]
            if aligned is None and not context.text.letters:
                found += map(Answer, self._close(name))
        if fields.get("isFinal", fields.get("is_final")) is True:
            found.append(Final(context.sentence))
            self._contexts.pop(name, None)
            self._ready = "" if name == self._ready else self._ready  # the service ended it by itself
            self._reply = "" if name == self._reply else self._reply
        elif found and context.text.complete and not context.closed:
            found.append(Final(context.sentence))
            context.sentence = ""
            if name != self._reply:
                found += map(Answer, self._close(name))
        return found

    @staticmethod
    def _align(context: _Context, alignment: Any, length: int) -> list[SpeechEvent] | None:
        """The times of the words whose characters came with the last `length` samples; None if the service sent none.

        The service counts the times from the first of these samples.
        """
        before, context.samples = context.samples, context.samples + length
        if not isinstance(alignment, dict):
            return None
        durations = next((alignment[key] for key in _DURATIONS if key in alignment), ())
        starts = alignment.get("charStartTimesMs") or alignment.get("char_start_times_ms") or ()
        words = context.text.align(
            (str(char), float(start) + float(duration))
            for char, start, duration in zip(alignment["chars"], starts, durations, strict=False)
        )
        if words is None:
            return None
        return [
            TtsWord(context.sentence, letters, before + min(length, int(until * SAMPLE_RATE / 1000)))
            for letters, until in words
        ]

    def _context_of(self, sentence: str) -> str:
        return next((name for name, one in self._contexts.items() if one.sentence == sentence), "")

    def _close(self, context: str) -> list[str]:
        self._reply = "" if context == self._reply else self._reply
        if not context or self._contexts[context].closed:
            return []
        self._contexts[context].closed = True
        return [message(context, close_context=True)]

    def _open(self) -> str:
        """Open the next context. Only a context's first message may hold settings."""
        self._count += 1
        self._ready = f"c{self._count}"
        self._contexts[self._ready] = _Context()
        return message(self._ready, **self.opening())


def message(context: str, **fields: object) -> str:
    """A message to a context."""
    return json.dumps({**fields, "context_id": context})
