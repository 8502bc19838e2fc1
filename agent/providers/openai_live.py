"""OpenAI's GPT-Live protocol: full duplex, mu-law both ways at the pace of speech. Sans-IO.

https://developers.openai.com/api/docs/guides/live. The model hears while it speaks, and decides alone when it speaks
and when it is silent. No message reports replies, turns and interruptions, so `agent.providers.live_speech` finds them
in the sound. No message cancels a reply, or says how much of it was played. The model has no tools: it delegates to a
second model, the backend, whose events come within ``response.event``.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.llm import ToolCall
from agent.providers.extra import merged, milliseconds, one_of
from agent.providers.live_speech import GAP, SHORT_GAP, CallerWords, ModelVoice, SpeechState
from agent.providers.realtime import (
    RealtimeBegun,
    RealtimeFault,
    RealtimeOptions,
    RealtimeSession,
    SessionEvent,
    text_of,
)
from agent.providers.reasoning import responses_effort
from agent.realtime import Answering, Brief, Consumed, ReplyAudio, ReplyEnded, ReplyWords, exactly
from agent.rules.rule_error import RuleError

SOUND = {"type": "audio/pcmu", "rate": SAMPLE_RATE}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
APPENDED = 1000
"""Maximum bytes of one appended text: the service takes 500 tokens."""
MOST_CALLS = 100
"""Maximum tool calls without a result; further calls are ignored."""
IN_STEP = 2 * SAMPLE_RATE
"""Samples by which the two streams may differ. With more, the server sends no silence, and the times of words do not
give their places in the sound."""
CUSHION = SAMPLE_RATE * 12 // 100
"""Samples at the beginning of a reply that are held back until more has come. A reply comes at the pace at which it is
played, so a late piece would be heard as a gap."""
STOPPED = GAP + SAMPLE_RATE // 2
"""Samples of the caller's sound, without sound of the model, after which the model's reply is over."""
SPEAKER = (
    "You are on the phone: all that you know of the caller is their voice. A backend does the work: hand to it, at "
    "once and with few words, whatever needs one of its tools, and never tell of a result that you do not have. "
    "Its tools:\n{tools}"
)
BACKEND = "You are the backend of an agent who speaks with a caller on the phone. What you write is told to them.\n\n"
CHANGED = "From now on this holds, whatever else you were told before: "
TOLD = "This came from the caller, though they did not say it: {text} Answer it."


@dataclass(frozen=True)
class OpenAILiveOptions(RealtimeOptions):
    """Options of GPT-Live."""

    url: str = "wss://api.openai.com/v1/live/sessions"
    model: str = "gpt-live-1"
    voice_id: str = "marin"
    backend: str = "gpt-6-luna"
    """The model that calls the tools. It has a price of its own."""
    decided: ClassVar[tuple[str, ...]] = (
        *("audio.format", "audio.output.voice", "client", "delegation.type", "input", "instructions", "triggers"),
        *(f"delegation.responses.{name}" for name in ("instructions", "model", "tools")),
    )
    limits: ClassVar = {"delegation.acknowledgement_delay_ms": milliseconds(0)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.backend:
            raise RuleError("is missing: it calls the tools", "backend")
        one_of(self.extra, "delegation.responses.reasoning.effort", EFFORTS)


class Backend:
    """The tool calls of the second model. It must be told to go on when it has finished writing and has every
    result."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        """Tool calls that have no result yet."""
        self._working = 0
        self._waits = False

    def called(self, call: str) -> bool:
        """Note a tool call. Returns whether it is a new one, which must be carried out."""
        if call in self.calls or len(self.calls) >= MOST_CALLS:
            return False
        self.calls.add(call)
        self._waits = True
        return True

    def works(self, *, on: bool) -> None:
        """Note that a response of the backend begins (`on`), or has ended."""
        self._working = max(0, self._working + (1 if on else -1))

    def goes_on(self) -> bool:
        """Whether the backend must be told to go on now. Returns True once for each time."""
        waits = self._waits and not self.calls and not self._working
        self._waits = self._waits and not waits
        return waits


class OpenAILiveSession(RealtimeSession):
    """One session of GPT-Live. A reply is the model's speech between two silences."""

    name = "openai_live"
    full_duplex = True
    goodbye = json.dumps({"type": "session.close"})
    faults: ClassVar = {
        "invalid_api_key": ("refused the API key", "check the key", False),
        "insufficient_quota": ("the quota is used up", "check the balance of the account", False),
        "credit_balance_exhausted": ("the quota is used up", "check the balance of the account", False),
        "forbidden": ("refused the account", "check the plan of the account", False),
        "model_not_found": ("does not know the model", "check model and backend", False),
        "rate_limit_exceeded": ("limits the rate", "raise the limit of the account", True),
        "expired": ("session expired", "", True),
        "connection_lost": ("the server lost the connection", "", True),
        "content": ("ended the session for what was said", "", False),
    }

    def __init__(self, options: OpenAILiveOptions, brief: Brief) -> None:
        super().__init__(options, brief)
        self._options = options
        self._voice, self._caller, self._backend = ModelVoice(), CallerWords(), Backend()
        self._streamed = 0
        """Position in the caller's sound, in samples, at which the last piece of the model's stream came."""
        self._held = b""
        """The beginning of a reply, which is held back (`CUSHION`)."""
        self._ahead: list[tuple[str, float]] = []
        """Words that came before their sound, each with the millisecond at which it ends."""
        self._told = brief.instructions
        """The instructions that the session knows."""
        self._begun = False

    @property
    def product(self) -> str:
        """See `RealtimeSession.product`."""
        return f"openai/{self._options.model}"

    def begin(self) -> None:
        """Configure the session."""
        self.backlog.begin()
        self.send("session.start", session=merged(self._session(), self._options.extra))

    def frame(self, ulaw: bytes) -> str:
        """The message with a piece of the caller's sound."""
        return json.dumps({"type": "session.input_audio.append", "audio": base64.b64encode(ulaw).decode()})

    def cut(self, reply: str, samples: int) -> None:
        """Drop the rest of the reply. The model does not learn what was heard."""
        if reply == self._voice.reply:
            self._voice.drop()

    def hush(self) -> None:
        """Drop the model's sound until it pauses, because no message cancels a reply."""
        self._voice.drop()

    def answer(self, call: str, result: str, *, failed: bool) -> None:
        """Send the result of a tool call to the backend."""
        if call in self._backend.calls:
            self._backend.calls.discard(call)
            item = {"type": "function_call_output", "call_id": call, "output": result}
            self.send("response.item.create", item=item)
            self._go_on()

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Give the model an instruction for its next words. The model decides when it says them."""
        self._append("commentary", instructions)

    def tell(self, text: str) -> None:
        """Report an action of the caller to both models."""
        content = [{"type": "input_text", "text": text}]
        self.send("response.item.create", item={"type": "message", "role": "user", "content": content})
        self.prompt(TOLD.format(text=text))

    def instruct(self, instructions: str) -> None:
        """Replace the instructions of the backend. The instructions of the model cannot be replaced, so it gets an
        additional text with the new ones."""
        known = set(self._told.split("\n\n"))
        new = "\n\n".join(part for part in instructions.split("\n\n") if part not in known)
        self._told = instructions
        responses = {"instructions": BACKEND + instructions}
        self.send("session.update", session={"delegation": {"type": "responses", "responses": responses}})
        if new:
            self._append("instructions", CHANGED + new)

    def read(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """The events of a message."""
        match kind:
            case "session.output_audio.delta":
                return self._spoken(base64.b64decode(fields["delta"], validate=True))
            case "session.output_transcript.delta":
                return self._words(text_of(fields["delta"]), _place(fields["start_ms"]), _place(fields["end_ms"]))
            case "session.input_transcript.delta":
                place, end = (self.position(fields[key]) for key in ("start_ms", "end_ms"))
                heard = self._caller.hear(text_of(fields["delta"]), place, end)
                onset = [self._caller.notice()] if heard and self._voice.voice is SpeechState.SILENT else []
                return [*onset, *heard]
            case "response.event":
                return self._worked(text_of(fields["event"]["type"]), fields["event"])
            case "session.started":
                self._begun = True
                if self.brief.greeting:
                    self.prompt(exactly(self.brief.greeting))
                return [RealtimeBegun()]
            case "session.closed":
                return [RealtimeFault(text_of(fields["reason"]), "")]
            case "error":
                return self._error(fields["error"])
        return []

    def lapse(self) -> list[SessionEvent]:
        """Events if no sound of the model has come for so long: the reply has ended (some servers send no silence), or
        the server has stopped within it."""
        speaks = self._voice.voice is SpeechState.SPEAKING and not self._voice.idles
        return self._ended(whole=False) if speaks and self.backlog.sent - self._streamed >= STOPPED else []

    # The model

    def _spoken(self, piece: bytes) -> list[SessionEvent]:
        voice, caller = self._voice, self._caller
        events: list[SessionEvent] = []
        if voice.hear(piece):
            self._held = b""
            events += [*caller.answered(self._at(voice.began)), Answering(), *self._words_ahead()]
        self._streamed = self.backlog.sent
        if voice.voice is not SpeechState.SPEAKING:
            return events
        self._held += piece
        if voice.streamed - voice.began >= CUSHION:
            events += self._sound()
        if voice.quiet >= (SHORT_GAP if caller.text else GAP):
            events += self._ended()
        return events

    def _sound(self) -> list[SessionEvent]:
        held, self._held = self._held, b""
        return [ReplyAudio(self._voice.reply, held)] if held else []

    def _ended(self, *, whole: bool = True) -> list[SessionEvent]:
        """Events for the end of the model's speech, perhaps because the caller spoke."""
        sound = self._sound()
        self._voice.voice = SpeechState.SILENT
        silenced = self._caller.silenced(self._at(self._voice.loud))
        onset = [self._caller.notice()] if silenced else []
        return [*sound, *self._caller.late(), *onset, ReplyEnded(self._voice.reply, whole and not silenced)]

    def _words(self, delta: str, start_ms: float, end_ms: float) -> list[SessionEvent]:
        """Events for words of the model. Words of a reply that has ended are ignored. Other words between two replies
        belong to the next one."""
        if self._voice.voice is SpeechState.SPEAKING:
            return [self._placed(delta, end_ms)]
        late = self._in_step and start_ms * SAMPLE_RATE / 1000 < self._voice.loud
        if late or self._voice.voice is SpeechState.UNHEARD or len(self._ahead) >= MOST_CALLS:
            self.ignored += 1
        else:
            self._ahead.append((delta, end_ms))
        return []

    def _words_ahead(self) -> list[ReplyWords]:
        ahead, self._ahead = self._ahead, []
        return [self._placed(delta, end_ms) for delta, end_ms in ahead]

    def _placed(self, delta: str, end_ms: float) -> ReplyWords:
        return ReplyWords(self._voice.reply, delta, self._voice.until(end_ms) if self._in_step else None)

    @property
    def _in_step(self) -> bool:
        return abs(self._voice.streamed - self.backlog.sent_in_session) <= IN_STEP

    # The caller

    def _at(self, streamed: int) -> float:
        """Seconds of the caller's sound, for a position in the model's stream in samples."""
        return self.position(1000 * streamed / SAMPLE_RATE) if self._in_step else self.backlog.sent / SAMPLE_RATE

    # The backend

    def _worked(self, kind: str, event: dict[str, Any]) -> list[SessionEvent]:
        match kind:
            case "response.created":
                self._backend.works(on=True)
            case "response.output_item.done" if event["item"].get("type") == "function_call":
                return self._call(event["item"])
            case "response.completed" | "response.incomplete" | "response.failed":
                self._backend.works(on=False)
                self._go_on()
                return [*self._charged(event["response"]), *self._alive()]
            case _:
                return []
        return self._alive()

    def _alive(self) -> list[SessionEvent]:
        """Events if the backend works on an answer, and the caller has said nothing new since."""
        return [] if self._caller.text else [Answering()]

    def _call(self, item: dict[str, Any]) -> list[SessionEvent]:
        call = ToolCall(text_of(item["call_id"]), text_of(item["name"]), text_of(item["arguments"]) or "{}")
        if item.get("status") not in (None, "completed") or not self._backend.called(call.id):
            return []
        said = (
            self._caller.answered(self._at(self._voice.streamed))
            if self._voice.voice is not SpeechState.SPEAKING
            else []
        )
        return [*said, call]

    def _go_on(self) -> None:
        if self._backend.goes_on():
            self.send("response.create")

    def _charged(self, response: dict[str, Any]) -> list[SessionEvent]:
        """Events for the tokens of the backend, and for an error that ends the session."""
        usage, error = response.get("usage") or {}, response.get("error") or {}
        amounts = {"tokens_in": usage.get("input_tokens"), "tokens_out": usage.get("output_tokens")}
        charged: list[SessionEvent] = [
            Consumed(unit, amount, f"openai/{self._options.backend}")  # type: ignore[arg-type]
            for unit, amount in amounts.items()
            if isinstance(amount, int) and 0 < amount < 10**9
        ]
        return [*charged, *(self._error(error) if error.get("code") in self.faults else ())]

    def _error(self, error: dict[str, Any]) -> list[SessionEvent]:
        fatal = self.fatal(error, begun=self._begun)
        self.ignored += not fatal
        return fatal

    def _append(self, channel: str, text: str) -> None:
        for piece in _pieces(text):
            self.send(f"session.{channel}.append", content=piece, delegation_id=None)

    def _session(self) -> dict[str, Any]:
        options, instructions = self._options, self.brief.instructions
        functions = [tool["function"] for tool in self.brief.tools]
        names = "\n".join(f"- {one['name']}: {one.get('description', '').partition('. ')[0]}" for one in functions)
        responses: dict[str, Any] = {
            "model": options.backend,
            "instructions": BACKEND + instructions,
            "tools": self.functions(),
        }
        if effort := responses_effort(options.backend, ""):
            responses["reasoning"] = {"effort": effort}
        told = [instructions, SPEAKER.format(tools=names)] if names else [instructions]
        return {
            "model": options.model,
            "instructions": "\n\n".join(part for part in told if part),
            "audio": {"format": SOUND, "output": {"voice": options.voice_id}},
            "delegation": {"type": "responses", "responses": responses},
        }


def _place(ms: float) -> float:
    """`ms`, milliseconds of the session. Raises ValueError for an impossible value."""
    if not 0 <= ms < 1e9:
        raise ValueError
    return ms


def _pieces(text: str) -> Iterator[str]:
    """`text` in pieces of at most `APPENDED` bytes. Only very long words are cut."""
    piece = ""
    for word in re.findall(r"\S{1,200}\s*", text):
        if piece and len(f"{piece}{word}".encode()) > APPENDED:
            yield piece.rstrip()
            piece = ""
        piece += word
    if piece.strip():
        yield piece.rstrip()
