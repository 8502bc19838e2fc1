"""AssemblyAI's streaming STT protocol, version 3. Sans-IO.

https://www.assemblyai.com/docs/speech-to-text/universal-streaming
"""

import json
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, ClassVar, Literal

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, Limits, below, in_query, milliseconds, number
from agent.providers.stt import (
    SPELLED,
    ListenOptions,
    SessionEvent,
    SttBegun,
    SttFault,
    SttSession,
    bases,
    with_keyterms,
)
from agent.rules.rule_error import RuleError
from agent.stt import Onset, Transcript, Word
from agent.turn_taking.expect import IN_PARTS, Expected

FRAME_MIN = 400
"""Minimum bytes of mu-law in one binary frame: 50 ms. A frame outside of 50 ms to 1 s is error 3007."""

U3_PAUSE = 100
"""Milliseconds of silence after which Universal-3 decodes the turn so far, unless `LEAST` says otherwise."""

DICTATED_MIN, DICTATED_MAX = 500, 1800
"""Minimum and maximum milliseconds of silence that end a turn while the caller dictates."""

RATE = "rate"
"""No code of the server. It stands for 3007 after sound that came faster than real time, as when a turn is sent
again."""

LANGUAGES = 10
"""Maximum number of languages in a session."""

CONTEXT_LIMIT = 1500
"""Maximum characters of `agent_context`; with more than 1750 the server ends the session."""

PROMPT_LIMIT = 1750
"""Maximum characters of `prompt` in `extra`; with more the server ends the session."""

MODES = {"min_latency": 640, "balanced": 1280, "max_accuracy": 2560}
"""Milliseconds of silence that end any turn in each mode, unless `MOST` says otherwise."""

LEAST, MOST = "min_turn_silence", "max_turn_silence"
"""Names in `extra` for the milliseconds of silence that end a turn: after a finished sentence, and in any case."""


@dataclass(frozen=True)
class AssemblyAIOptions(ListenOptions):
    """Options of AssemblyAI's STT."""

    chunk: float = field(default=FRAME_MIN / SAMPLE_RATE, metadata=FIXED)
    """Minimum seconds of sound in one message: from 0.05, the least that the service takes, up to 1."""
    url: str = "wss://streaming.assemblyai.com/v3/ws"
    model: str = "universal-3-6-pro"
    mode: Literal["", "min_latency", "balanced", "max_accuracy"] = ""
    """Universal-3.5 and later. ``min_latency`` reports the caller's first words in half the time, ``max_accuracy``
    waits longer; empty: the model's default, ``balanced``."""
    redact: tuple[str, ...] = ()
    """Kinds of private data (``credit_card_number``, ``us_social_security_number`` ...) that AssemblyAI removes from
    transcripts; the agent does not get them either."""

    decided: ClassVar = (*("agent_context", "keyterms_prompt", "language", "language_code", "language_codes", "mode"),)
    limits: ClassVar = {
        LEAST: milliseconds(10),
        MOST: milliseconds(10),
        "end_of_turn_confidence_threshold": Limits(0, 1),
        "inactivity_timeout": Limits(5, 3600),
        "interruption_delay": milliseconds(0, 1000),
        "vad_threshold": Limits(0, 1),
        "voice_focus_threshold": Limits(0, 1),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk < FRAME_MIN / SAMPLE_RATE:
            raise RuleError("must be between 50ms and 1s", "chunk")
        if len(self.keyterms) > 100 or any(len(term) > 50 for term in self.keyterms):
            raise RuleError("at most 100 terms of at most 50 characters", "keyterms")
        if number(self.extra, LEAST, 0) > number(self.extra, MOST, inf):
            raise RuleError(f"{LEAST} must be at most {MOST}", ("extra", LEAST), ("extra", MOST))
        prompt = self.extra.get("prompt", "")
        if not isinstance(prompt, str) or len(prompt) > PROMPT_LIMIT or (prompt and not self.is_u3):
            raise RuleError(
                f"extra.prompt is a text for Universal-3 models, of at most {PROMPT_LIMIT} characters",
                ("extra", "prompt"),
                "model",
            )
        if self.model.startswith("whisper"):
            raise RuleError(f"{self.model} is not supported, which takes no turns: take a Universal model", "model")
        if self.mode and not self.has_modes:
            raise RuleError("mode is for universal-3-5-pro and later models", "mode", "model")

    @property
    def product(self) -> str:
        """The name of the charged product: the model; Universal-Streaming costs more with key terms."""
        return f"{self.model}+keyterms" if self.keyterms and not self.is_u3 else self.model

    @property
    def is_u3(self) -> bool:
        """Whether the model ends turns by punctuation (Universal-3) and not word by word (Universal-Streaming)."""
        return not self.model.startswith("universal-streaming")

    @property
    def has_modes(self) -> bool:
        """Whether the model is tuned by `mode` (Universal-3.5 and later)."""
        return self.model.startswith("universal-3-")

    @property
    def codes(self) -> tuple[str, ...]:
        """The value of `language_codes`, which guides a Universal-3 model; ``multi`` stands alone."""
        if self.language == "multi":
            return ("multi",)
        return tuple(dict.fromkeys(code for code in (self.language, *self.languages) if code))[:LANGUAGES]

    def usual(self) -> dict[str, Any]:
        """Parameters that undo `dictation`. For a model with modes, they contain only configured silences."""
        least, most = self.extra.get(LEAST), self.extra.get(MOST)
        told: dict[str, Any] = {"keyterms_prompt": list(self.keyterms)}
        if self.has_modes:
            told["mode"] = self.mode or "balanced"
        else:
            least, most = least or (100 if self.is_u3 else 400), most or (1000 if self.is_u3 else 1280)
        return told | _given(min_turn_silence=least, max_turn_silence=most)

    def dictation(self) -> dict[str, Any]:
        """Parameters of a session while the caller dictates."""
        told = self.usual()
        told["keyterms_prompt"] = list(dict.fromkeys((*self.keyterms, *SPELLED)))[:100]
        if self.has_modes:
            told["mode"] = "max_accuracy"  # the mode ends a turn after 0.5 to 2.6 s of silence
        for name, least in ((LEAST, DICTATED_MIN), (MOST, DICTATED_MAX)):
            if name in told:
                told[name] = max(told[name], least)
        return told

    def longest_silence(self, *, dictated: bool) -> float:
        """Seconds of silence that end every turn, while the caller dictates (`dictated`) or otherwise."""
        told = self.dictation() if dictated else self.usual()
        return number(told, MOST, MODES[told["mode"]] if "mode" in told else 0) / 1000

    def session_url(self) -> str:
        """The URL of a session with 8 kHz mu-law, the format of the line."""
        model = self.model
        if model == "universal-streaming-english" and self.languages not in ((), ("en",)):
            model = "universal-streaming-multilingual"
        query = _given(
            speech_model=model,
            encoding="pcm_mulaw",
            sample_rate=SAMPLE_RATE,
            mode=self.mode or None,
            keyterms_prompt=json.dumps(list(self.keyterms)) if self.keyterms else None,
        )
        if self.is_u3:
            query |= _given(language_codes=json.dumps(list(self.codes)) if self.codes else None)
        else:
            query |= _given(language=self.language or None)
        if len(self.languages) > 1:
            query["language_detection"] = "true"
        if self.redact:
            query |= {"redact_pii": "true", "redact_pii_policies": json.dumps(list(self.redact))}
            query["redact_pii_sub"] = "entity_name"
        return below(self.url, "", in_query(query, self.extra))


class AssemblyAISttSession(SttSession):
    """All sessions of one call, one after the other."""

    name = "assemblyai"
    goodbye = json.dumps({"type": "Terminate"})
    faults: ClassVar = {
        1008: ("refused the API key or the account", "check the key, the balance and the plan", False),
        3005: ("session cancelled by the server", "", True),
        3006: ("refused a message or parameter", "check model, keyterms and language", False),
        3007: ("refused the sound's length", "this is a fault of the gateway: report it", False),
        RATE: ("was sent sound faster than it takes it", "", True),
        3008: ("session expired", "", True),
        3009: ("too many sessions", "raise the account's limit of new sessions per minute", True),
    }

    def __init__(self, options: AssemblyAIOptions) -> None:
        super().__init__(options, FRAME_MIN)
        self._options = options
        self._finished = -1  # turn_order of the session's last final
        self._dictated = False

    @property
    def longest_silence(self) -> float:
        """See `agent.stt.SpeechToText`."""
        return self._options.longest_silence(dictated=self._dictated)

    def set_language(self, language: str) -> str:
        """The message with the language for a Universal-3 model, if the language is new; otherwise empty."""
        codes = self._options.codes
        if not self._options.is_u3 or codes in ((), ("multi",)) or language in codes:
            return ""
        self._options = replace(self._options, language=language)
        return json.dumps({"type": "UpdateConfiguration", "language_codes": list(self._options.codes)})

    def listen_for(self, keyterms: tuple[str, ...]) -> str:
        """The message with the key terms for a Universal-3 model; otherwise empty, because key terms change the price
        of other models."""
        before = self._options
        self._options = with_keyterms(before, keyterms) if before.is_u3 else before
        told = {"type": "UpdateConfiguration", "keyterms_prompt": list(keyterms)}
        return "" if self._options is before else json.dumps(told)

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers; the header has the key without a word such as Bearer."""
        return self._options.session_url(), {"Authorization": self._options.api_key}

    def begin(self) -> None:
        """Start a session; it counts its turns from 0."""
        super().begin()
        self._finished = -1

    def hint(self, said: str, wanted: Expected) -> str:
        """The message with the agent's question as the context of the answer, for Universal-3. While the caller
        dictates, longer pauses are allowed and spelling is expected, until the agent's next sentence.
        """
        update: dict[str, Any] = {}
        if self._options.is_u3:
            update["agent_context"] = said[-CONTEXT_LIMIT:]
        dictated = wanted.kind in IN_PARTS
        if dictated or self._dictated:
            update |= self._options.dictation() if dictated else self._options.usual()
        self._dictated = dictated
        return json.dumps({"type": "UpdateConfiguration", **update}) if update else ""

    def fault(self, loss: SttFault) -> ProviderError:
        """The error for the end of a session. Only the words of the server show whether it may pass."""
        words = loss.words.lower()
        if loss.code == 1008 and "too many" in words:
            loss = SttFault(3009, loss.words)
        elif loss.code == 3007 and "rate" in words:
            loss = SttFault(RATE, loss.words)
        return super().fault(loss)

    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The event of a message. Unknown messages, of later versions of the protocol, have none."""
        match kind:
            case "Turn":
                return self._turn(fields)
            case "SpeechStarted":
                return self._onset(fields)
            case "Begin":
                return SttBegun()
            case "Error":
                code = fields.get("error_code")
                return SttFault(code if isinstance(code, int) else 1011, str(fields.get("error"))[:1000])
        return None  # Termination, Warning, Heartbeat

    def _onset(self, fields: dict[str, Any]) -> Onset | None:
        at = self._position(fields.get("timestamp"))
        if at is None:
            self.ignored += 1
            return None
        self.backlog.open_turn(at)
        return Onset(at / SAMPLE_RATE)

    def _turn(self, fields: dict[str, Any]) -> Transcript | None:
        order, text, final = fields.get("turn_order"), fields.get("transcript"), fields.get("end_of_turn")
        words = fields.get("words", [])
        if not (isinstance(order, int) and isinstance(text, str) and isinstance(final, bool) and _are_words(words)):
            self.ignored += 1
            return None
        if order <= self._finished:
            return None  # with format_turns a final comes again, formatted, when the reply has begun already
        if not final and not self._options.is_u3 and words:
            text = " ".join(word["text"] for word in words)  # `transcript` lacks the word being spoken
        end = self._position(words[-1].get("end")) if words else None
        self.backlog.open_turn(self._position(words[0].get("start")) if words else None)
        text = text.strip()
        if not text and (not final or not self.backlog.in_turn):
            return None
        eager = final or self._is_eager(fields, text, end)
        placed: tuple[Word, ...] = ()
        if final:
            self._finished = order
            placed = self.backlog.words((w["text"], _seconds(w.get("start")), _seconds(w.get("end"))) for w in words)
            self.backlog.settle(end)
        spoken, sure = fields.get("language_code"), fields.get("language_confidence")
        return Transcript(
            text, final, eager, (self.backlog.sent if end is None else end) / SAMPLE_RATE, placed,
            bases([spoken]), sure if isinstance(sure, int | float) else 1.0,
        )  # fmt: skip

    def _is_eager(self, fields: dict[str, Any], text: str, end: int | None) -> bool:
        """Whether a partial will probably become the final. Universal-Streaming reports this by a filled `utterance`.
        Universal-3 sends a partial at a pause within a sentence, and another one early in a long turn. Only the first
        has silence after its last word, and does not end with a dash or a comma. For models that give a confidence,
        this confidence decides.
        """
        if not self._options.is_u3:
            return bool(fields.get("utterance"))
        confidence = fields.get("end_of_turn_confidence")
        if isinstance(confidence, int | float) and confidence > 0:
            return confidence >= 0.5
        paused = (
            end is not None
            and self.backlog.sent - end >= number(self._options.extra, LEAST, U3_PAUSE) * SAMPLE_RATE / 1000
        )
        return paused and not text.endswith(("—", "-", ",", "…"))

    def _position(self, milliseconds: object) -> int | None:
        return self.backlog.position(_seconds(milliseconds))


def _given(**values: Any) -> dict[str, Any]:
    """The items of `values` that are not empty."""
    return {name: value for name, value in values.items() if value is not None}


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def _are_words(words: object) -> bool:
    return isinstance(words, list) and all(isinstance(w, dict) and isinstance(w.get("text"), str) for w in words)
