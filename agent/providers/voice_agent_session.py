"""AssemblyAI's Voice Agent protocol: mu-law both ways, interruptions by the server. Sans-IO.

https://www.assemblyai.com/docs. A session that lost its websocket can be resumed on a new one within 30 s.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from agent.line import SAMPLE_RATE
from agent.llm import ToolCall
from agent.providers.extra import FIXED, Limits, merged, milliseconds
from agent.providers.realtime import (
    RealtimeBegun,
    RealtimeFault,
    RealtimeOptions,
    RealtimeSession,
    SessionEvent,
    text_of,
)
from agent.realtime import Answering, Brief, ReplyAudio, ReplyEnded, ReplyWords
from agent.rules.rule_error import RuleError
from agent.stt import Onset, Transcript

SOUND = {"encoding": "audio/pcmu"}
PARAMETERS = ("input", "output", "pre_connect_requests")
"""Keys that `extra` may have at its top. The service refuses a session with unknown keys."""
LANGUAGES = 10
"""Maximum number of languages in a session, as with AssemblyAI's STT."""
CATCH_UP = SAMPLE_RATE * 3 // 4
"""Samples sent at once when a session begins or is resumed. The service drops sound that comes much faster than real
time."""


@dataclass(frozen=True)
class VoiceAgentOptions(RealtimeOptions):
    """Options of AssemblyAI's Voice Agent."""

    url: str = "wss://agents.assemblyai.com/v1/ws"
    model: str = field(default="voice-agent", metadata=FIXED)
    """The only model; its price has this name."""
    voice_id: str = "jane"
    execution_mode: Literal["", "interactive", "hold"] = ""
    """Whether the agent may go on talking while a tool runs (``interactive``), or is silent (``hold``); empty: the
    service's default."""
    decided: ClassVar = (
        *(
            "agent_id",
            "greeting",
            "input.format",
            "input.keyterms",
            "input.language_codes",
            "input.type",
            "output.format",
            "output.type",
        ),
        *("input.turn_detection.interrupt_response", "output.voice", "system_prompt"),
    )
    limits: ClassVar = {
        "input.turn_detection.interruption_delay": milliseconds(0),
        "input.turn_detection.max_silence": milliseconds(10),
        "input.turn_detection.min_silence": milliseconds(10),
        "input.turn_detection.vad_threshold": Limits(0, 1),
        "input.voice_focus_threshold": Limits(0, 1),
        "output.volume": Limits(0, 100),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := next((name for name in self.extra if name not in PARAMETERS), ""):
            raise RuleError(
                f"is none of {', '.join(PARAMETERS)}: the service refuses a session with others", ("extra", unknown)
            )
        if len(self.keyterms) > 100:
            raise RuleError("must be at most 100", "keyterms")


class VoiceAgentSession(RealtimeSession):
    """One session, on one websocket after the other."""

    name = "assemblyai"
    goodbye = json.dumps({"type": "session.end"})
    faults: ClassVar = {
        "unauthorized": ("refused the API key or the account", "check the key, the balance and the plan", False),
        "at_capacity": ("the service is full", "", True),
        "concurrency_exceeded": ("too many sessions at once", "raise the account's limit", True),
        "internal_error": ("internal error of the server", "", True),
        "session_expired": ("session expired", "", True),
        "session_not_found": ("the session cannot be resumed", "", True),
        "session_forbidden": ("the session belongs to another account", "", False),
    }

    def __init__(self, options: VoiceAgentOptions, brief: Brief) -> None:
        super().__init__(options, brief)
        self._options = options
        self._session_id = ""
        self._live: set[str] = set()  # replies that were neither cut nor have ended
        self._begun = False
        self._hearing = False  # whether the caller speaks: then the server cancels replies by itself

    @property
    def resumes(self) -> bool:
        """Whether the session can be resumed: true after ``session.ready``."""
        return bool(self._session_id)

    def begin(self) -> None:
        """Configure the session, or resume it."""
        self._begun = False
        if self._session_id:
            self.send("session.resume", session_id=self._session_id)
        else:
            self.send("session.update", session=merged(self._session(), self._options.extra))

    def frame(self, ulaw: bytes) -> str:
        """The message with a piece of the caller's sound."""
        return json.dumps({"type": "input.audio", "audio": base64.b64encode(ulaw).decode()})

    def cut(self, reply: str, samples: int) -> None:
        """Drop the rest of the reply. The server has shortened its own transcript to the part that it assumes was
        heard."""
        self._live.discard(reply)

    def answer(self, call: str, result: str, *, failed: bool) -> None:
        """Send the result of a tool call."""
        self.send("tool.result", call_id=call, result=result, is_error=failed)

    def hush(self) -> None:
        """Cancel the reply, unless the caller has interrupted it: then the server cancels it."""
        for reply in self._live if not self._hearing else ():
            self.send("reply.cancel", reply_id=reply)

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Ask for a reply with these instructions."""
        self.send("reply.create", instructions=instructions)

    def tell(self, text: str) -> None:
        """Ask for a reply to `text`. A ``conversation.message`` did not reach the model in tests."""
        self.prompt(f"The caller did not say this, but it came from them: {text} Answer it.")

    def instruct(self, instructions: str) -> None:
        """Send an update that changes only the instructions."""
        self.send("session.update", session={"system_prompt": instructions})

    def read(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """The events of a message."""
        now = self.backlog.sent / SAMPLE_RATE
        match kind:
            case "session.ready":
                self._session_id, self._begun = text_of(fields["session_id"]), True
                self.backlog.resume(CATCH_UP)
                return [RealtimeBegun()]
            case "session.error":
                return self._error(fields)
            case "input.speech.started":
                self._hearing = True
                return [Onset(now)]
            case "input.speech.stopped":
                self._hearing = False
                return []
            case "transcript.user.delta" | "transcript.user":
                text, final = text_of(fields["text"]).strip(), kind == "transcript.user"
                return [Transcript(text, final, final, now)] if text else []
            case "tool.call":
                arguments = fields["arguments"]
                if not isinstance(arguments, dict):
                    raise TypeError
                return [ToolCall(text_of(fields["call_id"]), text_of(fields["name"]), json.dumps(arguments))]
            case "reply.started":
                self._live.add(text_of(fields["reply_id"]))
                self._hearing = False
                return [Answering()]
        return self._reply(kind, fields)

    def _reply(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        reply = fields.get("reply_id")
        if not isinstance(reply, str) or reply not in self._live:
            return []
        match kind:
            case "reply.audio":
                ulaw = base64.b64decode(fields["data"], validate=True)
                return [ReplyAudio(reply, ulaw)] if ulaw else []
            case "transcript.agent.delta":
                end = fields.get("end_ms")
                until = round(end * SAMPLE_RATE / 1000) if isinstance(end, int | float) and 0 <= end < 1e7 else None
                return [ReplyWords(reply, text_of(fields["delta"]), until)]
            case "reply.done" | "reply.error":
                self._live.discard(reply)
                return [ReplyEnded(reply, fields.get("status") == "completed")]
        return []

    def _error(self, fields: dict[str, Any]) -> list[SessionEvent]:
        """Events for an error. Before the session is ready, an error ends it; later only a fatal one does."""
        code, words = fields.get("code"), str(fields.get("message") or "")[:1000]
        if not self._begun or code in ("session_expired", "unauthorized", "internal_error"):
            return [RealtimeFault(code if isinstance(code, str) else 1011, words)]
        self.ignored += 1
        return []

    def _session(self) -> dict[str, Any]:
        options, brief = self._options, self.brief
        hearing: dict[str, Any] = {"type": "audio", "format": SOUND, "transcription_mode": "min_latency"}
        if options.keyterms:
            hearing["keyterms"] = list(options.keyterms)
        if options.languages:
            hearing["language_codes"] = list(options.languages[:LANGUAGES])
        session: dict[str, Any] = {
            "system_prompt": brief.instructions,
            "input": hearing,
            "output": {"type": "audio", "voice": options.voice_id, "format": SOUND},
        }
        if brief.greeting:
            session["greeting"] = brief.greeting
        if brief.tools:
            mode = {"execution_mode": options.execution_mode} if options.execution_mode else {}
            session["tools"] = self.functions(**mode)
        return session
