"""A session that lost its websocket goes on on a new one: what is told meanwhile is not lost."""

import asyncio
from typing import Any

import pytest

from agent.llm import ToolCall
from agent.providers import socket_realtime
from agent.providers.websocket import Socket, connect
from agent.realtime import ReplyEnded, ReplyWords
from tests.agent.providers.listening import sound
from tests.agent.providers.talking import AGENT, ANSWER, GEMINI, KEY, ORDER, Kind, talking, words
from tests.fakes.realtime_server import Faults, Say


@pytest.mark.parametrize("kind", [AGENT, GEMINI], ids=lambda kind: kind.name)
def test_what_is_told_while_a_lost_session_is_resumed_waits_until_it_has_begun(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Say(calls=(("c1", "lookup", "{}"),))
    fake = kind.fake([ORDER], [call, ANSWER], key=KEY, faults=Faults(drop=True, after_ms=2700))
    dialling, line_is_free = asyncio.Event(), asyncio.Event()
    line_is_free.set()

    async def slowly(*where: Any) -> Socket:
        dialling.set()
        await line_is_free.wait()
        return await connect(*where)

    monkeypatch.setattr(socket_realtime, "connect", slowly)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        asked = (await events.until(ToolCall))[-1]
        await fake.until(lambda: kind is AGENT or "sessionResumptionUpdate" in fake.sessions[0].sent[-1])
        dialling.clear(), line_is_free.clear()  # type: ignore[func-returns-value]
        realtime.send_audio(sound(200))
        await dialling.wait()
        realtime.answer(asked.id, '{"status": "sent"}')
        line_is_free.set()
        return [*await events.until(ReplyWords), *await events.until(ReplyEnded)]

    assert words(talking(kind, fake, scenario)) == ANSWER.text
    assert [result["call"] for result in fake.results] == ["c1"]
    assert len(fake.sessions) == 2
