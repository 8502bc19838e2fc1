"""ElevenLabs' streaming STT, Scribe v2 Realtime. Sans-IO.

https://elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime, and `elevenlabs.realtime` of its
package. The service commits a piece of speech when silence follows it, and reports it twice: its words, and a moment
later its words with their times, which count as final. Rarely the two reports come in the other order.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.elevenlabs import NAME, SOUND_FORMAT
from agent.providers.extra import Limits, below, in_query, milliseconds, number
from agent.providers.stt import ListenOptions, SessionEvent, SttBegun, SttFault, SttSession, bases
from agent.rules.rule_error import RuleError
from agent.stt import Transcript

KEYTERMS, KEYTERM = 50, 20
"""Maximum number of key terms, and maximum characters of one."""
SILENCE, SILENT = "vad_silence_threshold_secs", 0.4
"""Parameter and value: seconds of silence that end a piece of speech. The service's default is 1.5. The gateway ends
the turns."""
_ONSET_LAG = SAMPLE_RATE


@dataclass(frozen=True)
class ScribeOptions(ListenOptions):
    """Options of ElevenLabs' STT."""

    url: str = "wss://api.elevenlabs.io"
    model: str = "scribe_v2_realtime"
    decided: ClassVar = (
        *("audio_format", "commit_strategy", "entity_redaction", "filter_background_audio", "include_timestamps"),
        *("include_language_detection", "keyterms", "language_code", "secondary_languages", "token"),
    )
    limits: ClassVar = {
        SILENCE: Limits(0.3, 3),
        "vad_threshold": Limits(0.1, 0.9),
        "min_speech_duration_ms": milliseconds(50, 2000),
        "min_silence_duration_ms": milliseconds(50, 2000),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.keyterms) > KEYTERMS or any(not 0 < len(term.strip()) <= KEYTERM for term in self.keyterms):
            raise RuleError(f"at most {KEYTERMS} terms of at most {KEYTERM} characters, none of them blank", "keyterms")

    @property
    def product(self) -> str:
        """The name of the charged product: the model, which costs more with key terms."""
        return f"{self.model}+keyterms" if self.keyterms else self.model


def _chunk(ulaw: bytes) -> str:
    sound = base64.b64encode(ulaw).decode()
    message = {"message_type": "input_audio_chunk", "audio_base_64": sound, "commit": False}
    return json.dumps({**message, "sample_rate": SAMPLE_RATE})


class ScribeSession(SttSession):
    """ElevenLabs' protocol of ``/v1/speech-to-text/realtime``."""

    name = NAME
    ends_turns = False
    kind_key = "message_type"
    keepalive = _chunk(b"")
    goodbye = ""
    faults: ClassVar = {
        "auth_error": ("refused the API key", "check ELEVENLABS_API_KEY", False),
        "chunk_size_exceeded": ("refused the sound's length", "this is a fault of the gateway: report it", False),
        "commit_throttled": ("was asked for too many commits", "", True),
        "error": ("internal error of the server", "", True),
        "input_error": ("refused a message", "this is a fault of the gateway: report it", False),
        "insufficient_audio_activity": ("heard nothing for too long", "", True),
        "invalid_request": ("refused the options", "check model, language and extra", False),
        "queue_overflow": ("the server is overloaded", "", True),
        "quota_exceeded": ("the quota is used up", "buy credits or raise the plan", False),
        "rate_limited": ("too many sessions at once", "raise the plan's concurrency", True),
        "resource_exhausted": ("the server is overloaded", "", True),
        "session_time_limit_exceeded": ("session expired", "", True),
        "transcriber_error": ("internal error of the server", "", True),
        "unaccepted_terms": ("the terms of use are not accepted", "accept them in the account", False),
        1008: ("refused the API key or the options", "check the key, the model and extra", False),
    }

    def __init__(self, options: ScribeOptions) -> None:
        super().__init__(options)
        self._options = options
        self._codes = (options.language,) if options.language else options.languages
        self._open: list[str] = []
        """Words of committed pieces whose times have not come."""
        self._ahead = 0
        """Number of pieces whose times came before their words."""
        self._silent_from = 0.0
        """Second of the session at which the silence after the last committed piece began."""

    def set_language(self, language: str) -> str | None:
        """None (a new session is needed) if the session does not have the language; otherwise empty."""
        if not self._codes or language in self._codes:
            return ""
        self._codes = (language,)
        return None

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        options = self._options
        pairs = [("model_id", options.model), ("audio_format", SOUND_FORMAT), ("commit_strategy", "vad")]
        pairs += [(SILENCE, f"{SILENT:g}"), ("include_timestamps", "true")]
        pairs += [("language_code", code) for code in self._codes[:1]]
        pairs += [("secondary_languages", code) for code in self._codes[1:]]
        if len(self._codes) != 1:
            pairs.append(("include_language_detection", "true"))
        pairs += [("keyterms", term) for term in options.keyterms]
        url = below(options.url, "/v1/speech-to-text/realtime", in_query(pairs, options.extra))
        return url, {"xi-api-key": options.api_key}

    def begin(self) -> None:
        """Start a session."""
        super().begin()
        self._open, self._ahead = [], 0

    def message(self, ulaw: bytes) -> str:
        """Sound as JSON."""
        return _chunk(ulaw)

    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The events of a message."""
        sent = self.backlog.sent
        match kind:
            case "session_started":
                return SttBegun()
            case "partial_transcript" if text := fields["text"].strip():
                self.backlog.open_turn(max(0, sent - _ONSET_LAG))
                return Transcript(" ".join([*self._open, text]), False, False, sent / SAMPLE_RATE)
            case "committed_transcript":
                if self._ahead:
                    self._ahead -= 1
                    return None
                self._open.append(fields["text"].strip())
                text = " ".join(filter(None, self._open))
                return Transcript(text, False, True, self._committed() / SAMPLE_RATE) if text else None
            case "committed_transcript_with_timestamps":
                return self._final(fields)
        return SttFault(kind, str(fields.get("error"))[:1000]) if kind in self.faults else None

    def _committed(self) -> int:
        """Note a commit. Returns the position at which the silence before it begins."""
        silence = number(self._options.extra, SILENCE, SILENT)
        self._silent_from = max(0.0, self.backlog.sent_in_session / SAMPLE_RATE - silence)
        return self.backlog.position(self._silent_from) or 0

    def _final(self, fields: Mapping[str, Any]) -> Transcript | None:
        """The transcript of a piece with its times. Earlier pieces whose times did not come stand before it."""
        text, before = fields["text"].strip(), list[str]()
        words = [one for one in fields.get("words") or () if one["type"] == "word"]
        code = bases([fields.get("language_code")])
        if text in self._open:
            at = self._open.index(text)
            before, self._open = self._open[:at], self._open[at + 1 :]
        else:
            self._ahead += 1
            self._committed()
        # The service tells the words of each further piece about 0.1 s later than of the one before
        # (elevenlabs-python, issue 849), but none ends after the beginning of the silence that has committed it.
        end = words[-1]["end"] if words else self._silent_from
        late = max(0.0, end - self._silent_from)
        timed = [(one["text"], max(0.0, one["start"] - late), max(0.0, one["end"] - late)) for one in words]
        until = self.backlog.settle(self.backlog.position(end - late))
        whole = " ".join(filter(None, [*before, text]))
        placed = () if any(before) else self.backlog.words(timed)
        return Transcript(whole, True, True, until / SAMPLE_RATE, placed, code) if whole else None
