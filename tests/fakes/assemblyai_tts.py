"""AssemblyAI's voice as a local server, as strict as the real one."""

import asyncio
import base64
import json
import re

from tests.fakes.elevenlabs import ends_in
from tests.fakes.speech import EndError, SpeechServer
from tests.fakes.websocket import Session

CODES = {"tts_gone": 3012, "internal": 1011, "invalid_message": 3006}
PASSING = {"internal": None, "too_many_sessions": 7}
"""What may go well later, and after how many seconds."""
LANGUAGES = ("english", "spanish", "german", "french", "italian", "portuguese")


class FakeAssemblyAITts(SpeechServer):
    """Each Flush and each Cancel takes a number; what was on its way still comes after a Cancel."""

    auth = ("Authorization", "")
    paths = ("/v1/ws",)
    accepts_any_key = True
    tells_words = True
    """The times of words are best effort."""

    async def obey(self, session, start) -> None:
        self._check(session)
        await self._send(session, type="Begin", id="1", expires_at=1, configuration={"limits": {}})
        text, number, written = "", 0, 0
        speaking: dict[int, asyncio.Task[None]] = {}
        while True:
            fields = json.loads(await session.connection.recv())
            session.messages.append(fields)
            match fields.get("type"):
                case "Generate" if len(fields["text"]) <= 2000:
                    text += fields["text"]  # exactly as sent
                    written += len(fields["text"])
                case "Flush":
                    speaking[number] = start(self._speak(session, text, number))
                    text, number = "", number + 1
                case "Cancel":
                    for flush, task in speaking.items():
                        if not task.done():
                            task.cancel()
                            for _ in range(3):
                                await self._audio(session, b"\x00" * 640, flush)
                    await self._send(session, type="Cancelled", audio_duration_seconds=0.24)
                    text, number = "", number + 1
                case "KeepAlive":
                    pass
                case "Terminate":
                    used = {"total_input_char_length": written, "audio_duration_seconds": 1.5}
                    await self._send(session, type="Termination", session_duration_seconds=1, **used)
                    return
                case other:
                    raise EndError("invalid_message", f"Invalid Message Type: {other}")
            await self.note()

    def _check(self, session: Session) -> None:
        if session.headers.get("Authorization") != self.key:
            raise EndError("invalid_key", "Unauthorized Connection: Invalid API key")
        if (session.query.get("encoding"), session.query.get("sample_rate")) != ("pcm_mulaw", "8000"):
            raise EndError("invalid_message", "this fake speaks mu-law at 8000 Hz only")
        if session.query.get("language", "english").lower() not in LANGUAGES:
            raise EndError("invalid_message", f"Invalid language: {session.query['language']}")

    async def _speak(self, session: Session, text: str, number: int) -> None:
        async def send(piece: bytes | None) -> None:
            await self._audio(session, piece, number)

        began = session.samples
        if await self.say(session, text, send):
            await self._send(session, type="FlushDone", flush_id=number, audio_duration_ms=1)
            if session.query.get("word_boundaries", "true") == "true" and self.tells_words:
                places = ends_in(text, len(self._sound(text)))
                ends = [began + places[word.end() - 1] for word in re.finditer(r"\S+", text)]
                words = [{"word": word, "start": 0, "end": end // 8, "confidence": 0.9}
                         for word, end in zip(text.split(), ends, strict=True)]  # fmt: skip
                about = {"flush_id": number, "audio_start_ms": began // 8}
                await self._send(session, type="WordBoundaries", words=words, **about)

    async def _audio(self, session: Session, piece: bytes | None, number: int) -> None:
        session.samples += len(piece or b"")
        data = "%%%" if piece is None else base64.b64encode(piece).decode()
        await self._send(session, type="Audio", audio=data, flush_id=number)

    async def _send(self, session: Session, **fields) -> None:
        await session.connection.send(json.dumps(fields))

    async def end(self, session: Session, end: EndError) -> None:
        code = CODES.get(end.code, 1008)
        again = {"retryable": end.code in PASSING, "retry_after_seconds": PASSING.get(end.code)}
        await self._send(session, type="Error", error_code=code, error=end.words, error_type=end.code, **again)
        await session.connection.close(code, "See Error message for details")
