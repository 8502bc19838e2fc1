"""Google's Gemini Live protocol (BidiGenerateContent): linear sound, 24 kHz from the server. Sans-IO.

https://ai.google.dev/api/live. The server interrupts its reply by itself. No message tells it how much of a reply was
played, and none cancels a reply. A session that lost its websocket is resumed with the handle that the server gave.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from agent import ulaw
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
from agent.providers.stt import continued
from agent.realtime import Answering, Brief, Consumed, ReplyAudio, ReplyEnded, ReplyWords, exactly
from agent.resample import Decimator
from agent.stt import Onset, Transcript

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
RATE = "audio/pcm;rate=8000"
"""Format of the caller's sound; the server converts it."""
STEP = 3
"""Ratio of the sample rates: the server's sound has 24 kHz."""
ASIDE = "[An instruction, not words of the caller.]"
DETECTION = "realtimeInputConfig.automaticActivityDetection"
BEGUN = "begun"
LEAVING = "go_away"
CALLED = "called"
MOST_OPEN = 100
"""Maximum tool calls without a result, cancelled ones included; further calls are ignored."""


@dataclass(frozen=True)
class GeminiOptions(RealtimeOptions):
    """Options of Gemini Live."""

    url: str = "wss://generativelanguage.googleapis.com"
    model: str = "gemini-3.8-live"
    voice_id: str = "Kore"
    decided: ClassVar = (
        *("systemInstruction", "sessionResumption", "generationConfig.responseModalities", "historyConfig"),
        *("generationConfig.speechConfig.voiceConfig", f"{DETECTION}.disabled", "explicitVadSignal"),
        *("realtimeInputConfig.activityHandling", "inputAudioTranscription", "outputAudioTranscription"),
    )
    limits: ClassVar = {
        "generationConfig.temperature": Limits(0, 2),
        f"{DETECTION}.prefixPaddingMs": milliseconds(0, 10_000),
        f"{DETECTION}.silenceDurationMs": milliseconds(10, 10_000),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for way in ("start", "end"):
            name = way.upper()
            values = (f"{name}_SENSITIVITY_LOW", f"{name}_SENSITIVITY_HIGH")
            one_of(self.extra, f"{DETECTION}.{way}OfSpeechSensitivity", values)


class GeminiSession(RealtimeSession):
    """One session, on one websocket after the other. A reply is all that the model says in one turn."""

    name = "gemini"
    faults: ClassVar = {
        1007: ("refused the session", "check the key, the model, the voice and extra", False),
        1008: ("refused the key, the model or what it was asked", "check the key, the model and the plan", False),
        LEAVING: ("the server ends this connection", "", True),
    }

    def __init__(self, options: GeminiOptions, brief: Brief) -> None:
        super().__init__(options, brief)
        self._options = options
        self._handle = ""
        self._turns = 0
        self._reply = ""
        """The reply that is being made, or that the server takes to be playing."""
        self._sound = Decimator(STEP)
        self._said = ("", 0.0)
        """Words of the caller that are not yet reported as final, and the second of the sound at which they ended."""
        self._tools: dict[str, str] = {}
        """Names of the tools, by the tool calls that wait for a result."""
        self._taken_back: dict[str, str] = {}
        """Names of the tools, by the tool calls that the server has cancelled. The model is told their results all the
        same."""
        self._late: list[str] = []
        """Results of cancelled tool calls. They wait until the model is silent, because they would end its reply."""
        self._told = ""
        """New instructions for the next text, because a session takes a system prompt only at its beginning."""
        self._flags: set[str] = set()
        """States that are true now. BEGUN: the session is configured; ``live``: the reply shall be heard; ``ours``: the
        gateway interrupts the model's turn; CALLED: this turn has called a tool; LEAVING: a new connection is due."""

    @property
    def resumes(self) -> bool:
        """Whether the session can be resumed: true as soon as the server has given a handle."""
        return bool(self._handle)

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers. The key is in a header, because URLs are logged."""
        return below(self._options.url, PATH), {"x-goog-api-key": self._options.api_key}

    def begin(self) -> None:
        """Configure the session, or resume it, with the present instructions."""
        self.backlog.resume(SAMPLE_RATE) if self._handle else self.backlog.begin()
        self._reply, self._told = "", ""
        self._flags.clear()
        self._put(setup=merged(self._setup(), self._options.extra))

    def frame(self, ulaw_sound: bytes) -> str:
        """The message with the caller's sound, unfiltered, because the server filters it."""
        data = base64.b64encode(ulaw.to_linear(ulaw_sound)).decode()
        return json.dumps({"realtimeInput": {"audio": {"data": data, "mimeType": RATE}}})

    def cut(self, reply: str, samples: int) -> None:
        """Drop the rest of the reply. The server has shortened its own memory to the part that it assumes was heard."""
        if reply == self._reply:
            self._flags.discard("live")

    def hush(self) -> None:
        """Drop the rest of the reply, because no message cancels one."""
        self._flags.discard("live")

    def answer(self, call: str, result: str, *, failed: bool) -> None:
        """Send the result of a tool call. If the server has cancelled the call, send it as a turn of the user."""
        if name := self._taken_back.pop(call, ""):
            self._late.append(f"{ASIDE} Result of {name}: {result}")
            self._tell_late()
        elif name := self._tools.pop(call, ""):
            response = {"error" if failed else "output": result} | ({"instructions": self._told} if self._told else {})
            self._told = ""
            self._put(toolResponse={"functionResponses": [{"id": call, "name": name, "response": response}]})

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Send the instructions as a turn of the caller, because the protocol has no other turns. It ends the model's
        turn."""
        self.tell(f"{ASIDE} {instructions}")

    def tell(self, text: str) -> None:
        """Send `text` as a turn of the caller."""
        text = f"{self._told} {text}".strip()
        self._told = ""
        if self._in_turn:
            self._flags.add("ours")
        turns = [{"role": "user", "parts": [{"text": text}]}]
        self._put(clientContent={"turns": turns, "turnComplete": True})

    def instruct(self, instructions: str) -> None:
        """Keep the instructions for the next text. A resumed session begins with them."""
        self._told = f"[Your instructions are now these, and no others: {instructions}]"

    def kind(self, fields: dict[str, Any]) -> str:
        """The type of a message is its only key, apart from ``usageMetadata``."""
        return next((name for name in fields if name != "usageMetadata"), "")

    def read(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """The events of a message."""
        events: list[SessionEvent] = []
        match kind:
            case "setupComplete" if BEGUN not in self._flags:
                self._flags.add(BEGUN)
                if self.brief.greeting and not self._handle:
                    self.prompt(exactly(self.brief.greeting))
                events = [RealtimeBegun()]
            case "serverContent":
                events = self._content(fields[kind])
            case "toolCall":
                calls = fields[kind]["functionCalls"]
                if len(self._tools) + len(self._taken_back) + len(self._late) + len(calls) > MOST_OPEN:
                    raise ValueError
                events = [*self._begun(), *self._end(complete=True), *map(self._call, calls)]
                self._flags.add(CALLED)
            case "toolCallCancellation":
                for call in fields[kind]["ids"]:
                    if name := self._tools.pop(call, ""):
                        self._taken_back[call] = name
            case "sessionResumptionUpdate":
                self._handle = text_of(fields[kind].get("newHandle") or self._handle)
            case "goAway":
                self._flags.add(LEAVING)
        if LEAVING in self._flags and self._handle and not (self._in_turn or self._tools or self._said[0]):
            events = [*events, RealtimeFault(LEAVING, "")]
        self._tell_late()
        return [*events, *_consumed(fields.get("usageMetadata"))]

    def _content(self, content: dict[str, Any]) -> list[SessionEvent]:
        events: list[SessionEvent] = []
        if heard := (content.get("inputTranscription") or {}).get("text"):
            events += self._heard(text_of(heard))
        if content.get("interrupted"):
            events += [] if "ours" in self._flags else [Onset(self.backlog.sent / SAMPLE_RATE)]
            events += self._end(complete=False)
            self._flags -= {"ours", CALLED}
        parts = [part for part in (content.get("modelTurn") or {}).get("parts") or () if "inlineData" in part]
        spoken = (content.get("outputTranscription") or {}).get("text")
        if parts or spoken:
            events += self._begun()
        audible = "live" in self._flags and "ours" not in self._flags
        if spoken and audible:
            events.append(ReplyWords(self._reply, text_of(spoken), None))
        for part in parts:
            linear = self._sound.feed(base64.b64decode(part["inlineData"]["data"], validate=True))
            if linear and audible:
                events.append(ReplyAudio(self._reply, ulaw.from_linear(linear)))
        if content.get("generationComplete") and audible:  # words may follow
            events.append(ReplyAudio(self._reply, ulaw.from_linear(self._sound.finish())))
        if content.get("turnComplete"):
            events += [*self._end(complete=True), *self._complete(self._said[1])]
            self._flags -= {"ours", CALLED}
        return events

    def _heard(self, text: str) -> list[SessionEvent]:
        """Events for a piece of the caller's words. Some pieces come when the model already answers."""
        now = self.backlog.sent / SAMPLE_RATE
        onset = [] if self._said[0] or self._in_turn else [Onset(now)]
        self._said = (continued(self._said[0], text), self._said[1] if self._in_turn else now)
        words = self._said[0].strip()
        return [*onset, *([Transcript(words, False, False, now)] if words else [])]

    def _complete(self, end: float) -> list[SessionEvent]:
        words, self._said = self._said[0].strip(), ("", end)
        return [Transcript(words, True, True, end)] if words else []

    def _begun(self) -> list[SessionEvent]:
        """Events for the beginning of the model's answer."""
        if self._reply:
            return []
        self._turns += 1
        self._reply, self._sound = f"turn{self._turns}", Decimator(STEP)
        self._flags.discard("ours")
        self._flags.add("live")
        return [*self._complete(self.backlog.sent / SAMPLE_RATE), Answering()]

    def _end(self, *, complete: bool) -> list[SessionEvent]:
        """Events for the end of the reply."""
        reply, live = self._reply, "live" in self._flags
        self._reply = ""
        self._flags.discard("live")
        return [ReplyEnded(reply, complete)] if reply and live else []

    @property
    def _in_turn(self) -> bool:
        """Whether the model's turn has not ended: it speaks, or has called a tool."""
        return bool(self._reply) or CALLED in self._flags

    def _tell_late(self) -> None:
        if self._late and not (self._reply or self._tools):
            late, self._late = " ".join(self._late), []
            self.tell(late)

    def _call(self, call: dict[str, Any]) -> SessionEvent:
        arguments = call.get("args") or {}
        if not isinstance(arguments, dict):
            raise TypeError
        found = ToolCall(text_of(call["id"]), text_of(call["name"]), json.dumps(arguments))
        self._tools[found.id] = found.name
        return found

    def _put(self, **message: Any) -> None:
        self.outbox.append(json.dumps(message))

    def _setup(self) -> dict[str, Any]:
        options, brief = self._options, self.brief
        voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": options.voice_id}}}
        hints = {"languageCodes": list(options.languages), "customVocabulary": list(options.keyterms)}
        setup: dict[str, Any] = {
            "model": f"models/{options.model}",
            "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": voice},
            "systemInstruction": {"parts": [{"text": brief.instructions}]},
            "inputAudioTranscription": {key: value for key, value in hints.items() if value},
            "outputAudioTranscription": {},
            "sessionResumption": {"handle": self._handle} if self._handle else {},
            "contextWindowCompression": {"slidingWindow": {}},
        }
        if brief.tools:
            setup["tools"] = [{"functionDeclarations": [_declared(tool["function"]) for tool in brief.tools]}]
        return setup


def _declared(function: Any) -> dict[str, Any]:
    """A tool in the form that the server takes."""
    renamed = {"parameters": "parametersJsonSchema"}
    return {renamed.get(key, key): value for key, value in function.items() if key in ("name", "description", *renamed)}


def _consumed(usage: Any) -> list[Consumed]:
    """The tokens of a turn; tokens of thinking count as output. Tokens of the total that the details do not contain
    count as sound, which costs more than text.
    """
    if not isinstance(usage, dict):
        return []
    found: list[tuple[str, Any]] = [("tokens_out", usage.get("thoughtsTokenCount"))]
    for name, way in (("prompt", "in"), ("toolUsePrompt", "in"), ("response", "out")):
        sound, rest = f"audio_tokens_{way}", usage.get(f"{name}TokenCount")
        for one in usage.get(f"{name}TokensDetails") or ():
            amount = one.get("tokenCount")
            found.append((sound if one.get("modality") == "AUDIO" else f"tokens_{way}", amount))
            rest = rest - amount if isinstance(rest, int) and isinstance(amount, int) else rest
        found.append((sound, rest))
    return [
        Consumed(unit, amount)  # type: ignore[arg-type]
        for unit, amount in found
        if isinstance(amount, int) and 0 < amount < 10**9
    ]
