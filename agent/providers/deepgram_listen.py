"""Deepgram's streaming STT: Nova on /v1/listen, and Flux, which finds turns itself, on /v2. Sans-IO.

https://developers.deepgram.com/reference/speech-to-text/listen-streaming and /listen-flux
"""

import json
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, Limits, below, check, in_query, milliseconds, number
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

KEYTERMS = 100
"""Maximum number of key terms."""

KEYTERM = 100
"""Maximum characters of a key term. Flux refuses the session for a longer or a blank one."""

FLUX_REDACT = ("numbers", "aggressive_numbers")
"""Kinds of redaction of Flux, of which one can be used: numbers of several digits, or every number."""

FLUX_LANGUAGES = ("en", "es", "fr", "de", "hi", "ru", "pt", "ja", "it", "nl")
"""Languages of ``flux-general-multi`` (developers.deepgram.com/docs/flux/language-prompting, November 2026)."""

ENGLISH, MULTI = "flux-general-en", "flux-general-multi"

DICTATED = 0.85
"""Flux: how sure it must be that a turn is over while the caller dictates."""

UTTERANCE_END = 1000
"""Nova: milliseconds without words that end a turn when noise hides the silence."""

ENDPOINTING = 300
"""Nova: milliseconds of silence that end a turn."""

NOVA_ONLY = ("endpointing", "utterance_end_ms", "punctuate", "smart_format", "vad_events")
"""Parameters with which Flux refuses a session."""

EOT, EOT_THRESHOLD = "eot_threshold", 0.7
"""Flux: how sure it must be that the turn is over, 0.5 to 1."""

EAGER = "eager_eot_threshold"

TIMEOUT, EOT_TIMEOUT = "eot_timeout_ms", 5000
"""Flux: milliseconds of silence that end a turn in any case."""

FLUX_ONLY = (EOT, EAGER, TIMEOUT)
"""Parameters that Nova does not know."""

ONSET_LAG = SAMPLE_RATE
"""Samples by which Flux may be late to say that a turn has begun: it does so with the first word."""

_GOODBYE = json.dumps({"type": "CloseStream"})


@dataclass(frozen=True)
class DeepgramOptions(ListenOptions):
    """Options of Deepgram's STT."""

    url: str = "wss://api.deepgram.com"
    model: str = ENGLISH
    language: str = ""
    """The language, such as ``en``, or ``multi``. It replaces the languages of `[[languages]]`; empty: these, or the
    language of the model."""
    redact: tuple[str, ...] = ()
    """Kinds of private data that Deepgram removes from transcripts; the agent does not get them either. Nova: ``pci``,
    ``ssn``, ``numbers`` ...; Flux: either ``numbers`` or ``aggressive_numbers``."""
    eager_eot_threshold: float | None = field(default=0.5, metadata=FIXED)
    """Flux: how sure it must be that a turn is over before a reply is prepared, unless `extra` says it; None: never."""

    decided: ClassVar = ("channels", "interim_results", "keyterm", "language", "language_hint", "multichannel")
    limits: ClassVar = {
        EOT: Limits(0.5, 1),
        EAGER: Limits(0.3, 0.9),
        TIMEOUT: milliseconds(500),
        "utterance_end_ms": milliseconds(1000, 5000),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.keyterms) > KEYTERMS or any(not term.strip() or len(term) > KEYTERM for term in self.keyterms):
            raise RuleError(f"at most {KEYTERMS} terms of at most {KEYTERM} characters, none of them blank", "keyterms")
        if self.redact and self.is_flux and (len(self.redact) > 1 or self.redact[0] not in FLUX_REDACT):
            raise RuleError(f"redact: flux models take one of {', '.join(FLUX_REDACT)}", "redact", "model")
        if self.is_flux and (unknown := set(bases([self.language])) - {"", "multi", *FLUX_LANGUAGES}):
            known = ", ".join(FLUX_LANGUAGES)
            raise RuleError(
                f"flux models know the languages {known}, or multi, not {min(unknown)}", "language", "model"
            )
        if number(self.extra, EAGER, self.eager_eot_threshold or 0.3) > number(self.extra, EOT, EOT_THRESHOLD):
            raise RuleError(f"{EOT} must be at least {EAGER}", ("extra", EOT), ("extra", EAGER))
        if foreign := next((name for name in (NOVA_ONLY if self.is_flux else FLUX_ONLY) if name in self.extra), ""):
            kind = "Nova" if self.is_flux else "Flux"
            raise RuleError(f"extra.{foreign} is for {kind}, not for {self.model}", ("extra", foreign), "model")
        if self.extra.get("endpointing") is not False:  # `utterance_end_ms` ends the turn then
            check(self.extra, (), {"endpointing": milliseconds(10, 5000)})

    @property
    def is_flux(self) -> bool:
        """Whether the model is Flux, which finds turns itself."""
        return self.model.startswith("flux")

    @property
    def codes(self) -> tuple[str, ...]:
        """The languages that are expected at first; empty: the languages of the model."""
        return bases([self.language]) if self.language else self.languages

    @property
    def product(self) -> str:
        """The model with which sessions begin, and for which they are charged. For other languages the English Flux
        becomes the multilingual one."""
        return MULTI if self.is_flux and (self.model == MULTI or self.codes not in ((), ("en",))) else self.model

    @property
    def takes_keyterms(self) -> bool:
        """Whether the model takes key terms; other models refuse a session with them."""
        return self.model.startswith(("flux", "nova-3"))


def session(options: DeepgramOptions) -> SttSession:
    """The session that serves the model."""
    return FluxSession(options) if options.is_flux else NovaSession(options)


class _DeepgramSession(SttSession):
    name = "deepgram"
    goodbye = _GOODBYE
    faults: ClassVar = {
        1008: ("refused the sound", "check model and language", False),
        1011: ("the server gave up", "", True),
        "DATA-0000": ("refused the sound", "check model and language", False),
        "NET-0001": ("heard nothing for 10 s", "", True),
        "INTERNAL_SERVER_ERROR": ("internal error of the server", "", True),
        "UNPARSABLE_CLIENT_MESSAGE": ("refused a message", "this is a fault of the gateway: report it", False),
    }

    def __init__(self, options: DeepgramOptions) -> None:
        super().__init__(options)
        self._options = options

    def _request(self, path: str, query: dict[str, str], model: str = "") -> tuple[str, dict[str, str]]:
        pairs = [("model", model or self._options.model), ("encoding", "mulaw"), ("sample_rate", str(SAMPLE_RATE))]
        keyterms = self._options.keyterms if self._options.takes_keyterms else ()
        pairs += [*query.items(), *(("keyterm", term) for term in keyterms)]
        pairs += [("redact", kind) for kind in self._options.redact]
        url = below(self._options.url, path, in_query(pairs, self._options.extra))
        return url, {"Authorization": f"Token {self._options.api_key}"}

    def _fault(self, fields: dict[str, Any]) -> SttFault:
        code = fields.get("code") or fields.get("variant") or fields.get("err_code")
        words = fields.get("description") or fields.get("message") or ""
        return SttFault(code if isinstance(code, str) else 1011, str(words)[:1000])

    def fault(self, loss: SttFault) -> ProviderError:
        """The error for the end of a session. No list has all codes, so an unknown code is an error that may pass."""
        if isinstance(loss.code, str) and loss.code not in self.faults:
            loss = SttFault(1011, f"{loss.code}: {loss.words}")
        return super().fault(loss)


class NovaSession(_DeepgramSession):
    """/v1/listen: interim results replace each other, final ones stand; a turn is what lies between two silences."""

    ends_turns = False
    begins = False
    keepalive = json.dumps({"type": "KeepAlive"})

    def __init__(self, options: DeepgramOptions) -> None:
        super().__init__(options)
        self._placed: list[Word] = []
        self._fixed: list[str] = []  # final results of the open turn, which a new session does not get again
        self._turn_from: int | None = None
        self._languages: tuple[str, ...] = ()
        """The languages of the open turn."""
        self._language = options.language or (options.languages[0] if len(options.languages) == 1 else "")
        if not self._language and options.languages:
            self._language = "multi" if options.model.startswith("nova-3") else options.languages[0]

    def set_language(self, language: str) -> str | None:
        """None (a new session is needed) if the model knows only one language."""
        if self._language in ("", "multi", language):
            return ""
        self._language = language
        return None

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        query = {
            "channels": "1",
            "interim_results": "true",
            "punctuate": "true",
            "vad_events": "true",
            "endpointing": str(ENDPOINTING),
            "utterance_end_ms": str(UTTERANCE_END),
        }
        if self._language:
            query["language"] = self._language
        return self._request("/v1/listen", query)

    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The events of a message."""
        match kind:
            case "Results":
                return self._results(fields)
            case "SpeechStarted":
                at = self.backlog.position(fields["timestamp"])
                if at is None:
                    raise ValueError
                self.backlog.open_turn(at)
                return Onset(at / SAMPLE_RATE)
            case "UtteranceEnd":
                end = self.backlog.position(fields["last_word_end"])  # -1 if it is not known
                if self._turn_from is not None and end is not None and end <= self._turn_from:
                    return None  # the end of an earlier turn, which a silence had ended already
                return self._finish(end)
            case "Error":
                return self._fault(fields)
        return None

    def _results(self, fields: dict[str, Any]) -> Transcript | None:
        alternative = fields["channel"]["alternatives"][0]
        text, words = alternative["transcript"].strip(), alternative.get("words") or []
        if text:
            self._languages = bases([*self._languages, *(alternative.get("languages") or [])])
        until = self.backlog.position(fields["start"] + fields["duration"])
        end = self.backlog.position(words[-1]["end"]) if words else until
        if words:
            first = self.backlog.position(words[0]["start"])
            self.backlog.open_turn(first)
            self._turn_from = first if self._turn_from is None else self._turn_from
        final = fields["is_final"] is True
        if final and text:
            self._fixed.append(text)
            named = ((word.get("punctuated_word") or word["word"], word["start"], word["end"]) for word in words)
            self._placed += self.backlog.words(named)
        if final and fields.get("speech_final") is True:
            return self._finish(end)
        if final:
            self.backlog.settle(until, turn_goes_on=bool(self._fixed))
        if not text:
            return None
        so_far = " ".join(self._fixed if final else [*self._fixed, text])
        return Transcript(so_far, False, False, (self.backlog.sent if end is None else end) / SAMPLE_RATE)

    def _finish(self, end: int | None) -> Transcript | None:
        text, words = " ".join(self._fixed), tuple(self._placed)
        spoken, self._languages = self._languages, ()
        self._fixed, self._placed, self._turn_from = [], [], None
        if not text:
            return None
        return Transcript(text, True, True, self.backlog.settle(end) / SAMPLE_RATE, words, spoken)


class FluxSession(_DeepgramSession):
    """/v2/listen: the model says when a turn begins, is probably over, goes on after all, and is over."""

    def __init__(self, options: DeepgramOptions) -> None:
        super().__init__(options)
        self._finished = -1  # turn_index of the session's last EndOfTurn
        self._text, self._end = "", 0
        self._dictated = False
        self._codes = options.codes

    @property
    def model(self) -> str:
        """Model of the session. The multilingual model recognises English slightly worse than the English one."""
        options = self._options
        multi = options.model.endswith("-multi") or self._codes not in ((), ("en",))
        return MULTI if multi else options.model

    @property
    def product(self) -> str:
        """See `SttSession.product`."""
        return f"{self.name}/{self.model}"

    def set_language(self, language: str) -> str | None:
        """A message for the multilingual model if the language is new; None (a new session) for the English model."""
        if language in (self._codes or ("en",)) or "multi" in self._codes or (self.model == MULTI and not self._codes):
            return ""
        known, self._codes = self.model == MULTI, (language, *self._codes)
        return json.dumps({"type": "Configure", "language_hints": list(self._codes)}) if known else None

    def listen_for(self, keyterms: tuple[str, ...]) -> str:
        """The message that changes the key terms within a session."""
        before, self._options = self._options, with_keyterms(self._options, keyterms)
        return "" if self._options is before else json.dumps({"type": "Configure", "keyterms": list(keyterms)})

    @property
    def longest_silence(self) -> float:
        """See `agent.stt.SpeechToText`."""
        return number(self._options.extra, TIMEOUT, EOT_TIMEOUT) / 1000

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        options = self._options
        query = {
            EOT: f"{EOT_THRESHOLD:g}",
            TIMEOUT: str(EOT_TIMEOUT),
        }
        if options.eager_eot_threshold is not None:
            query[EAGER] = f"{options.eager_eot_threshold:g}"
        url, headers = self._request("/v2/listen", query, self.model)
        if self.model == MULTI:
            hints = [("language_hint", code) for code in self._codes if code != "multi"]
            url += f"&{urllib.parse.urlencode(hints)}" if hints else ""
        return url, headers

    def begin(self) -> None:
        """Start a session; it counts its turns from 0."""
        super().begin()
        self._finished, self._text = -1, ""

    def hint(self, said: str, wanted: Expected) -> str:
        """Allow longer pauses and spelling while the caller dictates, until the end of the next sentence."""
        options, dictated = self._options, wanted.kind in IN_PARTS
        if not dictated and not self._dictated:
            return ""
        self._dictated = dictated
        usual = number(options.extra, EOT, EOT_THRESHOLD)
        sure = max(usual, DICTATED) if dictated else usual
        terms = dict.fromkeys((*options.keyterms, *(SPELLED if dictated else ())))
        told = {"thresholds": {EOT: sure}, "keyterms": list(terms)[:KEYTERMS]}
        return json.dumps({"type": "Configure", **told})

    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The events of a message."""
        match kind:
            case "TurnInfo":
                return self._turn(fields)
            case "Connected":
                return SttBegun()
            case "Error":
                return self._fault(fields)
        return None  # Warning, ConfigureSuccess, ConfigureFailure: the settings stay as they are

    def _turn(self, fields: dict[str, Any]) -> Onset | Transcript | None:
        event, turn, text = fields["event"], fields["turn_index"], fields["transcript"].strip()
        if not isinstance(turn, int) or turn <= self._finished:
            return None
        start = self.backlog.position(fields["audio_window_start"])
        end = self.backlog.position(fields["audio_window_end"])
        if text or event != "Update":  # updates also come in silence, for a window that began with it
            self.backlog.open_turn(start if end is None else max(start or 0, end - ONSET_LAG))
        if event == "StartOfTurn" and not text:
            return None if end is None else Onset(end / SAMPLE_RATE)
        if event == "Update" and text == self._text:
            return None  # updates come every 0.25 s, also in silence
        timed = _timed(fields.get("words"))
        said_until = self.backlog.position(timed[-1][2]) if timed else None
        if said_until is not None:
            self._end = said_until
        elif text != self._text:  # without times: the last word ended where the words last changed
            self._end = self.backlog.sent if end is None else end
        self._text = text
        final = event == "EndOfTurn"
        placed = self.backlog.words(timed) if final else ()
        if final:
            self._finished, self._text = turn, ""
            self.backlog.settle(end)
        if not text:
            return None
        spoken = bases(fields.get("languages") or [])
        return Transcript(text, final, final or event == "EagerEndOfTurn", self._end / SAMPLE_RATE, placed, spoken)


def _timed(words: object) -> list[tuple[str, object, object]]:
    """The words of Flux with their times, which it sends since July 2026; empty if they make no sense."""
    if not isinstance(words, list) or not all(
        isinstance(one, dict) and isinstance(one.get("word"), str) for one in words
    ):
        return []
    return [(one["word"], one.get("start"), one.get("end")) for one in words]
