"""Deepgram's STT (/v1/listen and /v2/listen) as a local server, as strict as the real one.

What it says is keyed to the milliseconds of sound that it has received, never to a clock; only its patience is one.
"""

import asyncio
import json
import urllib.parse
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.fakes.assemblyai import Said
from tests.fakes.listening import EndError, Faults, ListeningServer
from tests.fakes.websocket import Session

BOTH = {"model", "encoding", "sample_rate", "keyterm", "redact", "numerals", "tag", "mip_opt_out"}
V1 = BOTH | {
    *("language", "channels", "interim_results", "endpointing", "utterance_end_ms", "vad_events", "smart_format"),
    "punctuate",
}
V2 = BOTH | {"eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "language_hint", "profanity_filter"}
KEYTERM = 100
"""Characters of a key term of Flux at most."""
PATIENCE = {"/v1/listen": 10.0, "/v2/listen": 60.0}
"""Seconds without a message after which a session is ended."""
THRESHOLDS = {"eot_threshold": (0.5, 1.0), "eager_eot_threshold": (0.3, 0.9), "eot_timeout_ms": (500, 60000)}
"""Of Flux, which Configure may change, with their limits."""

UPDATED = 240
"""Milliseconds of sound after which Flux tells how things stand, whatever it hears."""


class FakeDeepgram(ListeningServer):
    """See `tests.fakes.listening`."""

    def __init__(
        self, *scripts: Sequence[Said], faults: Faults | None = None, key: str = "dg-key", patience: float | None = None
    ) -> None:
        super().__init__(*scripts, faults=faults, key=key)
        self._patience = patience

    def _gate(self, connection: ServerConnection, request: Request) -> Response | None:
        if response := super()._gate(connection, request):
            response.headers["dg-error"] = response.body.decode().strip()
            response.headers["dg-request-id"] = "r1"
        return response

    def refusal(self, request: Request) -> tuple[int, str]:
        url = urllib.parse.urlsplit(request.path)
        pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        terms = [value for name, value in pairs if name == "keyterm"]
        if request.headers.get("Authorization") != f"Token {self.key}":
            return 401, "Invalid credentials."
        problem = self._problem(url.path, dict(urllib.parse.parse_qsl(url.query))) or bad_terms(url.path, terms)
        return (400, problem) if problem else (0, "")

    @staticmethod
    def _problem(path: str, query: dict[str, str]) -> str:
        known = {"/v1/listen": V1, "/v2/listen": V2}.get(path)
        if known is None:
            return f"no such path: {path}"
        if unknown := set(query) - known:
            return f"unknown parameter {unknown}"
        if (query.get("encoding"), query.get("sample_rate")) != ("mulaw", "8000"):
            return "this fake hears mu-law at 8000 Hz only"
        if query.get("model", "").startswith("flux") is not (path == "/v2/listen"):
            return f"No such model/language combination found: {query.get('model')}"
        if "keyterm" in query and not query["model"].startswith(("nova-3", "flux")):
            return "Keyterm Prompting is only supported with Nova-3 and Flux models"
        if not 500 <= int(query.get("eot_timeout_ms", 5000)) <= 60000:
            return "eot_timeout_ms out of range"
        if not int(query.get("endpointing", "10").replace("false", "10")) >= 10:
            return "endpointing must be at least 10"
        if int(query.get("utterance_end_ms", 1000)) < 1000:
            return "utterance_end_ms must be at least 1000"
        if path == "/v2/listen" and query.get("redact", "numbers") not in ("numbers", "aggressive_numbers"):
            return f"unknown redaction {query['redact']}"
        if "language_hint" in query and not query["model"].endswith("-multi"):
            return "language_hint is only supported with flux-general-multi"
        eager, eot = float(query.get("eager_eot_threshold", 0.3)), float(query.get("eot_threshold", 0.7))
        if not (0.3 <= eager <= 0.9 and 0.5 <= eot <= 1 and eager <= eot):
            return "thresholds out of range"
        return ""

    async def listen(self, session: Session, script: list[Said], *, faulty: bool) -> None:
        hearing = (Nova if session.path == "/v1/listen" else Flux)(self, session, script)
        await hearing.begin()
        await self.disturb(session, faulty=faulty)
        while True:
            try:
                async with asyncio.timeout(self._patience or PATIENCE[session.path]):
                    message = await session.connection.recv()
            except TimeoutError:
                words = "Deepgram did not receive audio data or a text message within the timeout window."
                raise EndError("NET-0001", words) from None
            if isinstance(message, bytes):
                await self.hear(session, message, hearing.advance, faulty=faulty)
            else:
                session.messages.append(json.loads(message))
                if session.messages[-1].get("type") == "CloseStream":
                    await hearing.close()
                    await session.connection.close(1000)
                    return
                await self._obey(session.messages[-1], hearing)
            await self.note()

    @staticmethod
    async def _obey(message: dict[str, Any], hearing: "Nova | Flux") -> None:
        match message.get("type"), hearing:
            case "Configure", Flux():
                await hearing.configure(message)
            case "ForceEndTurn", Flux():
                await hearing.force()
            case "Finalize", Nova():
                await hearing.finalize()
            case "KeepAlive", Nova():
                pass
            case kind, _:
                raise EndError("UNPARSABLE_CLIENT_MESSAGE", f"cannot take {kind}")

    async def end(self, session: Session, end: EndError) -> None:
        if session.path == "/v2/listen":
            told = {"sequence_id": len(session.sent), "code": end.code, "description": end.words}
        else:
            told = {"variant": end.code, "description": end.words, "message": end.words}
        await self.send(session, {"type": "Error", **told})
        await session.connection.close(1011, end.code)

    async def send(self, session: Session, message: dict[str, Any]) -> None:
        session.sent.append(message)
        await session.connection.send(json.dumps(message))


def bad_terms(path: str, terms: Sequence[str]) -> str:
    """What is wrong with key terms, if anything; one bad term refuses all."""
    if len(terms) > 100:
        return "at most 100 keyterms"
    if path == "/v2/listen" and any(not term.strip() or len(term) > KEYTERM for term in terms):
        return f"a keyterm must have between 1 and {KEYTERM} characters"
    return ""


class Nova:
    """Interim results, final ones, and two ways to end a turn."""

    def __init__(self, server: FakeDeepgram, session: Session, script: list[Said]) -> None:
        self._server, self._session, self._script = server, session, script
        self._endpointing = int(session.query.get("endpointing", 10))
        self._utterance_end = int(session.query.get("utterance_end_ms", 0))
        self._now: Said | None = None  # heard since the last final result
        self._last: Said | None = None  # whose end a silence or UtteranceEnd has still to mark
        self._shown = 0
        self._fixed_ms = 0.0

    async def begin(self) -> None:
        pass

    async def advance(self, ms: float) -> None:
        while self._script and self._script[0].start_ms < ms:
            if self._now is not None:
                await self._results(self._now.words(True), self._now.end_ms, final=True)
            if self._last is None:
                await self._send("SpeechStarted", channel=[0], timestamp=self._script[0].start_ms / 1000)
            self._now = self._last = self._script.pop(0)
            self._shown = 0
        if self._now is not None:
            words = [word for word in self._now.words(True, ms) if word["end"] <= ms]
            if len(words) > self._shown:
                self._shown = len(words)
                await self._results(words, ms, final=False)
            silence = ms - self._now.end_ms
            if silence >= self._endpointing:
                end = not self._server.faults.no_endpoint
                await self._results(self._now.words(True), ms, final=True, speech_final=end)
                self._now = None
        if self._last is not None and ms - self._last.end_ms >= self._utterance_end:
            await self._send("UtteranceEnd", channel=[0, 1], last_word_end=self._last.end_ms / 1000)
            self._last = None

    async def close(self) -> None:
        if self._now is not None:
            await self._results(self._now.words(True), self._now.end_ms, final=True, speech_final=True)
        identity = {"transaction_key": "deprecated", "request_id": "r1", "sha256": "0" * 64}
        seconds = len(self._session.audio) / 8000
        await self._send("Metadata", **identity, created="2026-11-22T00:00:00Z", duration=seconds, channels=1)

    async def finalize(self) -> None:
        """Tell all that was heard so far as final."""
        ms = len(self._session.audio) / 8
        words = [word for word in self._now.words(True, ms) if word["end"] <= ms] if self._now else []
        await self._results(words, ms, final=True, speech_final=False, finalized=True)
        self._now = None

    async def _results(
        self,
        words: list[dict[str, Any]],
        until: float,
        *,
        final: bool,
        speech_final: bool = False,
        finalized: bool = False,
    ) -> None:
        heard = [
            {
                "word": word["text"].strip(".,?!").lower(),
                "punctuated_word": word["text"],
                "start": word["start"] / 1000,
                "end": word["end"] / 1000,
                "confidence": 0.9,
            }
            for word in words
        ]
        text = " ".join(word["text"] for word in words)
        await self._send(
            "Results",
            channel_index=[0, 1],
            start=self._fixed_ms / 1000,
            duration=(until - self._fixed_ms) / 1000,
            is_final=final,
            speech_final=speech_final,
            from_finalize=finalized,
            channel={"alternatives": [{"transcript": text, "confidence": 0.9, "words": heard, **self._languages()}]},
            metadata={
                "request_id": "r1",
                "model_info": {"name": self._session.query["model"], "version": "2026-01-01.0", "arch": "nova-3"},
                "model_uuid": "11111111-2222-3333-4444-555555555555",
            },
        )
        if final:
            self._fixed_ms = until

    def _languages(self) -> dict[str, Any]:
        if self._session.query.get("language") != "multi":
            return {}
        return {"languages": [self._last.language] if self._last else []}

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._server.send(self._session, {"type": kind, **fields})


class Flux:
    """Update* → StartOfTurn → Update* → (EagerEndOfTurn → TurnResumed → Update*)* → [EagerEndOfTurn →] EndOfTurn.

    Updates come all the time, also in silence; StartOfTurn comes with the first word.
    """

    EAGER, END = 240, 800
    """Milliseconds of silence after which the model is half and quite sure that the turn is over."""

    def __init__(self, server: FakeDeepgram, session: Session, script: list[Said]) -> None:
        self._server, self._session, self._script = server, session, script
        self._turn = 0
        self._from = self._told = 0.0
        self._parts: list[Said] = []
        self._text = ""
        self._begun = self._eager = False
        asked = {name: float(session.query[name]) for name in THRESHOLDS if name in session.query}
        self._thresholds = {"eot_threshold": 0.7, **asked}
        self._hints = [value for name, value in session.pairs if name == "language_hint"]

    async def begin(self) -> None:
        await self._send({"type": "Connected", "request_id": "r1"})

    async def configure(self, message: dict[str, Any]) -> None:
        """Change the settings, or leave all of them as they are."""
        given, terms = message.get("thresholds", {}), message.get("keyterms", [])
        now = {**self._thresholds, **given}
        known = set(message) <= {"type", "thresholds", "keyterms", "language_hints"} and set(given) <= set(THRESHOLDS)
        hints = message.get("language_hints", self._hints)
        if (
            not known
            or (hints and not self._session.query["model"].endswith("-multi"))
            or bad_terms("/v2/listen", terms)
            or any(not THRESHOLDS[name][0] <= value <= THRESHOLDS[name][1] for name, value in now.items())
            or now.get("eager_eot_threshold", 0.0) > now["eot_threshold"]
        ):
            why = {"code": "INVALID_CONFIGURATION", "description": "a value is unknown or out of range"}
            await self._send({"type": "ConfigureFailure", "request_id": "r1", **why})
            return
        self._thresholds, self._hints = now, hints
        told = {"thresholds": now, "keyterms": terms} | ({"language_hints": hints} if hints else {})
        await self._send({"type": "ConfigureSuccess", "request_id": "r1", **told})

    async def advance(self, ms: float) -> None:
        while self._script and self._script[0].start_ms < ms:
            self._parts.append(self._script.pop(0))
            if self._eager:
                self._eager = False
                await self._info("TurnResumed", ms)
        words = [word["text"] for part in self._parts for word in part.words(True, ms) if word["end"] <= ms]
        self._text = " ".join(words)
        silence = ms - self._parts[-1].end_ms if self._parts else 0.0
        if self._text and not self._begun:  # it has heard the first word
            self._begun = True
            await self._info("StartOfTurn", ms)
        elif silence >= self.END:
            await self._finish(ms, "model")
        elif silence >= self.EAGER and not self._eager and "eager_eot_threshold" in self._session.query:
            self._eager = True
            await self._info("EagerEndOfTurn", ms)
        elif ms - self._told >= UPDATED:
            await self._info("Update", ms)

    async def close(self) -> None:
        await self.force()

    async def force(self) -> None:
        """End the open turn; the session goes on."""
        if self._begun:
            await self._finish(len(self._session.audio) / 8, "manual")

    async def _finish(self, ms: float, trigger: str) -> None:
        await self._info("EndOfTurn", ms, trigger=trigger)
        self._turn += 1
        self._parts, self._text, self._begun, self._eager, self._from = [], "", False, False, ms

    async def _info(self, event: str, ms: float, **more: str) -> None:
        self._told = ms
        words = [
            {"word": word["text"], "confidence": 0.9, "start": word["start"] / 1000, "end": word["end"] / 1000}
            for part in self._parts
            for word in part.words(True, ms)
            if word["end"] <= ms
        ]
        await self._send(
            {
                "type": "TurnInfo",
                "request_id": "r1",
                "event": event,
                "turn_index": self._turn,
                "audio_window_start": self._from / 1000,
                "audio_window_end": ms / 1000,
                "transcript": self._text,
                "words": words,
                "end_of_turn_confidence": 0.9 if event == "EndOfTurn" else 0.4,
                **self._languages(),
                **more,
            }
        )

    def _languages(self) -> dict[str, Any]:
        if not self._session.query["model"].endswith("-multi"):
            return {}
        told = {"languages": list(dict.fromkeys(one.language for one in self._parts)), "languages_hinted": self._hints}
        return {name: value for name, value in told.items() if value}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._server.send(self._session, {**message, "sequence_id": len(self._session.sent)})
