"""Cartesia's streaming STT, Ink with turns, without input and output: the model says when a turn begins and ends.

https://docs.cartesia.ai/api-reference/stt/turns. The service gives no times. The end of a word is taken to be the end
of the sound that was sent when the word came.
"""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, Limits, below, in_query, milliseconds, number
from agent.providers.faults import http_fault, quoted
from agent.providers.stt import ListenOptions, SessionEvent, SttFault, SttSession
from agent.rules.rule_error import RuleError
from agent.stt import Onset, Transcript
from agent.turn_taking.expect import IN_PARTS, Expected

API_VERSION = "2026-08-14"
"""Value of the Cartesia-Version header."""

DICTATED = 0.1
"""Threshold `END` while the caller dictates: the turn ends only if the model is this unsure that it goes on."""
START, EAGER, END = "turn_start_threshold", "turn_eager_end_threshold", "turn_end_threshold"
TIMEOUT = "turn_end_timeout_ms"
TURNS = {START: 0.8, EAGER: 0.4, END: 0.2, TIMEOUT: 5600}
"""Settings of turns, which `extra` may change. `START`: how sure the model must be that a turn begins. `EAGER` and
`END`: how unsure it must be that the turn goes on, before a reply is prepared, and before the turn ends. `TIMEOUT`:
milliseconds of silence that end a turn in any case."""
_ONSET_LAG = SAMPLE_RATE // 2


@dataclass(frozen=True)
class CartesiaOptions(ListenOptions):
    """Options of Cartesia's STT."""

    url: str = "wss://api.cartesia.ai"
    model: str = "ink-2"
    language: str = field(default="", metadata=FIXED)
    decided: ClassVar = ("keyterm", "language")
    limits: ClassVar = {
        START: Limits(0.5, 0.9),
        EAGER: Limits(0.3, 0.6),
        END: Limits(0.05, 0.5),
        TIMEOUT: milliseconds(640, 11_200),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.keyterms) > 100 or sum(map(len, self.keyterms)) > 1200:
            raise RuleError("must be at most 100, of 1200 characters together", "keyterms")
        start, eager, end = (number(self.extra, name, TURNS[name]) for name in (START, EAGER, END))
        if not end < eager < start:
            usual = f"{TURNS[END]}, {TURNS[EAGER]} and {TURNS[START]}"
            raise RuleError(
                f"needs {END} below {EAGER}, and that below {START}; unless they are set, they are {usual}",
                *(("extra", name) for name in (END, EAGER, START)),
            )
        if self.model.startswith("ink-whisper"):
            raise RuleError(f"{self.model} is not supported, which takes no turns: take ink-2", "model")


def fault_code(fields: Mapping[str, Any], known: Container[object]) -> int | str:
    """The code of an error message: its own code if that is in `known`, otherwise the HTTP status in the message."""
    code, status = fields.get("error_code"), fields.get("status_code")
    if isinstance(code, str) and code in known:
        return code
    return status if isinstance(status, int) else 1011


class InkSession(SttSession):
    """Cartesia's protocol of ``/stt/turns/websocket``."""

    name = "cartesia"
    begins = False
    goodbye = json.dumps({"type": "close"})
    faults: ClassVar = {
        1008: ("refused the request", "check the key, the model and the options", False),
        "concurrency_limited": ("too many sessions at once", "raise the plan's concurrency", True),
    }

    def __init__(self, options: CartesiaOptions) -> None:
        super().__init__(options)
        self._options = options
        self._text = ""
        self._dictated = False

    @property
    def longest_silence(self) -> float:
        """See `agent.stt.SpeechToText`."""
        return number(self._options.extra, TIMEOUT, TURNS[TIMEOUT]) / 1000

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        options = self._options
        pairs = [
            ("model", options.model),
            ("encoding", "pcm_mulaw"),
            ("sample_rate", str(SAMPLE_RATE)),
            *TURNS.items(),
            *(("keyterm", term) for term in options.keyterms),
        ]
        url = below(options.url, "/stt/turns/websocket", in_query(pairs, options.extra))
        return url, {"Authorization": f"Bearer {options.api_key}", "Cartesia-Version": API_VERSION}

    def begin(self) -> None:
        """Start a session."""
        super().begin()
        self._text = ""

    def hint(self, said: str, wanted: Expected) -> str:
        """Allow longer pauses while the caller dictates, until the end of the next sentence."""
        options, dictated = self._options, wanted.kind in IN_PARTS
        if not dictated and not self._dictated:
            return ""
        self._dictated = dictated
        usual = number(options.extra, END, TURNS[END])
        return json.dumps({"type": "config", "turn": {"end_threshold": min(usual, DICTATED) if dictated else usual}})

    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The events of a message."""
        sent = self.backlog.sent
        match kind:
            case "turn.start":
                self.backlog.open_turn(max(0, sent - _ONSET_LAG))
                return Onset(sent / SAMPLE_RATE)
            case "turn.update" | "turn.eager_end":
                self._text = fields["transcript"].strip()
                return self._transcript(eager=kind == "turn.eager_end")
            case "turn.resume":
                return self._transcript(eager=False)
            case "turn.end":
                self._text = fields["transcript"].strip()
                self.backlog.settle(None)
                final, self._text = self._transcript(eager=True, final=True), ""
                return final
            case "error":
                words = str(fields.get("message") or fields.get("title") or "")[:1000]
                return SttFault(fault_code(fields, self.faults), words)
        return None  # connected

    def fault(self, loss: SttFault) -> ProviderError:
        """The error for the end of a session; error messages carry an HTTP status."""
        if isinstance(loss.code, int) and 400 <= loss.code < 600:
            return http_fault(self.name, loss.code, quoted(loss.words, self._options.api_key))
        return super().fault(loss)

    def _transcript(self, *, eager: bool, final: bool = False) -> Transcript | None:
        return Transcript(self._text, final, eager, self.backlog.sent / SAMPLE_RATE) if self._text else None
