"""Cartesia's STT (Ink with turns) and voice (Sonic) as local servers, as strict as the real ones."""

import asyncio
import base64
import json
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from websockets.http11 import Request

from tests.fakes import listening
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import ends_in
from tests.fakes.listening import Faults, ListeningServer
from tests.fakes.speech import EndError, SpeechServer
from tests.fakes.websocket import Session

VERSIONS = ("2026-03-01", "2026-08-14")
FORMAT = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
INK = {
    *("model", "encoding", "sample_rate", "keyterm", "turn_start_threshold", "turn_eager_end_threshold"),
    *("turn_end_threshold", "turn_end_timeout_ms"),
}


def may(request: Request, key: str) -> bool:
    """Whether a request has the key: either header will do."""
    return f"Bearer {key}" == request.headers.get("Authorization") or key == request.headers.get("X-API-Key")


class FakeInk(ListeningServer):
    """See `tests.fakes.listening`."""

    EAGER, END = 240, 800
    """Milliseconds of silence after which a turn is probably and surely over."""

    def __init__(self, *scripts: Sequence[Said], faults: Faults | None = None, key: str = "ct-key") -> None:
        super().__init__(*scripts, faults=faults, key=key)

    def refusal(self, request: Request) -> tuple[int, str]:
        url = urllib.parse.urlsplit(request.path)
        if url.path != "/stt/turns/websocket":
            return 404, "refused"
        if not may(request, self.key):
            return 401, "refused"
        known = request.headers.get("Cartesia-Version") in VERSIONS
        return (0, "") if known and not self._problem(dict(urllib.parse.parse_qsl(url.query))) else (400, "refused")

    @staticmethod
    def _problem(query: dict[str, str]) -> bool:
        start = float(query.get("turn_start_threshold", 0.8))
        eager, end = float(query.get("turn_eager_end_threshold", 0.4)), float(query.get("turn_end_threshold", 0.2))
        return (
            bool(set(query) - INK)
            or (query.get("encoding"), query.get("sample_rate")) != ("pcm_mulaw", "8000")
            or not (0.05 <= end <= 0.5 and 0.3 <= eager <= 0.6 and 0.5 <= start <= 0.9 and end < eager < start)
            or not 640 <= int(query.get("turn_end_timeout_ms", 5600)) <= 11200
        )

    async def listen(self, session: Session, script: list[Said], *, faulty: bool) -> None:
        turns = InkTurns(self, session, script)
        await self.send(session, type="connected")
        await self.disturb(session, faulty=faulty)
        async for message in session.connection:
            await self.note()
            if isinstance(message, bytes):
                await self.hear(session, message, turns.advance, faulty=faulty)
                continue
            session.messages.append(json.loads(message))
            if session.messages[-1] == {"type": "close"}:
                await turns.close()
                await session.connection.close(1000)
                return
            if not self._is_config(session.messages[-1]):
                raise listening.EndError("invalid_message", "cannot take this")

    @staticmethod
    def _is_config(message: object) -> bool:
        match message:
            case {"type": "config", "turn": {"end_threshold": float(end), **more}}:
                return not more and 0.05 <= end <= 0.5
        return False

    async def end(self, session: Session, end: listening.EndError) -> None:
        await self.send(session, type="error", title="Error", message=end.words, error_code=end.code, status_code=500)
        await session.connection.close(1011, end.code)

    async def send(self, session: Session, **fields: Any) -> None:
        session.sent.append(fields)
        await session.connection.send(json.dumps({**fields, "request_id": "r1"}))


class InkTurns:
    """turn.start → turn.update* → (turn.eager_end → turn.resume → turn.update*)* → turn.end."""

    def __init__(self, server: FakeInk, session: Session, script: list[Said]) -> None:
        self._server, self._session, self._script = server, session, script
        self._parts: list[Said] = []
        self._text = ""
        self._eager = False

    async def advance(self, ms: float) -> None:
        while self._script and self._script[0].start_ms < ms:
            self._parts.append(self._script.pop(0))
            if self._eager:
                self._eager = False
                await self._server.send(self._session, type="turn.resume")
            elif len(self._parts) == 1:
                await self._server.send(self._session, type="turn.start")
        if not self._parts:
            return
        words = [word["text"] for part in self._parts for word in part.words(True, ms) if word["end"] <= ms]
        if " ".join(words) != self._text:
            self._text = " ".join(words)
            await self._server.send(self._session, type="turn.update", transcript=self._text)
        silence = ms - self._parts[-1].end_ms
        if silence >= self._server.END:
            await self.close()
        elif silence >= self._server.EAGER and not self._eager:
            self._eager = True
            await self._server.send(self._session, type="turn.eager_end", transcript=self._text)

    async def close(self) -> None:
        if self._parts:
            await self._server.send(self._session, type="turn.end", transcript=self._text)
            self._parts, self._text, self._eager = [], "", False


def settings(fields: dict[str, Any]) -> dict[str, Any]:
    """What the inputs of one context have in common."""
    return {name: value for name, value in fields.items() if name not in ("transcript", "continue", "flush")}


def word_times(text: str, since: int, samples: int) -> dict[str, list[Any]]:
    """The words of `text`, which lasts so many samples from `since` on; in seconds from the context's beginning."""
    words = list(re.finditer(r"\S+", text))
    places = [0, *ends_in(text, samples)]
    at = [[(since + places[place]) / 8000 for place in word.span()] for word in words]
    return {
        "words": [word[0] for word in words],
        "start": [start for start, _ in at],
        "end": [end for _, end in at],
    }


class SonicContext:
    """One context: it speaks what is flushed, or all when its input is finished, and expires 1 s after its sound."""

    LIFE = 1.0

    def __init__(self, fields: dict[str, Any]) -> None:
        self.settings = settings(fields)
        self.flushed: asyncio.Queue[str | None] = asyncio.Queue()
        self.finished = False
        self.task: asyncio.Task[None] | None = None
        self.flushes = self.samples = 0
        self.sounded_at: float | None = None
        self._text = ""

    @property
    def expired(self) -> bool:
        since = self.sounded_at
        return since is not None and asyncio.get_running_loop().time() > since + self.LIFE

    def take(self, fields: dict[str, Any]) -> None:
        self._text += fields["transcript"]
        self.finished = not fields.get("continue")
        if fields.get("flush") or self.finished:
            self.flushed.put_nowait(self._text)
            self._text = ""
        if self.finished:
            self.flushed.put_nowait(None)


class FakeSonic(SpeechServer):
    """Chunks that were on their way still come after a cancel."""

    paths = ("/tts/websocket",)

    def has_key(self, request: Request) -> bool:
        return may(request, self.key)

    async def obey(self, session, start) -> None:
        if session.headers.get("Cartesia-Version") not in VERSIONS:
            raise EndError("invalid_version", "unknown version")
        contexts: dict[str, SonicContext] = {}
        while True:
            fields = json.loads(await session.connection.recv())
            session.messages.append(fields)
            name = fields["context_id"]
            context = contexts.get(name)
            if fields.get("cancel"):
                if context is not None and context.task is not None:
                    context.task.cancel()
                    context.finished = True
                for _ in range(3):
                    await self._chunk(session, name, b"\x00" * 500, 1)
            elif problem := self._problem(fields, context):
                await self._error(session, "invalid_request", problem, 400, name)
            else:
                if context is None:
                    contexts[name] = context = SonicContext(fields)
                    context.task = start(self._speak(session, name, context))
                context.take(fields)
            await self.note()

    @staticmethod
    def _problem(fields: dict[str, Any], context: SonicContext | None) -> str:
        if context is not None and (context.finished or context.expired):
            return "the context is finished"
        if context is not None and context.settings != settings(fields):
            return "the inputs of a context must not differ but in their transcript"
        if fields.get("flush") and (fields["transcript"] or not fields.get("continue")):
            return "a flush has an empty transcript, and goes on"
        if context is not None and not fields["transcript"]:
            return ""
        if fields.get("output_format") != FORMAT:
            return "this fake speaks mu-law only"
        if set(fields.get("voice", {})) != {"mode", "id"} or not fields.get("model_id") or not fields.get("transcript"):
            return "model, voice and transcript are required"
        if not any(map(str.isalnum, fields["transcript"])):
            return "the transcript has no words"
        return ""

    async def _speak(self, session: Session, name: str, context: SonicContext) -> None:
        about = {"done": False, "status_code": 206, "context_id": name}
        while (text := await context.flushed.get()) is not None:
            context.flushes += 1
            since = context.samples

            async def send(piece: bytes | None) -> None:
                context.samples += len(piece or b"")
                context.sounded_at = asyncio.get_running_loop().time()
                await self._chunk(session, name, piece, context.flushes)

            if text.strip():
                if context.settings.get("add_timestamps"):
                    times = word_times(text.strip(), since, len(self._sound(text.strip())))
                    await self._tell(session, {"type": "timestamps", "word_timestamps": times, **about})
                if not await self.say(session, text.strip(), send):
                    return
            if not context.finished:
                told = {"type": "flush_done", "flush_done": True, "flush_id": context.flushes}
                await self._tell(session, {**told, **about})
        await self._tell(session, {"type": "done", "done": True, "status_code": 200, "context_id": name})

    async def _chunk(self, session: Session, context: str, piece: bytes | None, flush: int) -> None:
        data = "%%%" if piece is None else base64.b64encode(piece).decode()
        chunk = {"type": "chunk", "data": data, "done": False, "status_code": 206, "step_time": 12.5}
        await self._tell(session, {**chunk, "context_id": context, "flush_id": flush})

    @staticmethod
    async def _tell(session: Session, message: dict[str, Any]) -> None:
        session.sent.append(message)
        await session.connection.send(json.dumps(message))

    async def _error(self, session: Session, code: str, words: str, status: int, context: str) -> None:
        error = {"type": "error", "title": "Error", "message": words, "error_code": code, "status_code": status}
        await self._tell(session, {**error, "done": True, "request_id": "r1", "context_id": context})

    async def end(self, session: Session, end: EndError) -> None:
        await self._error(session, end.code, end.words, 429 if "limit" in end.code else 500, "")
        await session.connection.close(end.close, end.code)
