"""xAI's Voice Agent as a local server: OpenAI Realtime with xAI's fields, and as strict."""

from typing import Any

from tests.fakes.assemblyai import Said
from tests.fakes.openai_realtime import PCMU, FakeOpenAIRealtime, RealtimeTalk

FIELDS = {
    "": {"instructions", "voice", "turn_detection", "audio", "tools", "reasoning", "resumption", "replace"},
    "audio": {"input", "output"},
    "audio.input": {"format", "transcription", "transport"},
    "audio.input.transcription": {"model", "language_hint", "keyterms"},
    "audio.output": {"format", "speed", "transport"},
    "turn_detection": {"type", "threshold", "silence_duration_ms", "prefix_padding_ms", "idle_timeout_ms"},
    "reasoning": {"effort"},
}
"""What each table of a session may have, by docs.x.ai and pipecat's types of it (1.14.0)."""
VOICES = {"ara", "carina", "eve", "leo", "rex", "sal"}
"""Some of them."""
USAGE = {
    "total_tokens": 350,
    "input_tokens": 300,
    "output_tokens": 50,
    "input_token_details": {"text_tokens": 200, "audio_tokens": 100, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 0, "audio_tokens": 50},
}
"""Told, although seconds are paid for."""
TRANSCRIBED = "conversation.item.input_audio_transcription"


class FakeXai(FakeOpenAIRealtime):
    """`abandons`: a response that the caller interrupts is left without an end."""

    def __init__(self, *args: Any, abandons: bool = False, **more: Any) -> None:
        super().__init__(*args, **more)
        self.abandons = abandons

    def talk(self, session, speaking):
        return XaiTalk(self, session, speaking)


class XaiTalk(RealtimeTalk):
    """Like OpenAI's; it knows no response outside of the conversation, and cancels the one that there is."""

    server: FakeXai

    async def begin(self) -> None:
        await self.send("session.created", session={"id": "sess_1", "object": "realtime.session"})
        await self.send("conversation.created", conversation={"id": "conv_1", "object": "realtime.conversation"})
        await self.send("ping", timestamp=1)

    async def obey(self, fields: dict[str, Any]) -> bool:
        match fields["type"]:
            case "response.create" if set(fields.get("response", {})) - {"modalities", "instructions"}:
                await self._complain("invalid_value", "Unknown field of a response")
            case "response.cancel" if set(fields) != {"type"}:
                await self._complain("invalid_value", "Unknown field")
            case "response.cancel" if not self.speaking:
                await self._complain("", "Cancellation failed: no active response found")
            case _:
                return await super().obey(fields)
        return True

    async def _configure(self, session: dict[str, Any]) -> None:
        tables = {"": session}
        for path in list(FIELDS)[1:]:
            parent, _, name = path.rpartition(".")
            tables[path] = tables[parent].get(name, {})
        unknown = {path: set(table) - FIELDS[path] for path, table in tables.items() if set(table) - FIELDS[path]}
        formats = [tables[f"audio.{way}"].get("format") for way in ("input", "output")]
        if unknown or formats != [PCMU, PCMU] or session.get("voice") not in VOICES:
            await self._complain("invalid_value", f"Invalid value: '{session.get('voice')}', {unknown}")
            return
        self._configured = True
        await self.send("session.updated", session=session)

    async def _update(self, session: dict[str, Any]) -> None:
        assert set(session) == {"instructions"}, session
        self.server.told.append(session["instructions"])
        await self.send("session.updated", session=session)

    def _response(self, status: str, **more: Any) -> dict[str, Any]:
        return super()._response(status, **(more | ({"usage": USAGE} if "usage" in more else {})))

    async def onset(self, said: Said) -> None:
        await self.send("input_audio_buffer.speech_started", item_id=f"in{said.start_ms}")

    async def interrupted(self) -> None:
        if not self.server.abandons:
            await super().interrupted()

    async def turn(self, said: Said) -> None:
        item, words = {"item_id": f"in{said.start_ms}", "content_index": 0}, said.text.split()
        await self.send("input_audio_buffer.speech_stopped", item_id=item["item_id"])
        await self.send("input_audio_buffer.committed", item_id=item["item_id"])
        for count in range(1, len(words) + 1):
            await self.send(f"{TRANSCRIBED}.updated", **item, transcript=" ".join(words[:count]))
        await self.send(f"{TRANSCRIBED}.completed", **item, transcript=said.text.rstrip("?.!"))
        await self.send(f"{TRANSCRIBED}.completed", **item, transcript=said.text)
