# mypy: disable-error-code="attr-defined"
"""AssemblyAI's Voice Agent as a local server, as strict as the real one."""

import asyncio
import base64
import json
from typing import Any

from tests.fakes.assemblyai import Said
from tests.fakes.realtime_server import STALE, EndError, RealtimeServer, Say, Talk

SESSION = {"agent_id", "system_prompt", "greeting", "input", "output", "tools", "webhook"}
INPUT = {
    *("type", "format", "keyterms", "language_codes", "transcription_mode", "transcription_prompt"),
    *("continuous_partials", "turn_detection", "voice_focus", "voice_focus_threshold"),
}
TOOL = {
    *("type", "name", "description", "parameters", "execution_mode", "timeout_seconds", "response_instructions"),
    *("http", "session_update"),
}
HELLOS = ("session.update", "session.resume", "session.end")
PCMU = {"encoding": "audio/pcmu"}


class FakeVoiceAgent(RealtimeServer):
    """`ahead` are the seconds by which the sound may come earlier than it lasts; None: as early as a test likes."""

    def __init__(self, *args: Any, ahead: float | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.ahead = ahead

    def talk(self, session, speaking):
        return AgentTalk(self, session, speaking)


class AgentTalk(Talk):
    """Silent until configured; it interrupts and cuts by itself."""

    ready = False
    _ready_at = 0.0

    async def begin(self) -> None:
        pass

    async def refuse(self, code: str, words: str) -> None:
        await self.send("session.error", code=code, message=words, timestamp=1)
        await self.session.connection.close(1008 if code == "unauthorized" else 1011)

    async def obey(self, fields: dict[str, Any]) -> bool:
        match fields["type"]:
            case kind if not self.ready and kind not in HELLOS:
                raise EndError("invalid_format", "session.update or session.resume comes first")
            case "session.update" if not self.ready:
                await self._configure(fields["session"])
            case "session.update" if set(fields["session"]) == {"system_prompt"}:
                self.server.told.append(fields["session"]["system_prompt"])
                await self.send("session.updated", config={}, timestamp=1)
            case "reply.cancel" if self.speaking and fields["reply_id"] == f"reply{self.count}":
                self.stop()
                await self.interrupted()
            case "session.resume" if not self.ready:
                known = [f"sess{number}" for number in range(1, len(self.server.sessions))]
                if fields["session_id"] not in known:
                    raise EndError("session_not_found", "no such session")
                await self._ready(fields["session_id"])
            case "input.audio" if self._too_early(fields["audio"]):
                await self.send("session.error", code="audio_rate_violation", message="too fast", timestamp=1)
            case "input.audio":
                await self.hear(fields["audio"])
            case "tool.result":
                json.loads(fields["result"])
                self.server.results.append({"call": fields["call_id"], "result": fields["result"]})
                await self.reply()
            case "reply.create":
                self.server.told.append(fields.get("instructions", ""))
                await self.reply(fields.get("instructions", "").partition("nothing else: ")[2])
            case "session.end":
                await self.send("session.ended", session_duration_seconds=1, audio_duration_seconds=1)
                await self.session.connection.close(1000)
                return False
            case other:
                await self.send("session.error", code="invalid_format", message=f"unknown: {other}", timestamp=1)
        return True

    def _too_early(self, audio: str) -> bool:
        if self.server.ahead is None:
            return False
        seconds = (len(self.session.audio) + len(base64.b64decode(audio, validate=True))) / 8000
        return seconds > asyncio.get_running_loop().time() - self._ready_at + self.server.ahead

    async def _configure(self, session: dict[str, Any]) -> None:
        if self.session.headers.get("Authorization") not in (self.server.key, f"Bearer {self.server.key}"):
            raise EndError("unauthorized", "bad key")
        formats = [session.get(way, {}).get("format") for way in ("input", "output")]
        if set(session) - SESSION or formats != [PCMU, PCMU]:
            raise EndError("invalid_config", f"extra keys: {set(session) - SESSION}")
        hearing = session["input"]
        if set(hearing) - INPUT or not 1 <= len(hearing.get("language_codes", "a")) <= 10:
            raise EndError("invalid_value", f"input: {hearing}")
        for tool in session.get("tools", ()):
            if set(tool) - TOOL or tool.get("execution_mode", "hold") not in ("hold", "interactive"):
                raise EndError("invalid_config", f"tools are flat: {tool}")
        await self._ready(f"sess{len(self.server.sessions)}")
        if session.get("greeting"):
            await self.reply(session["greeting"])

    async def _ready(self, name: str) -> None:
        self.ready, self._ready_at = True, asyncio.get_running_loop().time()
        await self.send("session.ready", session_id=name, expires_at=1, resume_token="t", config={}, timestamp=1)

    async def onset(self, said: Said) -> None:
        await self.send("input.speech.started", timestamp=1)

    async def interrupted(self) -> None:
        reply = f"reply{self.count}"
        await self.send("transcript.agent", text="…", reply_id=reply, item_id="i", interrupted=True)
        await self.send("reply.done", reply_id=reply, status="interrupted")
        for _ in range(2):
            await self._audio(reply, STALE)

    async def turn(self, said: Said) -> None:
        await self.send("input.speech.stopped", timestamp=1)
        words = said.text.split()
        for count in range(1, len(words) + 1):
            await self.send("transcript.user.delta", item_id="i", text=" ".join(words[:count]))
        await self.send("transcript.user", item_id="i", text=said.text)

    async def speak(self, say: Say) -> None:
        reply = f"reply{self.count}"
        if say.text:
            await self.send("reply.started", reply_id=reply, item_id="i")
            words = say.text.split()
            for number, word in enumerate(words):
                place = {"reply_id": reply, "item_id": "i", "start_ms": 200 * number, "end_ms": 200 * (number + 1)}
                await self.send("transcript.agent.delta", delta=f"{word} ", **place)
            await self.pieces(say, lambda piece: self._audio(reply, piece))
            await self.send("transcript.agent", text=say.text, reply_id=reply, item_id="i", interrupted=False)
            await self.send("reply.done", reply_id=reply, status="completed")
        for call, name, arguments in say.calls:
            await self.send("tool.call", call_id=call, name=name, arguments=json.loads(arguments))

    async def _audio(self, reply: str, piece: bytes) -> None:
        await self.send("reply.audio", reply_id=reply, data=base64.b64encode(piece).decode())
