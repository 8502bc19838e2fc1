"""AssemblyAI's Voice Agent has no package: the fields of its events, as its schema names them, judge both sides."""

from typing import Any

import pytest

from agent.llm import ToolCall
from agent.realtime import ReplyEnded
from tests.agent.providers.listening import sound
from tests.agent.providers.talking import AGENT, BRIEF, KEY, ORDER, talking
from tests.fakes.realtime_server import Say
from tests.fakes.voice_agent import FakeVoiceAgent

AGENT_SIDE = {
    "session.ready": ("session_id expires_at config", "resume_token"),
    "session.updated": ("config", ""),
    "session.ended": ("session_duration_seconds", "audio_duration_seconds"),
    "session.error": ("code message", "param session_id"),
    "input.speech.started": ("", ""),
    "input.speech.stopped": ("", ""),
    "transcript.user.delta": ("item_id text", ""),
    "transcript.user": ("item_id text", ""),
    "reply.started": ("reply_id item_id", ""),
    "reply.audio": ("reply_id data", ""),
    "transcript.agent.delta": ("delta start_ms end_ms reply_id item_id", ""),
    "transcript.agent": ("text reply_id item_id interrupted", ""),
    "reply.done": ("reply_id status", ""),
    "tool.call": ("call_id name arguments", ""),
}
OUR_SIDE = {
    "session.update": ("session", ""),
    "session.resume": ("session_id", ""),
    "session.end": ("", ""),
    "input.audio": ("audio", ""),
    "tool.result": ("call_id result", "is_error"),
    "reply.create": ("", "instructions"),
    "reply.cancel": ("reply_id", ""),
}
"""Fields that must be there, and that may be."""
SESSION = {
    *("agent_id", "greeting", "input", "llm", "output", "pre_connect_requests", "system_prompt", "tools", "webhook"),
}


def judge(message: dict[str, Any], events: dict[str, tuple[str, str]]) -> None:
    needed, allowed = (set(names.split()) for names in events[message["type"]])
    assert needed <= message.keys() <= needed | allowed | {"type", "timestamp"}, message


@pytest.mark.parametrize("mode", ["", "interactive", "hold"])
def test_tools_and_languages_are_told_as_the_schema_has_them(mode: str) -> None:
    fake, codes = FakeVoiceAgent(key=KEY), ("en", "es")

    async def scenario(realtime: Any, events: Any) -> None:
        pass

    talking(AGENT, fake, scenario, BRIEF, execution_mode=mode, languages=codes)
    session = fake.sessions[0].messages[0]["session"]
    assert session["input"]["language_codes"] == list(codes)
    assert [tool.get("execution_mode", "") for tool in session["tools"]] == [mode]


@pytest.mark.faults("E6")
def test_every_event_has_the_fields_of_the_schema() -> None:
    replies = [Say("It is on its way."), Say(calls=[("call_a", "lookup", '{"order": 7}')]), Say("Order seven.")]
    fake = FakeVoiceAgent([ORDER], replies, key=KEY)

    async def scenario(realtime: Any, events: Any) -> None:
        realtime.send_audio(sound(3000))
        await events.until(ReplyEnded)
        realtime.instruct("Be kind.")
        realtime.prompt("Look it up.")
        await events.until(ToolCall)
        realtime.answer("call_a", "{}", failed=False)
        await events.until(ReplyEnded)

    talking(AGENT, fake, scenario, BRIEF)
    (session,) = fake.sessions
    assert {"session.update", "input.audio", "tool.result", "reply.create", "session.end"} <= {
        message["type"] for message in session.messages
    }
    for message in session.messages:
        judge(message, OUR_SIDE)
        assert set(message.get("session") or {}) <= SESSION
    for message in session.sent:
        judge(message, AGENT_SIDE)
