"""OpenAI GPT-Live as a local server: full duplex, as strict as OpenAI's own types.

Its clock is the caller's sound: for each 100 ms received it sends 100 ms, silence if it does not speak. It tells of no
turns; when the caller speaks into what it says, it falls silent by itself, unless that only shows that they listen.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from openai.types.live import (
    CommentaryAppendEvent,
    InputAudioAppendEvent,
    InstructionsAppendEvent,
    ResponseCreateEvent,
    ResponseItemCreateEvent,
    ServerEvent,
    SessionCloseEvent,
    SessionStartEvent,
    SessionUpdateEvent,
    ThinkingAppendEvent,
)
from pydantic import BaseModel, TypeAdapter, ValidationError
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.realtime_server import SILENCE, EndError, RealtimeServer, Say, Talk

PIECE = 800
"""Bytes of a piece of sound: 100 ms."""
REACTION = 300
"""Milliseconds of the caller's speech after which the model falls silent."""
TOKENS = 500
"""Of a text that is appended; one has four letters."""
PATHS = ("/", "/live/sessions", "/v1/live/sessions")
EVENTS: dict[str, type[BaseModel]] = {
    "session.start": SessionStartEvent,
    "session.update": SessionUpdateEvent,
    "session.close": SessionCloseEvent,
    "session.input_audio.append": InputAudioAppendEvent,
    "session.commentary.append": CommentaryAppendEvent,
    "session.thinking.append": ThinkingAppendEvent,
    "session.instructions.append": InstructionsAppendEvent,
    "response.item.create": ResponseItemCreateEvent,
    "response.create": ResponseCreateEvent,
}
SERVER: TypeAdapter[Any] = TypeAdapter(ServerEvent)
USAGE = {"input_tokens": 120, "output_tokens": 30, "total_tokens": 150}


class FakeLive(RealtimeServer):
    """`nods` are what the caller may say without silencing the model; without `silence` it sends speech only."""

    def __init__(self, *args: Any, nods: Sequence[str] = ("Mhm.",), silence: bool = True, **more: Any) -> None:
        super().__init__(*args, **more)
        self.nods, self.silence = nods, silence

    def _gate(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return connection.respond(401, "unauthorized\n")
        if self._refuse_status:
            response = connection.respond(self._refuse_status, "refused\n")
            response.headers["Retry-After"] = "7"
            return response
        return None if request.path in PATHS else connection.respond(400, "no query parameters\n")

    def talk(self, session, speaking):
        return LiveTalk(self, session, speaking)


class Speech:
    """What the model says, and how far it is."""

    def __init__(self, say: Say) -> None:
        self.say, self.sound, self.at = say, sound_of(say.text), 0
        self._letters = 0

    def next(self) -> tuple[bytes, str]:
        """The next piece, and the words that end in it."""
        piece = self.sound[self.at : self.at + PIECE]
        self.at += PIECE
        until = len(self.say.text) * min(self.at, len(self.sound)) // max(1, len(self.sound))
        cut = len(self.say.text) if self.at >= len(self.sound) else self.say.text.rfind(" ", 0, until + 1)
        words, self._letters = self.say.text[self._letters : max(cut, self._letters)], max(cut, self._letters)
        return piece.ljust(PIECE, b"\xff"), words


class LiveTalk(Talk):
    server: FakeLive

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._config: dict[str, Any] = {}
        self._events = self._out = 0
        self._speech: list[Speech] = []
        self._said: list[Said] = []
        """What the caller says, of which not everything is written down."""
        self._written = 0
        self._over: Said | None = None
        """What has been said and is not answered."""
        self._calls: set[str] = set()
        self._works = False
        """Whether the backend waits for results."""

    async def begin(self) -> None:
        pass

    async def send(self, kind: str, **fields: Any) -> None:
        self._events += 1
        named = {} if kind == "session.output_audio.delta" else {"event_id": f"event_{self._events}"}
        SERVER.validate_python({"type": kind, **named, **fields}, extra="forbid")
        await super().send(kind, **named, **fields)

    async def refuse(self, code: str, words: str) -> None:
        await self.complain(code, words)
        await self.session.connection.close(1000)

    async def complain(self, code: str, words: str) -> None:
        await self.send("error", error={"type": "invalid_request_error", "code": code, "message": words})

    @property
    def ms(self) -> int:
        return len(self.session.audio) // 8

    @property
    def speaking(self) -> bool:
        return bool(self._speech)

    def stop(self) -> None:
        self._speech.clear()

    async def obey(self, fields: dict[str, Any]) -> bool:
        kind = fields.get("type", "")
        try:
            EVENTS[kind].model_validate(fields, extra="forbid")
        except KeyError:
            await self.complain("invalid_value", f"Unknown event: {kind}")
            return True
        except ValidationError as error:
            await self.complain("unknown_parameter", f"{kind}: {error.errors()[0]['loc']}")
            return True
        if (kind == "session.start") is bool(self._config):
            raise EndError("invalid_request", "session.start comes first, and once")
        match kind:
            case "session.start":
                await self._start(fields["session"])
            case "session.input_audio.append":
                await self._listen(base64.b64decode(fields["audio"], validate=True))
            case "session.close":
                await self.send("session.closed", reason="close_requested", session=self._resource, usage=self._usage)
                await self.session.connection.close(1000)
                return False
            case "session.update":
                await self._update(fields["session"])
            case "response.item.create" | "response.create":
                await self._backend(kind, fields.get("item", {}))
            case _:
                await self._appended(kind, fields)
        return True

    async def _start(self, session: dict[str, Any]) -> None:
        if session.get("audio", {}).get("format") != {"type": "audio/pcmu", "rate": 8000}:
            raise EndError("invalid_value", "this fake hears audio/pcmu only")
        if not session["model"].startswith("gpt-live-1"):
            raise EndError("model_not_found", f"The model {session['model']} does not exist")
        if len(session.get("instructions", "")) > 4 * 16_384:
            raise EndError("string_above_max_length", "session.instructions")
        self._config = session
        await self.send("session.started", session=self._resource)

    @property
    def _resource(self) -> dict[str, Any]:
        return {**self._config, "id": "sess_1", "expires_at": 1_800_000_000, "status": "active"}

    @property
    def _usage(self) -> dict[str, float]:
        return {"seconds": self.ms / 1000}

    async def _update(self, update: dict[str, Any]) -> None:
        delegation = update.get("delegation", {})
        if delegation.get("type") != self._config.get("delegation", {}).get("type"):
            await self.complain("invalid_value", "the delegation stays the same")
            return
        self.server.told.append(delegation["responses"]["instructions"])
        await self.send("session.updated", session=self._resource)

    async def _appended(self, kind: str, fields: dict[str, Any]) -> None:
        if "delegation_id" not in fields or fields["delegation_id"] is not None:
            await self.complain("missing_required_parameter", "delegation_id")
            return
        if len(fields["content"]) > 4 * TOKENS:
            await self.complain("string_above_max_length", "content")
            return
        self.server.told.append(fields["content"])
        await self.send(f"{kind}ed", start_ms=self.ms, end_ms=self.ms)
        if kind == "session.commentary.append":
            exact = fields["content"].partition("nothing else: ")[2]
            if exact or self.server.replies:
                self._say(Say(exact) if exact else self.server.replies.pop(0))

    async def _backend(self, kind: str, item: dict[str, Any]) -> None:
        if self._config.get("delegation", {}).get("type") != "responses":
            await self.complain("invalid_value", "there is no Responses backend")
        elif item.get("type") == "message":
            self.server.told.append(item["content"][0]["text"])
        elif kind == "response.item.create" and item.get("call_id") not in self._calls:
            await self.complain("invalid_value", f"No tool call found for {item.get('call_id')}")
        elif kind == "response.item.create":
            self._calls.discard(item["call_id"])
            self.server.results.append({"call": item["call_id"], "result": item["output"]})
            json.loads(item["output"])
        elif self._calls or not self._works:
            await self.complain("missing_tool_output", f"No tool output found for {self._calls}")
        else:
            self._works = False
            await self._delegate(self.server.replies.pop(0))

    async def _listen(self, ulaw: bytes) -> None:
        for at in range(0, len(ulaw), 160):
            self.session.audio += ulaw[at : at + 160]
            await self._hear()
            while len(self.session.audio) - self._out >= PIECE:
                await self._stream()

    async def _hear(self) -> None:
        said = self.server.said
        if said and said[0].start_ms < self.ms:
            self._said.append(said.pop(0))
            self._written = 0
        if not self._said:
            if self._over is not None and self.ms >= self._over.end_ms + SILENCE and not self.speaking:
                self._over = None
                await self._next()
            return
        now = self._said[0]
        words = [word for word in now.words(True) if word["end"] <= self.ms]
        for word in words[self._written :]:
            times = {"start_ms": word["start"], "end_ms": word["end"]}
            await self.send("session.input_transcript.delta", delta=f" {word['text']}", **times)
        self._written = max(self._written, len(words))
        if self.speaking and self.ms >= now.start_ms + REACTION and now.text not in self.server.nods:
            self.stop()
        if self.ms >= now.end_ms:
            self._said.pop(0)
            self._over = None if now.text in self.server.nods else now

    async def _next(self) -> None:
        say = self.server.replies.pop(0)
        if say.calls:
            self.count += 1
            delegation = {"id": f"del{self.count}", "type": "delegation", "target": "responses"}
            await self.send("session.delegation.created", delegation=delegation, offset_ms=self.ms)
            await self._delegate(say)
        else:
            self._say(say)

    async def _delegate(self, say: Say) -> None:
        """The backend answers: with calls of tools, or with words that the model says."""
        await self._worked("response.created", response={"id": f"resp{self.count}", "status": "in_progress"})
        for call, name, arguments in say.calls:
            item = {"type": "function_call", "id": f"fc{call}", "status": "completed", "call_id": call, "name": name}
            await self._worked("response.output_item.done", item={**item, "arguments": arguments})
            self._calls.add(call)
            self._works = True
        await self._worked("response.completed", response={"id": f"resp{self.count}", "usage": USAGE})
        if say.text:
            self._say(say)

    async def _worked(self, kind: str, **fields: Any) -> None:
        await self.send("response.event", delegation_id=f"del{self.count}", event={"type": kind, **fields})

    def _say(self, say: Say) -> None:
        self._speech.append(Speech(say))

    async def _stream(self) -> None:
        """100 ms, with the words that end in them."""
        start, self._out = self._out // 8, self._out + PIECE
        piece, words = b"\xff" * PIECE, ""
        if self._speech:
            piece, words = self._speech[0].next()
            if self._speech[0].at >= len(self._speech[0].sound):
                self._speech.pop(0)
        if piece.strip(b"\xff") or self.server.silence:
            await self.send("session.output_audio.delta", delta=base64.b64encode(piece).decode())
        if words:
            times = {"start_ms": start, "end_ms": start + 100}
            await self.send("session.output_transcript.delta", delta=words, **times)
        if self._out % 8000 == 0:
            await self.send("session.usage.updated", usage=self._usage)
