"""OpenAI Realtime as a local server, as strict as the real one."""

import asyncio
import base64
import contextlib
import json
from typing import Any

from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.fakes.assemblyai import Said
from tests.fakes.realtime_server import STALE, RealtimeServer, Say, Talk

PCMU = {"type": "audio/pcmu"}
BOTH = {"type", "create_response", "interrupt_response"}
TURNS = {
    "server_vad": {"idle_timeout_ms", "prefix_padding_ms", "silence_duration_ms", "threshold"},
    "semantic_vad": {"eagerness"},
}
"""The parameters of each type of turn detection, beside those of both."""
VOICES = {"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"}
USAGE = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 0, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 0, "audio_tokens": 0},
}
"""What a response has cost: nothing, unless a test says otherwise."""
CANCELLING = 0.05
"""Seconds for which a response that is cancelled is still the active one."""


class FakeOpenAIRealtime(RealtimeServer):
    def _gate(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return connection.respond(401, "unauthorized\n")
        if self._refuse_status:
            response = connection.respond(self._refuse_status, "refused\n")
            response.headers["Retry-After"] = "7"
            return response
        return None if "model=" in request.path else connection.respond(400, "model is missing\n")

    def talk(self, session, speaking):
        return RealtimeTalk(self, session, speaking)


class RealtimeTalk(Talk):
    """The client owns the playout: it tells what was played."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._configured = False
        self._event: str | None = None
        self._item: dict[str, Any] = {}
        """What is being made of a response."""
        self._output: list[dict[str, Any]] = []
        """What was made of it."""
        self._events = 0
        self._aside = False
        """Whether the response is not part of the conversation."""
        self._sent: dict[str, int] = {}
        self._calls: set[str] = set()

    async def begin(self) -> None:
        await self.send("session.created", session={"type": "realtime", "model": self.session.query["model"]})

    async def send(self, kind: str, **fields: Any) -> None:
        self._events += 1
        await super().send(kind, event_id=f"event_{self._events}", **fields)

    async def refuse(self, code: str, words: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": words, "param": None, "event_id": None}
        await self.send("error", error=error)
        await self.session.connection.close(1008 if code == "invalid_api_key" else 1000)

    async def _complain(self, code: str, words: str) -> None:
        """The session stays open, whatever it is."""
        error = {"type": "invalid_request_error", "code": code, "message": words, "param": None}
        await self.send("error", error={**error, "event_id": self._event})

    async def obey(self, fields: dict[str, Any]) -> bool:
        self._event = fields.get("event_id")
        match fields["type"]:
            case "session.update" if self._configured:
                await self._update(fields["session"])
            case "session.update":
                await self._configure(fields["session"])
            case "input_audio_buffer.append" if self._configured:
                await self.hear(fields["audio"])
            case "response.create" if self.speaking:
                await self._complain("conversation_already_has_active_response", "wait")
            case "response.create" if self._calls and fields.get("response", {}).get("conversation") != "none":
                await self._complain("missing_tool_output", f"No tool output found for {self._calls}")
            case "response.create":
                instructions = fields.get("response", {}).get("instructions", "")
                self._aside = fields.get("response", {}).get("conversation") == "none"
                await self.reply(instructions.partition("nothing else: ")[2])
            case "response.cancel" if self.speaking and fields.get("response_id") in (None, f"resp{self.count}"):
                self.stop()
                self._task = self._speaking.create_task(self._cancel())
            case "response.cancel":
                await self._complain("response_cancel_not_active", "nothing to cancel")
            case "conversation.item.create" if fields["item"]["type"] == "message":
                self.server.told.append(fields["item"]["content"][0]["text"])
                await self._in_conversation({**fields["item"], "id": f"told{self._events}", "status": "completed"})
            case "conversation.item.create" if fields["item"]["call_id"] in self._calls:
                self._calls.discard(fields["item"]["call_id"])
                self.server.results.append({"call": fields["item"]["call_id"], "result": fields["item"]["output"]})
                json.loads(fields["item"]["output"])
                await self._in_conversation({**fields["item"], "id": f"result{self._events}", "status": "completed"})
            case "conversation.item.truncate":
                await self._truncate(fields)
            case _:
                await self._complain("invalid_value", f"not now: {fields['type']}")
        return True

    async def _configure(self, session: dict[str, Any]) -> None:
        audio = session.get("audio", {})
        formats = [audio.get(way, {}).get("format") for way in ("input", "output")]
        if formats != [PCMU, PCMU]:
            await self._complain("invalid_value", "Invalid session")
            return
        if (voice := audio["output"].get("voice")) not in VOICES:
            await self._complain("invalid_value", f"Invalid value: '{voice}'. Supported values are: {sorted(VOICES)}")
            return
        turns = audio["input"].get("turn_detection", {})
        if wrong := turns.keys() - TURNS.get(turns.get("type", "server_vad"), set()) - BOTH:
            await self._complain("unknown_parameter", f"Unknown parameter: session.audio.input.turn_detection.{wrong}")
            return
        if any("name" not in tool for tool in session.get("tools", ())):
            await self._complain("missing_required_parameter", "session.tools[0].name")
            return
        try:
            RealtimeSessionCreateRequest.model_validate(session, extra="forbid")
        except ValidationError as error:
            await self._complain("invalid_value", f"Invalid value: session.{error.errors()[0]['loc']}")
            return
        self._configured = True
        await self.send("session.updated", session=session)

    async def _update(self, session: dict[str, Any]) -> None:
        if session.get("type") != "realtime" or set(session) - {"type", "instructions"}:
            await self._complain("invalid_value", "only the instructions change here")
        self.server.told.append(session["instructions"])
        await self.send("session.updated", session=session)

    async def _truncate(self, fields: dict[str, Any]) -> None:
        item, end = fields["item_id"], fields["audio_end_ms"]
        if fields["content_index"] != 0 or item not in self._sent or end > self._sent[item] / 8:
            await self._complain("invalid_value", "Audio content is shorter than audio_end_ms")
            return
        self.server.cuts.append({"reply": item, "ms": end})
        for _ in range(2):
            await self._audio(item, STALE)
        await self.send("conversation.item.truncated", item_id=item, content_index=0, audio_end_ms=end)

    async def onset(self, said: Said) -> None:
        await self.send("input_audio_buffer.speech_started", audio_start_ms=said.start_ms, item_id=f"in{said.start_ms}")

    async def interrupted(self) -> None:
        await self._done("cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})

    async def turn(self, said: Said) -> None:
        item = f"in{said.start_ms}"
        await self.send("input_audio_buffer.speech_stopped", audio_end_ms=said.end_ms, item_id=item)
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        content = [{"type": "input_audio", "transcript": None}]
        spoken = {"id": item, "type": "message", "role": "user", "status": "completed", "content": content}
        await self._in_conversation(spoken)
        kind = "conversation.item.input_audio_transcription"
        for word in said.text.split():
            await self.send(f"{kind}.delta", item_id=item, content_index=0, delta=f"{word} ")
        usage = {"type": "duration", "seconds": (said.end_ms - said.start_ms) / 1000}
        await self.send(f"{kind}.completed", item_id=item, content_index=0, transcript=said.text, usage=usage)

    async def speak(self, say: Say) -> None:
        name = f"item{self.count}"
        self._output = []
        await self.send("response.created", response=self._response("in_progress"))
        if say.text:
            self._sent[name] = 0
            place = {"item_id": name, "output_index": 0, "content_index": 0}
            await self._begin({"id": name, "type": "message", "role": "assistant", "content": []})
            part = {"type": "audio", "transcript": ""}
            await self._of_response("content_part.added", **place, part=part)
            for word in say.text.split():
                await self._of_response("output_audio_transcript.delta", **place, delta=f"{word} ")
            await self.pieces(say, lambda piece: self._audio(name, piece))
            await self._of_response("output_audio.done", **place)
            await self._of_response("output_audio_transcript.done", **place, transcript=say.text)
            await self._of_response("content_part.done", **place, part={**part, "transcript": say.text})
            self._item["content"] = [{"type": "output_audio", "transcript": say.text}]
            await self._end("completed")
        for call, tool, arguments in say.calls:
            await self._begin({"id": f"fc{call}", "type": "function_call", "call_id": call, "name": tool})
            if say.hold:
                await self.server.note()
                await asyncio.Event().wait()
            place = {"item_id": f"fc{call}", "output_index": len(self._output), "call_id": call}
            await self._of_response("function_call_arguments.delta", **place, delta=arguments)
            await self._of_response("function_call_arguments.done", **place, name=tool, arguments=arguments)
            self._calls.add(call)
            self._item["arguments"] = arguments
            await self._end("completed")
        await self._done("completed", status_details=None)

    async def _cancel(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await asyncio.sleep(CANCELLING)
            await self._done("cancelled", status_details={"type": "cancelled", "reason": "client_cancelled"})

    async def _begin(self, item: dict[str, Any]) -> None:
        self._item = {**item, "status": "in_progress", **({"arguments": ""} if "call_id" in item else {})}
        await self._of_response("output_item.added", output_index=len(self._output), item=self._item)
        if not self._aside:
            await self.send("conversation.item.added", item=dict(self._item), previous_item_id=None)

    async def _end(self, status: str) -> None:
        item, self._item = {**self._item, "status": status}, {}
        await self._of_response("output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        if not self._aside:
            await self.send("conversation.item.done", item=item, previous_item_id=None)

    async def _in_conversation(self, item: dict[str, Any]) -> None:
        """An item of the caller's side has its place."""
        await self.send("conversation.item.added", item=item, previous_item_id=None)
        await self.send("conversation.item.done", item=item, previous_item_id=None)

    def _response(self, status: str, **more: Any) -> dict[str, Any]:
        conversation = None if self._aside else "conv_1"
        head = {"id": f"resp{self.count}", "object": "realtime.response", "conversation_id": conversation}
        return {**head, "status": status, "status_details": None, "output": self._output, "usage": None, **more}

    async def _done(self, status: str, **more: Any) -> None:
        if self._item:  # what is broken off is told to be done, too
            await self._end("incomplete")
        await self.send("response.done", response=self._response(status, **{"usage": USAGE, **more}))
        self._aside = False

    async def _audio(self, item: str, piece: bytes) -> None:
        self._sent[item] += 0 if piece == STALE else len(piece)
        data = base64.b64encode(piece).decode()
        await self._of_response("output_audio.delta", item_id=item, output_index=0, content_index=0, delta=data)

    async def _of_response(self, kind: str, **fields: Any) -> None:
        await self.send(f"response.{kind}", response_id=f"resp{self.count}", **fields)
