"""Gemini Live as a local server: binary frames of JSON, sound of 24 kHz, as strict as the types of Google."""

import base64
import json
import re
from array import array
from typing import Any

from google.genai import types
from pydantic import ValidationError

from agent import ulaw
from tests.fakes.assemblyai import Said
from tests.fakes.realtime_server import EndError, RealtimeServer, Say, Talk

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
RATES = ("audio/pcm;rate=8000", "audio/pcm;rate=16000")
TOKENS = [{"modality": "AUDIO", "tokenCount": 25}]
USAGE = {"promptTokensDetails": TOKENS, "responseTokensDetails": TOKENS, "thoughtsTokenCount": 3}
CODES = {"invalid": 1007, "refused": 1008}


def judge(message: dict[str, Any]) -> None:
    """By Google's types; that of a setup lacks a field, which its converter puts there."""
    (kind,) = message
    inside = dict(message[kind])
    if kind == "setup":
        types.RealtimeInputConfig.model_validate(inside.pop("realtimeInputConfig", {}), extra="forbid")
    types.LiveClientMessage.model_validate({kind: inside}, extra="forbid")


def camel(value: Any) -> Any:
    """Names as the service writes them: it takes those with underscores, too, which Google's own client sends."""
    if isinstance(value, dict):
        return {re.sub("_([a-z])", lambda found: found[1].upper(), key): camel(one) for key, one in value.items()}
    return [camel(one) for one in value] if isinstance(value, list) else value


class FakeGemini(RealtimeServer):
    """A session that is lost can be resumed; `leaves` after so many turns. `usage` is told at the end of a turn.

    A turn that calls tools is over at once, or, if the server is `waiting`, when their results are answered: what is
    told or said meanwhile takes the calls back.
    """

    def __init__(
        self, *args: Any, leaves: int = 0, usage: dict[str, Any] = USAGE, waiting: bool = False, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.leaves, self.usage, self.waiting = leaves, usage, waiting

    def talk(self, session, speaking):
        return GeminiTalk(self, session, speaking)


class GeminiTalk(Talk):
    server: FakeGemini
    ready = False
    thinks = False
    """Whether a turn of the model is not over, by what it thinks that is played."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open = set[str]()

    async def put(self, **message: Any) -> None:
        types.LiveServerMessage.model_validate(message, extra="forbid")
        self.session.sent.append(message)
        await self.session.connection.send(json.dumps(message).encode())

    async def begin(self) -> None:
        pass

    async def refuse(self, code: str, words: str) -> None:
        await self.session.connection.close(CODES.get(code, 1011), words)

    async def obey(self, fields: dict[str, Any]) -> bool:
        fields = camel(fields)
        (kind,) = fields
        try:
            judge(fields)
        except ValidationError as error:
            raise EndError("invalid", f"Invalid JSON payload: {error.errors()[0]['loc']}") from None
        match kind:
            case "setup" if not self.ready:
                await self._configure(fields[kind])
            case _ if not self.ready or kind == "setup":
                raise EndError("invalid", "setup comes first, and once")
            case "realtimeInput":
                await self._listen(fields[kind]["audio"])
            case "clientContent":
                await self._told(fields[kind])
            case "toolResponse":
                for one in fields[kind]["functionResponses"]:
                    if self.server.waiting and one["id"] not in self._open:
                        raise EndError("invalid", f"no call {one['id']} waits for a result")
                    self._open.discard(one["id"])
                    self.server.results.append({"call": one["id"], "result": one["response"]})
                await self.reply()
        return True

    async def _configure(self, setup: dict[str, Any]) -> None:
        if self.session.path != PATH or self.session.headers.get("x-goog-api-key") != self.server.key:
            raise EndError("invalid", "API key not valid. Please pass a valid API key.")
        if not setup["model"].startswith("models/gemini-") or setup["generationConfig"]["responseModalities"] != [
            "AUDIO"
        ]:
            raise EndError("refused", f"{setup['model']} is not found for API version v1beta")
        known = [f"handle{number}" for number in range(1, len(self.server.sessions))]
        if setup.get("sessionResumption", {}).get("handle", "handle1") not in [*known, "handle1"]:
            raise EndError("refused", "no such session")
        self.ready = True
        await self.put(setupComplete={"sessionId": "s"})

    async def _listen(self, audio: dict[str, Any]) -> None:
        if audio["mimeType"] not in RATES:
            raise EndError("invalid", audio["mimeType"])
        linear = base64.b64decode(
            audio["data"], altchars=b"-_" if set(audio["data"]) & set("-_") else None, validate=True
        )
        await self.hear(base64.b64encode(ulaw.from_linear(linear)).decode())

    async def _told(self, content: dict[str, Any]) -> None:
        text = content["turns"][-1]["parts"][-1]["text"]
        self.server.told.append(text)
        if self.thinks:
            self.stop()
            await self.interrupted()
        await self.reply(text.partition("nothing else: ")[2])

    @property
    def speaking(self) -> bool:
        return super().speaking or self.thinks

    async def onset(self, said: Said) -> None:
        pass  # only an interruption tells

    async def interrupted(self) -> None:
        self.thinks = False
        if self._open:
            await self.put(toolCallCancellation={"ids": sorted(self._open)})
            self._open.clear()
        await self.put(serverContent={"interrupted": True})
        await self.put(serverContent={"turnComplete": True})

    async def turn(self, said: Said) -> None:
        words = said.text.split()
        for word in words[:-1]:
            await self.put(serverContent={"inputTranscription": {"text": f"{word} "}})
        self._last = words[-1]

    _last = ""

    async def speak(self, say: Say) -> None:
        self.thinks = True
        if say.text:
            await self.pieces(say, self._audio)
            for word in say.text.split():
                await self.put(serverContent={"outputTranscription": {"text": f"{word} "}})
            if self._last:  # what the caller said is not in order with what the model says
                await self.put(serverContent={"inputTranscription": {"text": self._last}})
                self._last = ""
            await self.put(serverContent={"generationComplete": True})
            if say.late:
                await self.put(serverContent={"outputTranscription": {"text": say.late}})
        if say.calls:
            calls = [{"id": call, "name": name, "args": json.loads(given)} for call, name, given in say.calls]
            await self.put(toolCall={"functionCalls": calls})
            if self.server.waiting:
                self._open = {call for call, _, _ in say.calls}
                return
        self.thinks = False
        await self.put(serverContent={"turnComplete": True}, usageMetadata=self.server.usage)
        await self.put(sessionResumptionUpdate={"newHandle": f"handle{len(self.server.sessions)}", "resumable": True})
        if self.server.leaves == self.count and len(self.server.sessions) == 1:
            await self.put(goAway={"timeLeft": "5s"})

    async def _audio(self, piece: bytes) -> None:
        samples = array("h", ulaw.to_linear(piece))
        linear = array("h", [sample for sample in samples for _ in range(3)]).tobytes()
        data = base64.b64encode(linear).decode()
        part = {"inlineData": {"data": data, "mimeType": "audio/pcm;rate=24000"}}
        await self.put(serverContent={"modelTurn": {"parts": [part]}})
