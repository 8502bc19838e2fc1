"""OpenAI's transcription sessions as a local server, as strict as OpenAI's own types.

`gpt-live-transcribe` tells words as they are spoken, others when a piece is over.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from openai.types.realtime import RealtimeServerEvent, RealtimeTranscriptionSessionCreateRequest
from pydantic import TypeAdapter, ValidationError
from websockets.http11 import Request

from tests.fakes.assemblyai import Said
from tests.fakes.listening import EndError, Faults, ListeningServer
from tests.fakes.websocket import Session

MODELS = ("gpt-transcribe", "gpt-live-transcribe", "gpt-4o-transcribe", "whisper-1")
HINTED = MODELS[:2]
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
KIND = "conversation.item.input_audio_transcription"


class FakeTranscribe(ListeningServer):
    """See `tests.fakes.listening`."""

    def __init__(
        self,
        *scripts: Sequence[Said],
        faults: Faults | None = None,
        key: str = "k",
        reversed_at: int = 0,
        failed_at: int = 0,
    ) -> None:
        """The text of piece number `reversed_at` comes after that of the next; of number `failed_at` none comes."""
        super().__init__(*scripts, faults=faults, key=key)
        self.reversed_at, self.failed_at = reversed_at, failed_at

    def refusal(self, request: Request) -> tuple[int, str]:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, "unauthorized"
        return (0, "") if request.path.endswith("?intent=transcription") else (400, "missing_model")

    async def listen(self, session: Session, script: list[Said], *, faulty: bool) -> None:
        pieces = Pieces(self, session, script)
        created = {"id": "sess_1", "object": "realtime.transcription_session", "type": "transcription"}
        await self.send(session, "session.created", session=created)
        await self.disturb(session, faulty=faulty)
        async for message in session.connection:
            fields = json.loads(message)
            session.messages.append({**fields, **({"audio": ""} if "audio" in fields else {})})
            if fields["type"] == "session.update":
                await pieces.configure(fields["session"])
            elif fields["type"] == "input_audio_buffer.append" and pieces.configured:
                ulaw = base64.b64decode(fields["audio"], validate=True)
                await self.hear(session, ulaw, pieces.advance, faulty=faulty)
            else:
                await self.complain(session, "invalid_value", f"not now: {fields['type']}")
            await self.note()

    async def end(self, session: Session, end: EndError) -> None:
        await self.complain(session, end.code, end.words)
        await session.connection.close(1000)

    async def send(self, session: Session, kind: str, /, **fields: Any) -> None:
        message = {"type": kind, "event_id": f"event_{len(session.sent) + 1}", **fields}
        if not kind.startswith("session."):
            SERVER.validate_python(message, extra="forbid")
        session.sent.append(message)
        await session.connection.send(json.dumps(message))

    async def complain(self, session: Session, code: str, words: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": words}
        await self.send(session, "error", error=error)


class Pieces:
    """speech_started, delta*, speech_stopped, committed, delta*, completed."""

    def __init__(self, server: FakeTranscribe, session: Session, script: list[Said]) -> None:
        self._server, self._session, self._script = server, session, script
        self._config: dict[str, Any] = {}
        self._count = self._told = 0
        self._now: Said | None = None
        self._before: str | None = None
        self._late: list[dict[str, Any]] = []

    @property
    def configured(self) -> bool:
        return bool(self._config)

    async def send(self, kind: str, **fields: Any) -> None:
        await self._server.send(self._session, kind, **fields)

    async def complain(self, code: str, words: str) -> None:
        await self._server.complain(self._session, code, words)

    async def configure(self, session: dict[str, Any]) -> None:
        try:
            RealtimeTranscriptionSessionCreateRequest.model_validate(session, extra="forbid")
        except ValidationError as error:
            await self.complain("unknown_parameter", f"session.{error.errors()[0]['loc']}")
            return
        hearing = {**self._config, **session["audio"]["input"]}
        model, told = hearing["transcription"].get("model"), hearing["transcription"]
        if hearing.get("format") != {"type": "audio/pcmu"}:
            await self.complain("invalid_value", "this fake hears audio/pcmu only")
        elif model not in MODELS:
            raise EndError("model_not_found", f"The model {model!r} does not exist")
        elif model not in HINTED and told.keys() & {"keywords", "languages"}:
            await self.complain("invalid_value", f"{model} takes no keywords and languages")
        else:
            self._config = hearing
            await self.send("session.updated", session={**session, "id": "sess_1", "object": "o"})

    @property
    def _item(self) -> str:
        return f"item_{self._count}"

    async def advance(self, ms: float) -> None:
        if self._now is None and self._script and self._script[0].start_ms < ms:
            self._now, self._told = self._script.pop(0), 0
            self._count += 1
            start = {"audio_start_ms": self._now.start_ms, "item_id": self._item}
            await self.send("input_audio_buffer.speech_started", **start)
        if self._now is None:
            return
        if self._config["transcription"]["model"] == "gpt-live-transcribe":
            await self._words(sum(word["end"] <= ms for word in self._now.words(True)))
        silence = self._config["turn_detection"].get("silence_duration_ms", 500)
        if ms >= self._now.end_ms + silence:
            said, self._now = self._now, None
            await self._commit(said)

    async def _words(self, count: int, said: Said | None = None) -> None:
        words = (said or self._now).text.split()  # type: ignore[union-attr]
        for word in words[self._told : count]:
            await self.send(f"{KIND}.delta", item_id=self._item, content_index=0, delta=f"{word} ")
        self._told = max(self._told, count)

    async def _commit(self, said: Said) -> None:
        await self.send("input_audio_buffer.speech_stopped", audio_end_ms=said.end_ms, item_id=self._item)
        await self.send("input_audio_buffer.committed", item_id=self._item, previous_item_id=self._before)
        self._before = self._item
        if self._count == self._server.failed_at:
            error = {"type": "server_error", "code": "audio_unintelligible", "message": "no"}
            await self.send(f"{KIND}.failed", item_id=self._item, content_index=0, error=error)
            return
        usage = {"type": "duration", "seconds": (said.end_ms - said.start_ms) / 1000}
        done = {"item_id": self._item, "content_index": 0, "transcript": said.text, "usage": usage}
        if self._count == self._server.reversed_at:
            self._late.append(done)
            return
        await self._words(len(said.text.split()), said)
        for one in (done, *self._late):
            await self.send(f"{KIND}.completed", **one)
        self._late.clear()
