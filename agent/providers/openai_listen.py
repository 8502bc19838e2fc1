"""OpenAI's transcription sessions: streaming STT over the Realtime interface. Sans-IO.

https://developers.openai.com/api/docs/guides/realtime-transcription. The server commits a piece of speech when silence
follows it, and transcribes each piece separately, so the texts of two pieces may come in either order. Words have no
times.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.bounds import BoundedTable
from agent.line import SAMPLE_RATE
from agent.providers.extra import Limits, below, merged, milliseconds, one_of
from agent.providers.openai_realtime import (
    HINTED,
    REDUCTIONS,
    SERVER_VAD,
    SOUND,
    OpenAIRealtimeSession,
    turn_detection,
)
from agent.providers.realtime import text_of
from agent.providers.stt import ListenOptions, SessionEvent, SttBegun, SttFault, SttSession, continued
from agent.rules.rule_error import RuleError
from agent.stt import Onset, Transcript

TURNS = "turn_detection"
SILENT = 400
"""Milliseconds of silence that end a piece. The service's default is 500. The gateway ends the turns."""
UNTURNED = "gpt-realtime-whisper"
TRANSCRIBED = "conversation.item.input_audio_transcription"
PIECES = 16
"""Maximum pieces whose text has not come; with more, the oldest one is given up."""


@dataclass(frozen=True)
class OpenAISttOptions(ListenOptions):
    """Options of OpenAI's STT."""

    url: str = "wss://api.openai.com/v1/realtime"
    model: str = "gpt-transcribe"
    decided: ClassVar = (
        *("format", *(f"transcription.{name}" for name in ("keywords", "language", "languages", "model"))),
        *(f"{TURNS}.{name}" for name in ("create_response", "idle_timeout_ms", "interrupt_response")),
    )
    limits: ClassVar = {
        f"{TURNS}.prefix_padding_ms": milliseconds(0, 10_000),
        f"{TURNS}.silence_duration_ms": milliseconds(10, 10_000),
        f"{TURNS}.threshold": Limits(0, 1),
        "noise_reduction.strength": Limits(0, 1),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model == UNTURNED:
            raise RuleError(f"{UNTURNED} finds no ends of turns: take gpt-transcribe or gpt-live-transcribe", "model")
        turn_detection(self.extra, TURNS)
        one_of(self.extra, "noise_reduction.type", REDUCTIONS)


@dataclass
class Piece:
    """A piece of speech that the server receives or transcribes."""

    text: str = ""
    complete: bool = False
    end: int | None = None
    """The position of its end in samples; None as long as it is not known."""


class OpenAISttSession(SttSession):
    """OpenAI's protocol of ``/v1/realtime?intent=transcription``."""

    name = "openai"
    ends_turns = False
    goodbye = ""
    faults: ClassVar = OpenAIRealtimeSession.faults

    def __init__(self, options: OpenAISttOptions) -> None:
        super().__init__(options)
        self._options = options
        self._codes = (options.language,) if options.language else options.languages
        self._keyterms = options.keyterms
        self._pieces = BoundedTable[str, Piece]("pieces of speech", PIECES)
        """Pieces whose text has not been passed on, in the order in which they were spoken."""
        self._begun = False

    def set_language(self, language: str) -> str:
        """The update of the session; empty if the session expects the language already."""
        if not self._codes or language in self._codes:
            return ""
        self._codes = (language,)
        return self._update({"transcription": self._transcription})

    def listen_for(self, keyterms: tuple[str, ...]) -> str:
        """The update of the session with the key terms; empty if the model does not take them."""
        if keyterms == self._keyterms or self._options.model not in HINTED:
            return ""
        self._keyterms = keyterms
        return self._update({"transcription": self._transcription})

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers. The model is in the configuration of the session."""
        url = below(self._options.url, "", [("intent", "transcription")])
        return url, {"Authorization": f"Bearer {self._options.api_key}"}

    def begin(self) -> None:
        """Start a session. `hello` configures it."""
        super().begin()
        self._pieces.clear()
        self._begun = False

    @property
    def hello(self) -> str:
        """The configuration."""
        turns: dict[str, Any] = {"type": SERVER_VAD}
        if turn_detection(self._options.extra, TURNS) == SERVER_VAD:
            turns["silence_duration_ms"] = SILENT
        hearing = {"format": SOUND, "transcription": self._transcription, TURNS: turns}
        return self._update(merged(hearing, self._options.extra))

    def message(self, ulaw: bytes) -> str:
        """Sound as JSON."""
        return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(ulaw).decode()})

    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The events of a message."""
        match kind:
            case "session.updated" if not self._begun:
                self._begun = True
                return SttBegun()
            case "input_audio_buffer.speech_started":
                return self._started(fields["item_id"], fields["audio_start_ms"])
            case "input_audio_buffer.speech_stopped":
                self._piece(fields["item_id"]).end = self.backlog.position(fields["audio_end_ms"] / 1000)
            case _ if kind == f"{TRANSCRIBED}.delta":
                piece = self._piece(fields["item_id"])
                piece.text = continued(piece.text, text_of(fields["delta"]))
                text = self._text
                return Transcript(text, False, False, self.backlog.sent / SAMPLE_RATE) if text else None
            case _ if kind in (f"{TRANSCRIBED}.completed", f"{TRANSCRIBED}.failed"):
                piece = self._piece(fields["item_id"])
                piece.text, piece.complete = text_of(fields.get("transcript", "")), True
                return self._final()
            case "error":
                return self._error(fields["error"])
        return None

    @property
    def _text(self) -> str:
        return " ".join(text for one in self._pieces.values() if (text := one.text.strip()))

    def _started(self, item: str, at: float) -> Onset:
        start = self.backlog.position(at / 1000)
        start = self.backlog.sent if start is None else start
        self._piece(item)
        self.backlog.open_turn(start)
        return Onset(start / SAMPLE_RATE)

    def _piece(self, item: str) -> Piece:
        if item not in self._pieces:
            self._pieces[item] = Piece()
        return self._pieces[item]

    def _final(self) -> Transcript | None:
        """The complete pieces from the first one on. A piece is not reported before an earlier piece is complete."""
        done = list[Piece]()
        while self._pieces and (first := next(iter(self._pieces.values()))).complete:
            done.append(first)
            self._pieces.popitem(last=False)
        if not done:
            return None
        text = " ".join(one.text.strip() for one in done if one.text.strip())
        goes_on = bool(self._pieces)
        until = self.backlog.settle(done[-1].end, turn_goes_on=goes_on)
        return Transcript(text, True, True, until / SAMPLE_RATE) if text else None

    def _error(self, error: dict[str, Any]) -> SttFault | None:
        """The fault for an error message. Before the session has begun, every error ends it; later only errors with a
        known code do."""
        code = error.get("code")
        if code not in self.faults and self._begun:
            self.ignored += 1
            return None
        return SttFault(code if isinstance(code, str) else "invalid_request", str(error.get("message") or "")[:1000])

    @property
    def _transcription(self) -> dict[str, Any]:
        told: dict[str, Any] = {"model": self._options.model}
        if self._options.model in HINTED:
            hints = {"languages": list(self._codes), "keywords": list(self._keyterms)}
            told |= {name: value for name, value in hints.items() if value}
        elif len(self._codes) == 1:
            told["language"] = self._codes[0]
        return told

    @staticmethod
    def _update(hearing: dict[str, Any]) -> str:
        return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": hearing}}})
