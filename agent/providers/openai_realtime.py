"""OpenAI's Realtime protocol: mu-law both ways; the gateway plays the sound. Sans-IO.

https://platform.openai.com/docs/api-reference/realtime. The server interrupts its reply by itself when the caller
begins to speak. Only the gateway knows how much of it was played, and `cut` tells the server.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.llm import ToolCall
from agent.providers.extra import Limits, below, merged, milliseconds, one_of
from agent.providers.realtime import (
    RealtimeBegun,
    RealtimeFault,
    RealtimeOptions,
    RealtimeSession,
    SessionEvent,
    text_of,
)
from agent.providers.response_queue import Responses
from agent.providers.stt import continued
from agent.realtime import Answering, Brief, Consumed, ReplyAudio, ReplyEnded, ReplyWords, exactly
from agent.rules.rule_error import RuleError
from agent.stt import Onset, Transcript

SOUND = {"type": "audio/pcmu"}
TURNS = "audio.input.turn_detection"
"""The path in `extra` of the settings by which the server finds the ends of turns."""
SERVER_VAD = "server_vad"
DETECTIONS = {
    SERVER_VAD: ("idle_timeout_ms", "prefix_padding_ms", "silence_duration_ms", "threshold"),
    "semantic_vad": ("eagerness",),
}
"""The types of turn detection, each with the parameters that only this type takes. OpenAI's defaults are 500 ms of
silence, and the eagerness ``auto``."""
REDUCTIONS = ("near_field", "far_field")
"""The values of OpenAI's noise reduction, which are kinds of microphones."""
HINTED = ("gpt-transcribe", "gpt-live-transcribe")
"""The transcription models that take key terms and several languages."""
ITEMS = 8
"""Maximum items of the caller whose transcript may still come."""


def turn_detection(extra: Mapping[str, Any], path: str) -> str:
    """The type of turn detection at `path` of `extra`. Raises `RuleError` for an unknown type, and for a parameter of
    another type."""
    one_of(extra, f"{path}.type", tuple(DETECTIONS))
    turns: Any = extra
    for name in path.split("."):
        turns = turns.get(name, {})
    kind = str(turns.get("type", SERVER_VAD))
    if other := next((name for one in DETECTIONS if one != kind for name in DETECTIONS[one] if name in turns), ""):
        raise RuleError(f"is not for {kind}", ("extra", *path.split("."), other))
    return kind


@dataclass(frozen=True)
class OpenAIRealtimeOptions(RealtimeOptions):
    """Options of OpenAI Realtime."""

    url: str = "wss://api.openai.com/v1/realtime"
    model: str = "gpt-realtime-2.1"
    voice_id: str = "marin"
    transcription: str = "gpt-transcribe"
    """The model that transcribes the caller's words; empty: no transcript."""
    efforts: ClassVar[tuple[str, ...]] = ("minimal", "low", "medium", "high", "xhigh")
    decided: ClassVar[tuple[str, ...]] = (
        *("audio.input.format", "audio.input.transcription.model", "audio.output.format", "audio.output.voice"),
        *(f"{TURNS}.create_response", f"{TURNS}.interrupt_response", "instructions", "output_modalities", "type"),
    )
    limits: ClassVar = {
        "audio.output.speed": Limits(0.25, 1.5),
        f"{TURNS}.idle_timeout_ms": milliseconds(5000, 30_000),
        f"{TURNS}.prefix_padding_ms": milliseconds(0, 10_000),
        f"{TURNS}.silence_duration_ms": milliseconds(10, 10_000),
        f"{TURNS}.threshold": Limits(0, 1),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        turn_detection(self.extra, TURNS)
        if "transcription" in self.extra.get("audio", {}).get("input", {}) and not self.transcription:
            own = ("extra", "audio", "input", "transcription")
            raise RuleError('needs a model: transcription = "" has none', own, "transcription")
        one_of(self.extra, "audio.input.noise_reduction.type", REDUCTIONS)
        one_of(self.extra, "reasoning.effort", self.efforts)

    @property
    def hints(self) -> dict[str, Any]:
        """Settings of the transcript: key terms and languages. The model that answers takes neither."""
        known = {"keywords": list(self.keyterms), "languages": list(self.languages)}
        return {key: value for key, value in known.items() if value and self.transcription in HINTED}


class OpenAIRealtimeSession(RealtimeSession):
    """One session of OpenAI Realtime. The name of a reply is the id of its item."""

    name = "openai"
    faults: ClassVar = {
        "invalid_api_key": ("refused the API key", "check the key", False),
        "insufficient_quota": ("the quota is used up", "check the balance of the account", False),
        "model_not_found": ("does not know the model", "check the model", False),
        "session_expired": ("session expired", "", True),
        "rate_limit_exceeded": ("limits the rate", "raise the limit of the account", True),
    }

    def __init__(self, options: OpenAIRealtimeOptions, brief: Brief) -> None:
        super().__init__(options, brief)
        self._options = options
        self._items: dict[str, int] = {}  # samples received of each item that has not ended
        self._responses = Responses(self.send)
        self._spoken: dict[str, str] = {}  # the spoken item of each response
        self._unanswered: set[str] = set()
        self._partial = ("", "")  # the caller's item and its words so far
        self._begun = False
        self._hearing = False  # whether the caller speaks, so that the server waits for the end
        self._ends: dict[str, float] = {}  # second of the sound at which each item of the caller ends
        self._written = 0.0  # second of the sound up to which transcripts are charged

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers."""
        url, headers = super().request()
        return below(url, "", [("model", self._options.model)]), headers

    def begin(self) -> None:
        """Send nothing yet: the configuration is the answer to ``session.created``."""
        self.backlog.begin()
        self._begun = False

    def frame(self, ulaw: bytes) -> str:
        """The message with sound for the server's input buffer."""
        audio = base64.b64encode(ulaw).decode()
        return json.dumps({"type": "input_audio_buffer.append", "audio": audio})

    def cut(self, reply: str, samples: int) -> None:
        """Let the server forget the part of the reply that was not played. The position must not be beyond the sound
        that it has sent."""
        received = self._items.pop(reply, None)
        if received is not None:
            played = 1000 * min(samples, received) // SAMPLE_RATE
            self.send("conversation.item.truncate", item_id=reply, content_index=0, audio_end_ms=played)

    def answer(self, call: str, result: str, *, failed: bool) -> None:
        """Send the result of a tool call. After the last result, a response is requested."""
        item = {"type": "function_call_output", "call_id": call, "output": result}
        self.send("conversation.item.create", item=item)
        self._unanswered.discard(call)
        self._responses.owe()
        self._go_on()

    def hush(self) -> None:
        """Cancel the response, unless the caller has interrupted it: then the server cancels it."""
        self._responses.hush(interrupted=self._hearing)

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Request a response with these instructions. With `aside`, it is not part of the conversation."""
        more = {"conversation": "none"} if aside else {}
        self._responses.prompt({"instructions": instructions, **more})
        self._go_on()

    def tell(self, text: str) -> None:
        """Send `text` as words of the caller, and request a response."""
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self._responses.owe()
        self._go_on()

    def instruct(self, instructions: str) -> None:
        """Send an update that changes only the instructions."""
        self.send("session.update", session={"type": "realtime", "instructions": instructions})

    def read(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """The events of a message."""
        match kind:
            case "session.created":
                self.send("session.update", session=merged(self._session(), self._options.extra))
            case "session.updated":
                return self._updated()
            case "response.created":
                heard = self._responses.created(text_of(fields["response"]["id"]))
                self._hearing = False
                return [Answering()] if heard else []
            case "response.output_item.added" if fields["item"].get("type") == "message":
                return self._added(fields["response_id"], text_of(fields["item"]["id"]))
            case "response.output_item.done" if fields["item"].get("type") == "function_call":
                return self._call(fields["item"])
            case "response.output_audio.delta" | "response.output_audio_transcript.delta":
                return self._output(kind, text_of(fields["item_id"]), text_of(fields["delta"]))
            case "response.done":
                return self._done(fields["response"])
            case "error":
                return self._error(fields["error"])
            case _:
                return self._input(kind, fields)
        return []

    def _updated(self) -> list[SessionEvent]:
        if self._begun:
            return []
        self._begun = True
        if self.brief.greeting:
            self.prompt(exactly(self.brief.greeting))
        return [RealtimeBegun()]

    def _input(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """Events from the caller's transcript."""
        now = self.backlog.sent / SAMPLE_RATE
        match kind:
            case "input_audio_buffer.speech_started":
                self._hearing = True
                return [Onset(self.position(fields["audio_start_ms"]))]
            case "input_audio_buffer.speech_stopped":
                self._ends[text_of(fields["item_id"])] = self.position(fields["audio_end_ms"])
                self._ends = dict(list(self._ends.items())[-ITEMS:])
            case "conversation.item.input_audio_transcription.delta":
                item, said = text_of(fields["item_id"]), text_of(fields["delta"])
                self._partial = (item, continued(self._partial[1] if self._partial[0] == item else "", said))
                return [Transcript(self._partial[1].strip(), False, False, now)] if self._partial[1].strip() else []
            case "conversation.item.input_audio_transcription.completed":
                text = text_of(fields["transcript"]).strip()
                return [Transcript(text, True, True, self._ends.get(fields["item_id"], now)), *self._charged(fields)]
        return []

    def _charged(self, fields: dict[str, Any]) -> list[Consumed]:
        """The cost of a transcript, whose model has a price of its own. Without an amount from the server, all sound
        since the last transcript counts. Input tokens that are not reported as text count as sound, which costs more.
        """
        usage, now = fields.get("usage"), self.backlog.sent / SAMPLE_RATE
        heard, self._written = now - self._written, now
        told = usage if isinstance(usage, dict) else {}
        details = told.get("input_token_details")
        text = _amount(details.get("text_tokens") if isinstance(details, dict) else None) or 0
        tokens, written = _amount(told.get("input_tokens")), _amount(told.get("output_tokens"))
        if tokens is None or written is None:
            seconds = _amount(told.get("seconds"))
            amounts = {"seconds": heard if seconds is None else seconds}
        else:
            amounts = {"audio_tokens_in": max(0, tokens - text), "tokens_in": text, "tokens_out": written}
        by = f"{self.name}/{self._options.transcription}"
        return [Consumed(unit, amount, by) for unit, amount in amounts.items() if amount]  # type: ignore[arg-type]

    def _added(self, response: str, item: str) -> list[SessionEvent]:
        if self._responses.hushed and response == self._responses.active:
            return []
        before, self._spoken[response] = self._spoken.get(response), item
        self._items[item] = 0
        return [ReplyEnded(before, True)] if before else []

    def _call(self, item: dict[str, Any]) -> list[SessionEvent]:
        """Events for a tool call. A call that was broken off is reported, too, with the arguments that came, or with
        none."""
        if item.get("status") not in (None, "completed"):
            return []
        call = ToolCall(text_of(item["call_id"]), text_of(item["name"]), text_of(item["arguments"]) or "{}")
        self._unanswered.add(call.id)
        return [call]

    def _output(self, kind: str, item: str, delta: str) -> list[SessionEvent]:
        if item not in self._items:
            return []  # the reply was cut
        if kind == "response.output_audio_transcript.delta":
            return [ReplyWords(item, delta, None)]
        ulaw = base64.b64decode(delta, validate=True)
        self._items[item] += len(ulaw)
        return [ReplyAudio(item, ulaw)] if ulaw else []

    def _done(self, response: dict[str, Any]) -> list[SessionEvent]:
        item, status = self._spoken.pop(response["id"], ""), response["status"]
        self._responses.done(response["id"])
        self._go_on()
        events: list[SessionEvent] = [*_consumed(response.get("usage"))]
        error = (response.get("status_details") or {}).get("error")
        if status == "failed" and isinstance(error, dict) and error.get("code") in self.faults:
            events.append(RealtimeFault(error["code"], str(error.get("message") or "")[:1000]))
        elif item:
            events.append(ReplyEnded(item, status == "completed"))
        return events

    def _go_on(self) -> None:
        self._responses.go_on(ready=not self._unanswered and not self._hearing)

    def _error(self, error: dict[str, Any]) -> list[SessionEvent]:
        fatal = self.fatal(error, begun=self._begun)
        if not fatal and self._responses.refused(error.get("event_id"), error.get("code")):
            self._go_on()
        self.ignored += not fatal
        return fatal

    def _session(self) -> dict[str, Any]:
        options = self._options
        turns = {"type": SERVER_VAD, "create_response": True, "interrupt_response": True}
        hearing: dict[str, Any] = {"format": SOUND, "turn_detection": turns}
        if options.transcription:
            hearing["transcription"] = {"model": options.transcription, **options.hints}
        return {
            "type": "realtime",
            "instructions": self.brief.instructions,
            "output_modalities": ["audio"],
            "audio": {"input": hearing, "output": {"format": SOUND, "voice": options.voice_id}},
            "tools": self.functions(),
            "tool_choice": "auto",
        }


def _amount(told: object) -> float | None:
    """An amount that the server reports; None for an impossible value."""
    return told if isinstance(told, int | float) and 0 <= told < 10**9 else None


def _consumed(usage: object) -> list[Consumed]:
    """The tokens of a response; empty if the server does not report them."""
    if not isinstance(usage, dict):
        return []
    found = []
    for way, sound, text in (
        ("input_token_details", "audio_tokens_in", "tokens_in"),
        ("output_token_details", "audio_tokens_out", "tokens_out"),
    ):
        details = usage.get(way)
        for key, unit in (("audio_tokens", sound), ("text_tokens", text)):
            amount = details.get(key) if isinstance(details, dict) else None
            if isinstance(amount, int) and 0 < amount < 10**9:
                found.append(Consumed(unit, amount))  # type: ignore[arg-type]
    return found
