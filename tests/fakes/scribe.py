"""ElevenLabs' STT (Scribe v2 Realtime) as a local server, as strict as the real one."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

from websockets.http11 import Request

from tests.fakes.assemblyai import Said
from tests.fakes.listening import EndError, Faults, ListeningServer
from tests.fakes.websocket import Session

KNOWN = {
    *("model_id", "audio_format", "commit_strategy", "vad_silence_threshold_secs", "vad_threshold"),
    *("min_speech_duration_ms", "min_silence_duration_ms", "language_code", "secondary_languages"),
    *("include_timestamps", "include_language_detection", "keyterms", "no_verbatim", "enable_logging"),
}
MESSAGE = {"message_type", "audio_base_64", "commit", "sample_rate", "previous_text"}
PATIENCE = 15.0
"""Seconds without a message after which a session is ended, without an error."""
LATE = 0.1
"""Seconds by which the words of each further piece are told too late (elevenlabs-python, issue 849)."""


class FakeScribe(ListeningServer):
    """See `tests.fakes.listening`."""

    def __init__(
        self,
        *scripts: Sequence[Said],
        faults: Faults | None = None,
        key: str = "xi-key",
        reversed_at: int = 0,
        untimed_at: int = 0,
    ) -> None:
        """Of the piece number `reversed_at` the times come first, of number `untimed_at` they never come."""
        super().__init__(*scripts, faults=faults, key=key)
        self.reversed_at, self.untimed_at = reversed_at, untimed_at

    def refusal(self, request: Request) -> tuple[int, str]:
        return (0, "") if request.path.startswith("/v1/speech-to-text/realtime?") else (404, "no such path")

    async def listen(self, session: Session, script: list[Said], *, faulty: bool) -> None:
        self._check(session)
        config = {"sample_rate": 8000, "audio_format": "ulaw_8000", "commit_strategy": "vad"}
        await self.send(session, "session_started", session_id="s1", config=config)
        await self.disturb(session, faulty=faulty)
        pieces = Pieces(self, session, script)
        try:
            while True:
                async with asyncio.timeout(PATIENCE):
                    message = await session.connection.recv()
                await self._take(session, pieces, message, faulty=faulty)
                await self.note()
        except TimeoutError:
            await session.connection.close(1000)

    async def end(self, session: Session, end: EndError) -> None:
        await self.send(session, end.code, error=end.words)
        await session.connection.close(1008, end.code)

    async def _take(self, session: Session, pieces: "Pieces", message: str | bytes, *, faulty: bool) -> None:
        if isinstance(message, bytes):
            raise EndError("input_error", "not JSON")
        fields = json.loads(message)
        if fields.get("message_type") != "input_audio_chunk" or set(fields) - MESSAGE:
            raise EndError("input_error", "cannot take this message")
        if fields.get("previous_text") and session.audio:
            raise EndError("input_error", "previous_text is for the first chunk")
        if fields.get("sample_rate") != 8000 or not isinstance(fields.get("commit"), bool):
            raise EndError("input_error", "sample_rate and commit are required")
        ulaw = base64.b64decode(fields["audio_base_64"], validate=True)
        session.messages.append({**fields, "audio_base_64": ""})
        await self.hear(session, ulaw, pieces.advance, faulty=faulty)
        if fields["commit"]:
            await pieces.commit()

    def _check(self, session: Session) -> None:
        query = session.query
        if session.headers.get("xi-api-key") != self.key:
            raise EndError("auth_error", f"You must be authenticated, not by {session.headers.get('xi-api-key')}")
        if unknown := set(query) - KNOWN:
            raise EndError("invalid_request", f"unknown parameter {unknown}")
        if (query.get("model_id"), query.get("audio_format")) != ("scribe_v2_realtime", "ulaw_8000"):
            raise EndError("invalid_request", "this fake hears ulaw_8000 only")
        terms = [value for name, value in session.pairs if name == "keyterms"]
        if len(terms) > 50 or any(len(term) > 20 for term in terms):
            raise EndError("invalid_request", "at most 50 keyterms of 20 characters")
        if not 0.3 <= float(query.get("vad_silence_threshold_secs", 1.5)) <= 3:
            raise EndError("invalid_request", "vad_silence_threshold_secs out of range")

    async def send(self, session: Session, kind: str, **fields: Any) -> None:
        session.sent.append({"message_type": kind, **fields})
        await session.connection.send(json.dumps(session.sent[-1]))


class Pieces:
    """partial_transcript* → committed_transcript → committed_transcript_with_timestamps."""

    def __init__(self, server: FakeScribe, session: Session, script: list[Said]) -> None:
        self._server, self._session, self._script = server, session, script
        self._silence = float(session.query.get("vad_silence_threshold_secs", 1.5)) * 1000
        self._parts: list[Said] = []
        self._text = ""
        self._count = 0

    async def advance(self, ms: float) -> None:
        while self._script and self._script[0].start_ms < ms:
            self._parts.append(self._script.pop(0))
        words = [word["text"] for part in self._parts for word in part.words(True, ms) if word["end"] <= ms]
        if " ".join(words) != self._text:
            self._text = " ".join(words)
            await self._server.send(self._session, "partial_transcript", text=self._text)
        by_vad = self._session.query.get("commit_strategy") == "vad"
        if by_vad and self._parts and ms - self._parts[-1].end_ms >= self._silence:
            await self.commit()

    async def commit(self) -> None:
        timed = {"text": self._text, "words": list(self._words())}
        if self._session.query.get("include_language_detection") == "true" or "language_code" in self._session.query:
            timed["language_code"] = self._parts[-1].language if self._parts else None  # type: ignore[assignment]
        told = [("committed_transcript", {"text": self._text})]
        self._count += 1
        if self._session.query.get("include_timestamps") == "true" and self._count != self._server.untimed_at:
            told.append(("committed_transcript_with_timestamps", timed))  # type: ignore[arg-type]
        for kind, fields in reversed(told) if self._count == self._server.reversed_at else told:
            await self._server.send(self._session, kind, **fields)
        self._parts, self._text = [], ""

    def _words(self) -> Any:
        late = LATE * self._count
        for part in self._parts:
            for word in part.words(True):
                times = {"start": word["start"] / 1000 + late, "end": word["end"] / 1000 + late}
                yield {"text": word["text"], **times, "type": "word", "logprob": -0.1}
                yield {"text": " ", "start": times["end"], "end": times["end"], "type": "spacing", "logprob": -0.1}
