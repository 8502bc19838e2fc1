"""Deepgram's voice Aura (/v1/speak) as a local server, as strict as the real one."""

import asyncio
import json

from tests.fakes.speech import EndError, SpeechServer
from tests.fakes.websocket import Session

FLUSHES = 20
"""Flush messages that one connection takes; the rest are ignored with a warning."""


class FakeAura(SpeechServer):
    """Stale sound trickles on between `Clear` and `Cleared`."""

    auth = ("Authorization", "Token ")
    paths = ("/v1/speak",)

    async def obey(self, session, start) -> None:
        query = session.query
        if (query.get("encoding"), query.get("sample_rate")) != ("mulaw", "8000") or "model" not in query:
            raise EndError("DATA-0000", "this fake speaks mu-law at 8000 Hz only")
        text, flushes, sequence = "", 0, 0
        model = {"model_name": query["model"], "model_version": "2026-01-01.0", "model_uuid": "1111-2222"}
        speaking: list[asyncio.Task[None]] = []
        await self._send(session, type="Metadata", request_id="r1", **model)
        while True:
            fields = json.loads(await session.connection.recv())
            session.messages.append(fields)
            match fields.get("type"):
                case "Speak":
                    if len(fields["text"]) > 2000:
                        raise EndError("DATA-0001", "text too long")
                    text = f"{text} {fields['text']}".strip()
                case "Flush" if flushes >= FLUSHES:
                    await self._send(session, type="Warning", code="EXCESSIVE_FLUSH", description="ignored")
                case "Flush":
                    flushes += 1
                    before = speaking[-1:]
                    speaking.append(start(self._speak(session, text, sequence, before)))
                    text, sequence = "", sequence + 1
                case "Clear":
                    for task in speaking:
                        task.cancel()
                    for _ in range(3):
                        await session.connection.send(b"\x00" * 500)
                    await self._send(session, type="Cleared", sequence_id=sequence)
                    text, sequence = "", sequence + 1
                case "Close":
                    return
                case other:
                    raise EndError("DATA-0002", f"unknown message {other}")
            await self.note()

    async def _speak(self, session: Session, text: str, sequence: int, before: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(before) if before else None

        async def send(piece: bytes | None) -> None:
            if piece is None:
                await session.connection.send("{")
            else:
                await session.connection.send(piece)

        if await self.say(session, text, send):
            await self._send(session, type="Flushed", sequence_id=sequence)

    async def _send(self, session: Session, **fields) -> None:
        session.sent.append(fields)
        await session.connection.send(json.dumps(fields))

    async def end(self, session: Session, end: EndError) -> None:
        await self._send(session, type="Error", code=end.code, description=end.words)
        await session.connection.close(end.close, end.code)
