"""Deepgram's streaming voices: Aura on /v1/speak, and Flux on /v2/speak. Sans-IO.

https://developers.deepgram.com/reference/text-to-speech/speak-streaming and /speak-flux. Sound is binary and names no
sentence. With Aura the sound belongs to the sentence being spoken; from `Clear` to `Cleared` it is dropped. With Flux a
sentence is a turn, and all its sound comes between `SpeechStarted` and `SpeechMetadata` or `SpeechInterrupted`.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, Limits, below, check, in_query
from agent.providers.tts_session import (
    Final,
    SpeakOptions,
    SpeechEvent,
    TtsBegun,
    TtsFault,
    TtsSession,
    TtsSound,
    WordFinder,
    parts_of,
)

LONGEST = 2000
"""Maximum characters of one Speak message."""

FLUSHES = 20
"""Maximum Flush messages that one connection takes within `FLUSH_WINDOW` seconds."""

FLUSH_WINDOW = 60.0

FLUX_LIMITS = {"speed": Limits(0.5, 1.5), "expressivity": Limits(-2, 2)}
"""Parameters of Flux, which Aura does not have, and their limits."""

TURNS = 16
"""Number of Flux's turns that are remembered, because their sound may still wait to be played."""

_MS = SAMPLE_RATE // 1000


@dataclass(frozen=True)
class DeepgramTtsOptions(SpeakOptions):
    """Options of Deepgram's voices."""

    url: str = "wss://api.deepgram.com"
    model: str = "aura-2-thalia-en"
    voice_id: str = field(default="", metadata=FIXED)
    """Not used: the model is the voice, and its name ends with the language: ``aura-2-{name}-{language}``,
    ``flux-{name}-{language}``."""
    language: str = field(default="", metadata=FIXED)
    decided: ClassVar = ("container",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_flux:
            check(self.extra, (), FLUX_LIMITS)

    @property
    def is_flux(self) -> bool:
        """Whether the model is Flux, which speaks in turns."""
        return self.model.startswith("flux")


def session(options: DeepgramTtsOptions) -> TtsSession:
    """The session that serves the model."""
    return FluxTtsSession(options) if options.is_flux else AuraSession(options)


class _DeepgramTtsSession(TtsSession):
    name = "deepgram"
    goodbye = (json.dumps({"type": "Close"}),)

    def __init__(self, options: DeepgramTtsOptions) -> None:
        super().__init__(options)
        self._options = options

    def _request(self, path: str) -> tuple[str, dict[str, str]]:
        query = {"model": self._options.model, "encoding": "mulaw", "sample_rate": str(SAMPLE_RATE)}
        url = below(self._options.url, path, in_query(query, self._options.extra))
        return url, {"Authorization": f"Token {self._options.api_key}"}

    @staticmethod
    def _speak(text: str) -> list[str]:
        speak = [json.dumps({"type": "Speak", "text": part}) for part in parts_of(text, LONGEST)]
        return [*speak, json.dumps({"type": "Flush"})]

    @staticmethod
    def _fault(fields: dict[str, Any]) -> TtsFault:
        code = fields.get("code") or fields.get("variant") or fields.get("err_code")
        words = fields.get("description") or fields.get("message") or ""
        return TtsFault(code if isinstance(code, str) else 1011, str(words)[:1000])


class AuraSession(_DeepgramTtsSession):
    """Deepgram's protocol of ``/v1/speak``."""

    faults: ClassVar = {
        1008: ("refused the text or the options", "check the model", False),
        "DATA-0000": ("refused a message", "check the model", False),
        "DATA-0001": ("refused a message", "check the model", False),
        "NET-0001": ("closed an idle connection", "", True),
    }

    def __init__(self, options: DeepgramTtsOptions) -> None:
        super().__init__(options)
        self._speaking = ""
        self._clearing = 0
        self._flushed: deque[float] = deque(maxlen=FLUSHES)

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        return self._request("/v1/speak")

    def begin(self) -> list[str]:
        """Start on a new websocket."""
        self._speaking, self._clearing = "", 0
        self._flushed.clear()
        return []

    def worn(self, now: float) -> bool:
        """Whether one more Flush would exceed `FLUSHES`."""
        return len(self._flushed) == FLUSHES and now - self._flushed[0] < FLUSH_WINDOW

    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """The messages Speak and Flush."""
        self._speaking = sentence
        self._flushed.append(now)
        return self._speak(text)

    def cancel(self, sentence: str) -> list[str]:
        """The message Clear, if the sentence is being spoken."""
        if sentence != self._speaking:
            return []
        self._speaking = ""
        self._clearing += 1
        return [json.dumps({"type": "Clear"})]

    def sound(self, ulaw: bytes) -> list[SpeechEvent]:
        """Sound of the sentence being spoken. Sound of a cleared sentence is dropped."""
        return [TtsSound(self._speaking, ulaw)] if self._speaking and not self._clearing else []

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """The events of a message."""
        match kind:
            case "Flushed" if self._speaking and not self._clearing:
                sentence, self._speaking = self._speaking, ""
                return [Final(sentence)]
            case "Cleared":
                self._clearing = max(0, self._clearing - 1)
            case "Error":
                return [self._fault(fields)]
        return []  # Metadata, Warning


@dataclass
class _Turn:
    """One sentence, which is a turn of the service."""

    sentence: str
    text: str
    number: str = ""
    """The service's number of the turn; empty before the turn has begun."""
    begins_at: int = 0
    """Position of its first sample in the sound of the connection, in samples."""
    stopped: bool = False
    over: bool = False
    told: Callable[[int], None] = lambda _: None
    """A function that gets the number of letters of the sentence that were heard."""


class FluxTtsSession(_DeepgramTtsSession):
    """Deepgram's protocol of ``/v2/speak``."""

    begins = True
    tells_heard = True
    faults: ClassVar = {
        "BIG-0000": ("the text is too long", "", False),
        "DATA-0000": ("refused a message", "check the model", False),
        "DATA-0002": ("refused the text or the options", "check speed and marks in the text", False),
        "MESSAGE-0000": ("refused a message", "this is a fault of the gateway: report it", False),
        "NET-0003": ("session expired", "", True),
        "NET-0004": ("closed an idle connection", "", True),
    }

    def __init__(self, options: DeepgramTtsOptions) -> None:
        super().__init__(options)
        self._turns: deque[_Turn] = deque(maxlen=TURNS)
        """The last turns, the newest last. Only the newest one may not have ended."""
        self._samples = 0
        """Samples of the connection, as the service counts them: after an interruption it goes on from the played
        position."""
        self._position = 0
        """Position of the last interruption in milliseconds. The next one must be later."""

    @property
    def has_room(self) -> bool:
        """Whether no stopped turn is left, because an interruption ends the turn that the service is speaking."""
        return not self._turns or self._turns[-1].over or not self._turns[-1].stopped

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        return self._request("/v2/speak")

    def begin(self) -> list[str]:
        """Start on a new websocket."""
        self._turns.clear()
        self._samples = self._position = 0
        return []

    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """The messages Speak and Flush, which make a turn. The voice remembers earlier turns."""
        self._turns.append(_Turn(sentence, text))
        return self._speak(text)

    def cancel(self, sentence: str) -> list[str]:
        """The message Interrupt, without the position that was played."""
        turn = self._turns[-1] if self._turns else None
        if turn is None or turn.sentence != sentence or turn.over or turn.stopped:
            return []
        turn.stopped = True
        return [json.dumps({"type": "Interrupt"})]

    def ask_heard(self, sentence: str, samples: int, told: Callable[[int], None]) -> list[str]:
        """The message Interrupt with the position that was played. The service ends its present turn, and reports the
        words that were heard."""
        played = next((turn for turn in self._turns if turn.sentence == sentence and turn.number), None)
        if played is None or not self.has_room:
            return []
        at = (played.begins_at + samples) // _MS
        if at <= self._position:
            return []
        self._position, played.told = at, told
        self._turns[-1].stopped = True
        return [json.dumps({"type": "Interrupt", "playback_offset": {"type": "time_ms", "value": at}})]

    def sound(self, ulaw: bytes) -> list[SpeechEvent]:
        """Sound of the turn that has begun."""
        turn = self._turns[-1]
        if turn.over or not turn.number:
            raise ValueError("sound of no turn")
        self._samples += len(ulaw)
        return [] if turn.stopped else [TtsSound(turn.sentence, ulaw)]

    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """The events of a message."""
        match kind:
            case "Connected":
                return [TtsBegun()]
            case "SpeechStarted":
                turn = self._turns[-1]
                turn.number, turn.begins_at = str(fields["speech_id"]), self._samples
            case "SpeechMetadata":
                return self._end(fields["speech_id"])
            case "SpeechInterrupted":
                self._position = int(fields["audio_played_ms"])
                self._samples = self._position * _MS
                number, heard = fields["metadata"]["speech_id"], fields.get("text_spoken")
                found = next((turn for turn in self._turns if turn.number == number), None)
                if found is not None and isinstance(heard, str):
                    finder = WordFinder(found.text)
                    found.told(max((end for word in heard.split() if (end := finder.end_of(word))), default=0))
                return self._end(number)
            case "Error":
                return [self._fault(fields)]
        return []  # Flushed, Warning: an interruption without a turn causes only a warning

    def _end(self, number: object) -> list[SpeechEvent]:
        turn = self._turns[-1]
        if turn.over or turn.number != number:
            return []
        turn.over = True
        return [Final(turn.sentence)]
