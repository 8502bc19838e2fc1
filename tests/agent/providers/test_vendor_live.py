"""GPT-Live: OpenAI's own client and types on what both sides send."""

import asyncio
import base64
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.live import ClientEvent, ServerEvent

from agent.llm import ToolCall
from agent.realtime import ReplyEnded, exactly
from tests.agent.providers.talking import KEY, LIVE, ORDER, TOOLS, talking
from tests.agent.providers.test_openai_live import SILENCE, pass_time
from tests.agent.providers.vendors import judged
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai_live import FakeLive
from tests.fakes.realtime_server import Say
from tests.waiting import HANG


def test_the_vendor_s_client_holds_a_session_with_the_fake() -> None:
    """A turn, a tool whose result is told, and what is said unasked."""
    replies = [Say(calls=[("call_a", "lookup", '{"order": 7}')]), Say("Order seven.")]
    fake, told = FakeLive([ORDER], replies, key="k"), list[Any]()

    async def run() -> None:
        async with fake, AsyncOpenAI(api_key="k", base_url=fake.url.replace("ws", "http", 1)) as vendor:
            vendor.websocket_base_url = fake.url
            async with vendor.live.connect() as socket, asyncio.timeout(HANG):

                async def until(kind: str, inner: str = "") -> Any:
                    while True:
                        told.append(await socket.recv())
                        if told[-1].type == kind and (not inner or told[-1].event["type"] == inner):
                            return told[-1]

                responses = {"model": "gpt-6-luna", "tools": [{"type": "function", **TOOLS[0]["function"]}]}  # type: ignore[dict-item]
                session: Any = {
                    "model": "gpt-live-1",
                    "audio": {"format": {"type": "audio/pcmu", "rate": 8000}, "output": {"voice": "marin"}},
                    "delegation": {"type": "responses", "responses": responses},
                }
                await socket.session.start(session=session)
                assert (await until("session.started")).session.id
                for _ in range(30):
                    await socket.session.input_audio.append(audio=base64.b64encode(SILENCE).decode())
                call = (await until("response.event", "response.output_item.done")).event["item"]
                output: Any = {"type": "function_call_output", "call_id": call["call_id"], "output": "{}"}
                await socket.response.item.create(item=output)
                await socket.response.create()
                await until("response.event", "response.completed")
                await socket.session.commentary.append(content=exactly("Bye."), delegation_id=None)
                await until("session.commentary.appended")
                for _ in range(20):
                    await socket.session.input_audio.append(audio=base64.b64encode(SILENCE).decode())
                await socket.session.close()
                assert (await until("session.closed")).usage.seconds == 5.0

    asyncio.run(run())
    sound = b"".join(base64.b64decode(one.delta) for one in told if one.type == "session.output_audio.delta")
    assert sound_of("Order seven.").strip(b"\xff") in sound
    assert sound_of("Bye.").strip(b"\xff") in sound
    for message in fake.sessions[0].sent:
        judged(ServerEvent, message)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {
            "safety_identifier": "s",
            "delegation": {
                "acknowledgement_delay_ms": 300,
                "responses": {"reasoning": {"effort": "none"}, "max_output_tokens": 500, "service_tier": "priority"},
            },
        },
    ],
)
def test_the_vendor_s_types_take_all_that_our_session_sends(extra: dict[str, Any]) -> None:
    replies = [Say(calls=[("call_a", "lookup", "{}")]), Say("Order seven."), Say("Seven.")]
    fake = FakeLive([ORDER], replies, key=KEY)

    async def scenario(realtime: Any, events: Any) -> None:
        await pass_time(realtime, fake, 2.6)
        await events.until(ToolCall)
        realtime.answer("call_a", "{}")
        await pass_time(realtime, fake, 3)
        await events.until(ReplyEnded)
        realtime.instruct("Be brief.\n\nSpeak Spanish.")
        realtime.tell("[pressed 7]")
        realtime.prompt(exactly("word " * 900))
        await fake.until(lambda: len(fake.told) >= 7)

    talking(LIVE, fake, scenario, extra=extra)
    (session,) = fake.sessions
    kinds = {message["type"] for message in session.messages}
    assert kinds == {
        *("session.start", "session.input_audio.append", "response.item.create", "response.create"),
        *("session.update", "session.instructions.append", "session.commentary.append", "session.close"),
    }
    for message in session.messages:
        judged(ClientEvent, message)
    for message in session.sent:
        judged(ServerEvent, message)
    assert not [message for message in session.sent if message["type"] == "error"]
    assert "From now on this holds, whatever else you were told before: Speak Spanish." in fake.told
