# mypy: disable-error-code="union-attr"
"""Deepgram's voices Aura (/v1/speak) and Flux (/v2/speak) as local servers, as strict as the real ones."""

import asyncio
import json
import re
import urllib.parse
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.fakes.elevenlabs import ends_in
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


@dataclass
class Turn:
    """A turn of Flux: what was said before one `Flush`."""

    number: str
    text: str = ""
    flushed: asyncio.Event = field(default_factory=asyncio.Event)
    begins_at: int = 0
    """Samples of the session before it."""
    task: asyncio.Task[None] | None = None
    active: bool = False

    def metadata(self, samples: int) -> dict[str, object]:
        controls = {"pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0}
        return {
            "speech_id": self.number,
            "audio_duration_ms": samples // 8,
            "input_character_count": len(self.text),
            "billable_character_count": len(self.text),
            "controls_applied": controls,
        }


class FakeFluxTts(SpeechServer):
    """Turns wait for each other. Stale sound comes between `Interrupt` and `SpeechInterrupted`.

    It makes the sound of a turn when that is flushed. `Interrupt` with no turn at work is warned of, as the pages say
    of `Flush`: they do not say it of `Interrupt`.
    """

    auth = ("Authorization", "Token ")
    paths = ("/v2/speak",)
    KNOWN = frozenset({"model", "encoding", "sample_rate", "speed", "expressivity", "mip_opt_out", "tag"})

    def _gate(self, connection: ServerConnection, request: Request) -> Response | None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.path).query))
        refused = super()._gate(connection, request)
        if refused is None and (unknown := set(query) - self.KNOWN):
            return connection.respond(400, f"unknown parameter {unknown}")
        if refused is None and not re.fullmatch(r"flux-[a-z]+-[a-z]+", query.get("model", "")):
            return connection.respond(400, "No such model/language/tier combination found.")
        if refused is None and (query.get("encoding"), query.get("sample_rate")) != ("mulaw", "8000"):
            return connection.respond(400, "this fake speaks mu-law at 8000 Hz only")
        speed = round(float(query.get("speed", 1)) * 100)
        if refused is None and not (50 <= speed <= 150 and speed % 5 == 0):
            return connection.respond(400, "SPEED_OUT_OF_RANGE")
        return refused

    async def obey(self, session, start) -> None:
        turns: list[Turn] = []
        interrupted = [0]
        model = {"model_name": session.query["model"], "model_version": "2026.06.01", "model_uuids": ["1111-2222"]}
        await self._send(session, type="Connected", request_id="r1", **model)
        while True:
            fields = json.loads(await session.connection.recv())
            session.messages.append(fields)
            newest = turns[-1] if turns and not turns[-1].flushed.is_set() else None
            match fields.get("type"):
                case "Speak":
                    if "\\{pause" in fields["text"]:
                        raise EndError("DATA-0002", "pause is batch-only")
                    if newest is None:
                        newest = Turn(f"dg_sp_{len(turns):012x}")
                        newest.task = start(self._speak(session, newest, turns[-1:]))
                        turns.append(newest)
                    newest.text += fields["text"]
                case "Flush" if newest is None:
                    await self._warn(session, "NO_ACTIVE_SPEECH")
                case "Flush":
                    newest.flushed.set()
                case "Interrupt":
                    await self._interrupt(session, turns, fields, interrupted)
                case "Configure":
                    await self._send(session, type="ConfigureSuccess", applied={"speed": fields["speed"]})
                case "Close":
                    totals = dict.fromkeys(("total_input_character_count", "total_billable_character_count"), 0)
                    total = session.samples // 8
                    await self._send(session, type="SessionMetadata", total_audio_duration_ms=total, **totals)
                    return
                case other:
                    raise EndError("DATA-0000", f"unknown message {other}")
            await self.note()

    async def _speak(self, session: Session, turn: Turn, before: list[Turn]) -> None:
        await asyncio.wait([one.task for one in before]) if before else None  # type: ignore[type-var]
        turn.active, turn.begins_at = True, session.samples
        await self._send(session, type="SpeechStarted", speech_id=turn.number)
        await turn.flushed.wait()

        async def send(piece: bytes | None) -> None:
            session.samples += len(piece or b"")
            await session.connection.send("{" if piece is None else piece)

        if await self.say(session, turn.text, send):
            await self._send(session, type="Flushed", speech_id=turn.number)
            turn.active = False
            metadata = turn.metadata(session.samples - turn.begins_at)
            await self._send(session, type="SpeechMetadata", **metadata)

    async def _interrupt(self, session: Session, turns: list[Turn], fields: dict, interrupted: list[int]) -> None:
        offset = fields.get("playback_offset", {}).get("value")
        active = next((turn for turn in turns if turn.active), None)
        if not session.samples:
            return await self._warn(session, "NO_AUDIO_GENERATED")
        if offset is not None and offset <= interrupted[0]:
            return await self._warn(session, "INVALID_INTERRUPT_OFFSET")
        if active is None:
            return await self._warn(session, "NO_ACTIVE_SPEECH")
        active.active = False
        active.task.cancel()
        made = session.samples
        for _ in range(3):
            session.samples += 500
            await session.connection.send(b"\x00" * 500)
        interrupted[0] = session.samples // 8 if offset is None else offset
        told = {} if offset is None else self._split(active, offset * 8)
        session.samples = interrupted[0] * 8
        metadata = active.metadata(made - active.begins_at)
        await self._send(session, type="SpeechInterrupted", audio_played_ms=interrupted[0], metadata=metadata, **told)
        return None

    def _split(self, turn: Turn, played: int) -> dict[str, str]:
        """The words whose end was played, and the rest."""
        places = ends_in(turn.text, len(self._sound(turn.text)))
        ends = [word.end() for word in re.finditer(r"\S+", turn.text)]
        at = max((end for end in ends if turn.begins_at + places[end - 1] <= played), default=0)
        return {"text_spoken": turn.text[:at], "text_remaining": turn.text[at:]}

    async def _warn(self, session: Session, code: str) -> None:
        await self._send(session, type="Warning", code=code, description="The request will be ignored.")

    async def _send(self, session: Session, **fields) -> None:
        session.sent.append(fields)
        await session.connection.send(json.dumps(fields))

    async def end(self, session: Session, end: EndError) -> None:
        await self._send(session, type="Error", code=end.code, description=end.words)
        await session.connection.close(end.close, end.code)
