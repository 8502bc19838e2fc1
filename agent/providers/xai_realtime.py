"""xAI's Voice Agent protocol: OpenAI Realtime's protocol with the following differences. Sans-IO.

https://docs.x.ai/docs/guides/voice/agent (2026). Voice and turn detection stand at the top of the session. No message
says where in the sound the caller began. Each transcript has all words of the turn, and final ones may come more than
once.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, Limits, merged, milliseconds
from agent.providers.openai_realtime import SERVER_VAD, SOUND, OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.realtime import SessionEvent, text_of
from agent.realtime import Brief, Consumed
from agent.stt import Onset, Transcript

TRANSCRIBED = "conversation.item.input_audio_transcription"
SETTLING = ("response.created", "response.output_audio.delta", "response.done", "input_audio_buffer.speech_started")
"""Messages after which the transcript of the caller's words no longer changes."""
TEXT = 3.0
"""Seconds of connection that cost as much as one text for the model: $0.004, at $0.08 a minute."""
NONE_ACTIVE = "no active response"
"""Words in the refusal of a ``response.cancel``, because xAI's error codes differ from OpenAI's."""


@dataclass(frozen=True)
class XaiOptions(OpenAIRealtimeOptions):
    """Options of xAI's Voice Agent."""

    url: str = "wss://api.x.ai/v1/realtime"
    model: str = "grok-voice-latest"
    voice_id: str = "eve"
    transcription: str = field(default="grok-transcribe", metadata=FIXED)
    efforts: ClassVar = ("high", "none")
    decided: ClassVar = (
        *("audio.input.format", "audio.input.transcription.model", "audio.input.transcription.keyterms"),
        *("audio.input.transport", "audio.output.format", "audio.output.transport", "instructions", "voice"),
        *("turn_detection.create_response", "turn_detection.interrupt_response", "turn_detection.type"),
    )
    limits: ClassVar = {
        "audio.output.speed": Limits(0.7, 1.5),
        "turn_detection.idle_timeout_ms": milliseconds(1000),
        "turn_detection.prefix_padding_ms": milliseconds(0, 10_000),
        "turn_detection.silence_duration_ms": milliseconds(10, 10_000),
        "turn_detection.threshold": Limits(0.1, 0.9),
    }

    @property
    def hints(self) -> dict[str, Any]:
        """Settings of the transcript: the key terms, and the language if there is only one."""
        language = self.languages[0] if len(self.languages) == 1 else ""
        known = {"keyterms": list(self.keyterms), "language_hint": language}
        return {key: value for key, value in known.items() if value}


class XaiSession(OpenAIRealtimeSession):
    """One session."""

    name = "xai"

    def __init__(self, options: XaiOptions, brief: Brief) -> None:
        super().__init__(options, brief)
        self._said = Transcript("", True, True, 0.0)
        """Final words of the caller that were not passed on yet; empty after they were passed on."""
        self._settled = ""
        """Id of the caller's item whose words were passed on; later reports of it are ignored."""
        self._item = ""
        self._texts = 0
        """Number of texts that were sent and not charged yet."""

    def begin(self) -> None:
        """Send the configuration at once, without waiting for ``session.created``."""
        super().begin()
        self.send("session.update", session=merged(self._session(), self._options.extra))

    def hush(self) -> None:
        """Cancel the response, also if the caller has interrupted it: the server may leave it without an end."""
        self._responses.hush(interrupted=False)

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Ask for a response with these instructions. The protocol has no responses outside of the conversation."""
        super().prompt(instructions)

    def instruct(self, instructions: str) -> None:
        """Send an update that changes only the instructions."""
        self.send("session.update", session={"instructions": instructions})

    def send(self, kind: str, **fields: Any) -> None:
        """Like `RealtimeSession.send`, but a ``response.cancel`` has no response id."""
        self._texts += kind == "conversation.item.create" and fields["item"]["type"] == "message"
        super().send(kind, **({} if kind == "response.cancel" else fields))

    def read(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """The events of a message, and the cost of texts that were sent before."""
        texts, self._texts = self._texts, 0
        return [*([Consumed("seconds", texts * TEXT)] if texts else []), *self._meaning(kind, fields)]

    def _meaning(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        settled = self._settle() if kind in SETTLING else []
        match kind:
            case "session.created":
                return []
            case "input_audio_buffer.speech_started":
                self._hearing = True
                return [*settled, Onset(self.backlog.sent / SAMPLE_RATE)]
            case "input_audio_buffer.speech_stopped":
                return []
            case _ if kind in (f"{TRANSCRIBED}.updated", f"{TRANSCRIBED}.completed"):
                return self._transcribed(text_of(fields["item_id"]), text_of(fields["transcript"]).strip(), fields)
            case "error" if NONE_ACTIVE in str(fields["error"].get("message")).lower():
                self._responses.idle()
                self._go_on()
                return []
        told = super().read(kind, fields)  # the price counts seconds: tokens would be charged in addition
        return [*settled, *(event for event in told if not isinstance(event, Consumed))]

    def _transcribed(self, item: str, text: str, fields: dict[str, Any]) -> list[SessionEvent]:
        if not text or item == self._settled:
            return []
        before = self._settle() if item != self._item else []
        self._item = item
        now = self.backlog.sent / SAMPLE_RATE
        if fields["type"].endswith("completed") and fields.get("status") != "in_progress":
            self._said = Transcript(text, True, True, now)
        return [*before, Transcript(text, False, False, now)]

    def _settle(self) -> list[SessionEvent]:
        said, self._said = self._said, self._said._replace(text="")
        if not said.text:
            return []
        self._settled = self._item
        return [said]

    def _session(self) -> dict[str, Any]:
        options = self._options
        hearing: dict[str, Any] = {"format": SOUND, "transcription": {"model": options.transcription, **options.hints}}
        return {
            "instructions": self.brief.instructions,
            "voice": options.voice_id,
            "turn_detection": {"type": SERVER_VAD},
            "audio": {"input": hearing, "output": {"format": SOUND}},
            "tools": self.functions(),
        }
