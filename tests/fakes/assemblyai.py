# mypy: disable-error-code="dict-item"
"""AssemblyAI streaming v3 as a local server, as strict as the real one.

What it says is keyed to the milliseconds of sound that it has received, never to a clock.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.websocket import Session, SocketServer

U3 = ("u3-rt-pro", "u3-rt-pro-beta-1", "universal-3-5-pro", "universal-3-6", "universal-3-6-pro", "u3-pro")
UNIVERSAL = ("universal-streaming-english", "universal-streaming-multilingual")
SETTINGS = {
    *("end_of_turn_confidence_threshold", "min_turn_silence", "max_turn_silence", "vad_threshold", "format_turns"),
    *("keyterms_prompt", "filter_profanity", "prompt", "agent_context", "interruption_delay", "language_codes"),
    "mode",
}
MODES = {"min_latency": (128, 640), "balanced": (128, 1280), "max_accuracy": (512, 2560)}
"""Milliseconds of silence after which a finished sentence, and anything, ends a turn of Universal-3.5 and later."""


@dataclass(frozen=True)
class Said:
    """Speech in the sound, with its place in ms of a session's sound. Its words are spread evenly."""

    text: str
    start_ms: int
    end_ms: int
    language: str = "en"

    def words(self, final: bool, until_ms: float = float("inf")) -> list[dict[str, Any]]:
        texts = self.text.split()
        step = (self.end_ms - self.start_ms) / len(texts)
        spans = [(t, self.start_ms + i * step, self.start_ms + (i + 1) * step) for i, t in enumerate(texts)]
        return [
            {"text": t, "start": round(a), "end": round(b), "confidence": 0.9, "word_is_final": final or b <= until_ms}
            for t, a, b in spans
            if a < until_ms
        ]


@dataclass(frozen=True)
class Faults:
    """What goes wrong, in the first `sessions` sessions."""

    sessions: int = 1
    refuse_status: int | None = None
    silent: bool = False
    """No Begin."""
    error: tuple[int, str] | None = None
    """An Error message and close code, when `after_ms` of sound have come; with 0 instead of Begin."""
    drop: bool = False
    """The connection breaks off, when `after_ms` of sound have come."""
    codeless: bool = False
    """The same, with a close frame that has no code."""
    after_ms: int = 0
    deaf_to_terminate: bool = False
    noise: tuple[str, ...] = ()
    """Messages sent as they are after Begin."""


class ProtocolError(Exception):
    def __init__(self, code: int, words: str) -> None:
        self.code, self.words = code, words


@dataclass
class Turn:
    """One turn in the making."""

    order: int
    parts: list[Said] = field(default_factory=list)
    started: bool = False
    early: bool = False
    paused: bool = False
    shown: int = 0


class FakeAssemblyAI(SocketServer):
    """`scripts[n]` is what is said in the n-th session; the last one serves all further sessions."""

    def __init__(
        self,
        *scripts: Sequence[Said],
        faults: Faults | None = None,
        key: str = "aai-key",
        delay: Mapping[str, float] | None = None,
    ) -> None:
        self.faults = faults or Faults(sessions=0)
        super().__init__(key, self.faults.refuse_status)
        self._scripts = scripts or ((),)
        self.script: list[Said] = []
        """What is still to be said in the latest session; a test may add to it."""
        self._delay = delay or {}

    async def serve(self, session: Session) -> None:
        faulty = len(self.sessions) <= self.faults.sessions
        self.script = script = list(self._scripts[min(len(self.sessions), len(self._scripts)) - 1])
        try:
            self._check_query(session)
            if faulty and self.faults.silent:
                await session.connection.wait_closed()
                return
            await self._go_wrong(session, faulty)
            await self._begin(session)
            for noise in self.faults.noise if faulty else ():
                await session.connection.send(noise)
            await self._listen(session, Transcriber(self, session, script), faulty)
        except ProtocolError as error:
            await self.send(session, {"error_code": error.code, "error": error.words, "type": "Error"})
            await session.connection.close(error.code, "See Error message for details")

    def _check_query(self, session: Session) -> None:
        if session.headers.get("Authorization") != self.key:
            raise ProtocolError(1008, "Unauthorized Connection: Invalid API key")
        query = session.query
        if query.get("speech_model") not in U3 + UNIVERSAL:
            raise ProtocolError(3006, f"Invalid Message: speech_model must be one of {', '.join(U3 + UNIVERSAL)}")
        if query.get("encoding") != "pcm_mulaw" or query.get("sample_rate") != "8000":
            raise ProtocolError(3006, "Invalid Message: this fake hears mu-law at 8000 Hz only")
        if query.get("mode") and not query["speech_model"].startswith("universal-3-"):
            raise ProtocolError(3006, "Invalid Message: mode is not supported by this model")
        lists = {name: json.loads(query[name]) for name in ("keyterms_prompt", "language_codes") if name in query}
        numbers = {name: float(query[name]) for name in ("vad_threshold", "interruption_delay") if name in query}
        if not all(query.get(name, "1").isdigit() for name in ("min_turn_silence", "max_turn_silence")):
            raise ProtocolError(3006, "Invalid Message: a silence is a whole number of milliseconds")
        self._check_settings(session, {**query, **lists, **numbers})

    @staticmethod
    def _check_settings(session: Session, told: Mapping[str, Any]) -> None:
        """What is told with the session, or within it."""
        u3 = session.query["speech_model"] in U3
        texts = [told.get(name, "") for name in ("agent_context", "prompt")]
        codes = told.get("language_codes", [])
        fits = {
            "keyterms_prompt": len(told.get("keyterms_prompt", [])) <= 100,
            "agent_context": not any(texts) or u3,
            "prompt": all(isinstance(text, str) and len(text) <= 1750 for text in texts),
            "language_codes": not codes or (u3 and len(codes) <= 10 and (len(codes) == 1 or "multi" not in codes)),
            "mode": told.get("mode", "balanced") in MODES,
            "vad_threshold": 0 <= told.get("vad_threshold", 0) <= 1,
            "interruption_delay": 0 <= told.get("interruption_delay", 0) <= 1000,
        }
        for name, right in fits.items():
            if not right:
                raise ProtocolError(3006, f"Invalid Message: {name}")

    async def _begin(self, session: Session) -> None:
        model, mode = session.query["speech_model"], session.query.get("mode", "balanced")
        configuration = {"model": "universal-3-5-pro" if model == "u3-rt-pro" else model, "api_version": "2025-05-12"}
        if model in U3:
            configuration["mode"] = mode
        identity = "11111111-2222-3333-4444-555555555555"
        await self.send(session, {"type": "Begin", "id": identity, "expires_at": 1, "configuration": configuration})

    async def _listen(self, session: Session, transcriber: "Transcriber", faulty: bool) -> None:
        async for message in session.connection:
            if isinstance(message, bytes):
                length = len(message) / 8
                if not 50 <= length <= 1000:
                    raise ProtocolError(3007, f"Input Duration Violation: {length} ms. Expected between 50 and 1000 ms")
                session.frames.append(len(message))
                session.audio += message
                await transcriber.advance(len(session.audio) / 8)
                await self._go_wrong(session, faulty)
            elif await self._command(session, message, transcriber):
                return
            await self.note()

    async def _command(self, session: Session, message: str, transcriber: "Transcriber") -> bool:
        """Obey a text message; True if it ended the session."""
        try:
            fields = json.loads(message)
        except ValueError:
            raise ProtocolError(3006, f"Invalid JSON: {message[:50]}") from None
        session.messages.append(fields)
        match fields.get("type"):
            case "Terminate":
                if self.faults.deaf_to_terminate:
                    return False
                await transcriber.force()
                seconds = round(len(session.audio) / 8000)
                await self.send(
                    session,
                    {"type": "Termination", "audio_duration_seconds": seconds, "session_duration_seconds": seconds},
                )
                await session.connection.close(1000)
                return True
            case "ForceEndpoint":
                await transcriber.force()
            case "KeepAlive":
                pass
            case "UpdateConfiguration":
                if unknown := set(fields) - SETTINGS - {"type"}:
                    raise ProtocolError(3006, f"Invalid Message: {unknown}")
                self._check_settings(session, fields)
                transcriber.configure(fields)
            case other:
                raise ProtocolError(3006, f"Invalid Message Type: {other}")
        return False

    async def _go_wrong(self, session: Session, faulty: bool) -> None:
        if not faulty or len(session.audio) / 8 < self.faults.after_ms:
            return
        if self.faults.drop:
            session.cut()
        if self.faults.codeless:
            session.connection.transport.write(b"\x88\x00")
        if self.faults.error is not None:
            raise ProtocolError(*self.faults.error)

    async def send(self, session: Session, message: dict[str, Any]) -> None:
        if delay := self._delay.get(message["type"]):
            await asyncio.sleep(delay)
        session.sent.append(message)
        await session.connection.send(json.dumps(message, ensure_ascii=False))


class Transcriber:
    """Says what is in the sound, when enough of it has come."""

    def __init__(self, server: FakeAssemblyAI, session: Session, script: list[Said]) -> None:
        self._server, self._session, self._script = server, session, script
        self._u3 = session.query["speech_model"] in U3
        self._told: dict[str, Any] = dict(session.query)
        self._turn = Turn(0)

    def configure(self, told: Mapping[str, Any]) -> None:
        """Change settings within the session."""
        self._told |= told

    def _silence_of(self, name: str) -> int:
        """Milliseconds: what was told, otherwise the model's own."""
        if name in self._told:
            return int(self._told[name])
        if self._told["speech_model"].startswith("universal-3-"):
            own = MODES[self._told.get("mode", "balanced")]
        else:
            own = (100, 1000) if self._u3 else (400, 1280)
        return own[name == "max_turn_silence"]

    async def advance(self, ms: float) -> None:
        turn = self._turn
        while self._script and self._script[0].start_ms < ms:
            turn.parts.append(self._script.pop(0))
            turn.paused = False
            await self._speech(ms)
        if turn.parts:
            await self._speech(ms)
            await self._silence(ms - turn.parts[-1].end_ms)

    async def force(self) -> None:
        if self._turn.parts:
            await self._final()

    async def _speech(self, ms: float) -> None:
        turn, now = self._turn, self._turn.parts[-1]
        if not self._u3:
            words = self._words(False, ms)
            if len(words) > turn.shown:
                turn.shown = len(words)
                finished = " ".join(w["text"] for w in words if w["word_is_final"])
                await self._send(finished, words, False)
        elif not turn.early and ms >= now.start_ms + 750 and now.end_ms >= now.start_ms + 750:
            turn.early = True
            await self._onset()
            words = [w for w in self._words(False, ms) if w["end"] <= ms]
            await self._send(" ".join(w["text"] for w in words) + "—", words, False)

    async def _silence(self, silence: float) -> None:
        turn = self._turn
        text = " ".join(part.text for part in turn.parts)
        least, most = self._silence_of("min_turn_silence"), self._silence_of("max_turn_silence")
        if silence >= most or (silence >= least and (not self._u3 or text.endswith((".", "?", "!")))):
            await self._final()
        elif silence >= (least if self._u3 else 200) and not turn.paused:
            turn.paused = True
            await self._onset()
            await self._send(text, self._words(not self._u3), False, "" if self._u3 else text)

    async def _onset(self) -> None:
        if self._u3 and not self._turn.started:
            self._turn.started = True
            message = {"type": "SpeechStarted", "timestamp": self._turn.parts[0].start_ms, "confidence": 0.98}
            await self._server.send(self._session, message)

    async def _final(self) -> None:
        await self._onset()
        text = " ".join(part.text for part in self._turn.parts)
        formatted = self._session.query.get("format_turns") == "true"
        await self._send(text, self._words(True), True, text if self._u3 else "", self._u3)
        if formatted and not self._u3:
            await self._send(text.capitalize() + ".", self._words(True), True, "", True)
        self._turn = Turn(self._turn.order + 1)

    def _words(self, final: bool, until_ms: float = float("inf")) -> list[dict[str, Any]]:
        return [word for part in self._turn.parts for word in part.words(final, until_ms)]

    async def _send(
        self, text: str, words: list[dict[str, Any]], end: bool, utterance: str = "", formatted: bool = False
    ) -> None:
        await self._server.send(
            self._session,
            {
                "turn_order": self._turn.order,
                "turn_is_formatted": formatted,
                "end_of_turn": end,
                "transcript": text,
                "end_of_turn_confidence": 1 if end else 0,
                "words": words,
                "utterance": utterance,
                "type": "Turn",
                **self._language(),
            },
        )

    def _language(self) -> dict[str, Any]:
        if self._session.query.get("language_detection") != "true":
            return {}
        return {"language_code": self._turn.parts[-1].language, "language_confidence": 0.94}
