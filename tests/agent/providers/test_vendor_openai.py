# mypy: disable-error-code="arg-type"
"""OpenAI's own client against our fakes, and its types on what we send."""

import asyncio
import base64
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types import responses
from openai.types.audio.speech_create_params import SpeechCreateParams
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

from tests.agent.providers.listening import sound
from tests.agent.providers.replying import ASK, CALLS, CHAT, RESPONSES, TOOLS
from tests.agent.providers.talking import KEY as REALTIME_KEY
from tests.agent.providers.talking import OPENAI_REALTIME, ORDER, talking
from tests.agent.providers.vendors import judged
from tests.agent.providers.voicing import OPENAI, said, speaking
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import FakeOpenAI, Reply, _chunks
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.realtime_server import Say
from tests.fakes.responses import FakeResponses, _events
from tests.fakes.speech_http import FakeOpenAISpeech
from tests.waiting import HANG

FLAT = [{"type": "function", "strict": False, **tool["function"]} for tool in TOOLS]  # type: ignore[dict-item]


def client(fake: Any, base_url: str = "") -> AsyncOpenAI:
    return AsyncOpenAI(api_key=fake.key, base_url=base_url or fake.base_url, max_retries=0)


@pytest.mark.faults("E1", "E6")
@pytest.mark.parametrize(
    ("effort", "taken"), [({}, False), ({"reasoning_effort": "low"}, False), ({"reasoning_effort": "none"}, True)]
)
def test_the_vendor_s_client_is_refused_tools_unless_the_effort_is_none(effort: dict[str, Any], taken: bool) -> None:
    async def run() -> list[ChatCompletionChunk]:
        async with FakeOpenAI([Reply(["Hi."], calls=CALLS)]) as fake, client(fake) as vendor:
            asked = {"model": "gpt-6-luna", "messages": ASK, "tools": TOOLS, "stream": True, **effort}
            return [chunk async for chunk in await vendor.chat.completions.create(**asked)]

    if taken:
        chunks = asyncio.run(run())
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hi."
    else:
        with pytest.raises(BadRequestError, match="set reasoning_effort to 'none'"):
            asyncio.run(run())


@pytest.mark.faults("E1", "E6")
@pytest.mark.parametrize(("effort", "said"), [("none", "Hi."), ("low", ""), (None, "")])
def test_what_the_vendor_s_client_has_thought_counts_against_the_limit(effort: str | None, said: str) -> None:
    async def run() -> tuple[str, Any]:
        async with FakeResponses([Reply(["Hi."])]) as fake, client(fake) as vendor:
            more = {"reasoning": {"effort": effort}} if effort else {}
            asked = {"model": "gpt-6-luna", "input": ASK, "max_output_tokens": 50, "stream": True, **more}
            events = [event async for event in await vendor.responses.create(**asked)]  # type: ignore[call-overload]
            return "".join(one.delta for one in events if one.type == "response.output_text.delta"), events[-1]

    words, last = asyncio.run(run())
    assert words == said
    if not said:
        assert last.response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.faults("E1", "E6")
@pytest.mark.parametrize("options", [{}, {"extra": {"temperature": 0.3}}, {"model": "gpt-4.1"}])
def test_the_vendor_s_types_take_all_that_our_model_sends(options: dict[str, Any]) -> None:
    async def scenario(model: Any, fake: Any) -> list[dict[str, Any]]:
        history = [
            *ASK,
            {
                "role": "assistant",
                "content": "One moment.",
                "tool_calls": [
                    {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
                    for id_, name, arguments in CALLS
                ],
            },
            *({"role": "tool", "tool_call_id": id_, "content": "{}"} for id_, _, _ in CALLS),
        ]
        async for _ in model.reply(history, TOOLS):
            pass
        requests: list[dict[str, Any]] = fake.requests
        return requests

    for kind, params in ((CHAT, CompletionCreateParamsStreaming), (RESPONSES, ResponseCreateParamsStreaming)):
        for request in kind.thinking(scenario, Reply(["Hi."]), **options):
            judged(params, request)


@pytest.mark.faults("E6")
@pytest.mark.parametrize("reply", [Reply(["Hi ", "there."], calls=CALLS), Reply(["Hi."], finish="length")])
def test_the_vendor_s_types_take_all_that_the_chat_fake_sends(reply: Reply) -> None:
    for chunk in _chunks(reply, usage=True):
        judged(ChatCompletionChunk, chunk)


@pytest.mark.faults("E6")
@pytest.mark.parametrize("finish", ["", "max_output_tokens", "failed"])
def test_the_vendor_s_types_take_all_that_the_responses_fake_sends(finish: str) -> None:
    for count, event in enumerate(_events(Reply(["Hi ", "there."], calls=CALLS, finish=finish))):
        judged(responses.ResponseStreamEvent, {**event, "sequence_number": count})


@pytest.mark.faults("E6")
def test_the_vendor_s_client_speaks_with_the_fake() -> None:
    async def run() -> bytes:
        async with FakeOpenAISpeech(key="k") as fake, client(fake, fake.url) as vendor:
            asked = {"model": "gpt-4o-mini-tts", "voice": "marin", "input": "Hello there.", "response_format": "pcm"}
            async with vendor.audio.speech.with_streaming_response.create(**asked) as response:
                return b"".join([piece async for piece in response.iter_bytes()])

    linear = asyncio.run(run())
    assert linear == FakeOpenAISpeech().sound("Hello there.")


def test_the_vendor_s_types_take_all_that_our_voice_sends() -> None:
    async def scenario(voice: Any, fake: Any) -> bytes:
        await said(voice, "Hello there.")
        (body,) = [one.body for one in fake.exchanges if one.method == "POST"]
        return bytes(body)

    judged(SpeechCreateParams, json.loads(speaking(OPENAI, scenario, extra={"speed": 1.1, "instructions": "Softly."})))


@pytest.mark.faults("E6")
def test_the_vendor_s_client_holds_a_realtime_session_with_the_fake() -> None:
    """A turn of the caller, a reply, and a tool whose result is answered."""
    replies = [Say("It is on its way."), Say(calls=[("call_a", "lookup", '{"order": 7}')]), Say("Order seven.")]
    fake, told = FakeOpenAIRealtime([ORDER], replies, key="k"), list[Any]()

    async def until(socket: Any, kind: str) -> Any:
        while True:
            told.append(await socket.recv())
            if told[-1].type == kind:
                return told[-1]

    async def run() -> None:
        async with fake, client(fake, fake.url.replace("ws", "http", 1)) as vendor:
            vendor.websocket_base_url = fake.url
            async with vendor.realtime.connect(model="gpt-realtime-2.1") as socket, asyncio.timeout(HANG):
                await until(socket, "session.created")
                pcmu = {"type": "audio/pcmu"}
                audio = {"input": {"format": pcmu}, "output": {"format": pcmu, "voice": "marin"}}
                await socket.session.update(session={"type": "realtime", "audio": audio})  # type: ignore[misc]
                await until(socket, "session.updated")
                for _ in range(30):
                    await socket.input_audio_buffer.append(audio=base64.b64encode(sound(100)).decode())
                done = await until(socket, "response.done")
                assert done.response.output[0].content[0].transcript == "It is on its way."
                assert done.response.usage.total_tokens == 0
                await socket.response.create()
                call = (await until(socket, "response.done")).response.output[0]
                result = {"type": "function_call_output", "call_id": call.call_id, "output": "{}"}
                await socket.conversation.item.create(item=result)
                await until(socket, "conversation.item.done")
                await socket.response.create()
                await until(socket, "response.done")

    asyncio.run(run())
    kinds = {one.type for one in told}
    assert {"conversation.item.added", "input_audio_buffer.committed", "response.output_audio.delta"} <= kinds
    assert len({one.event_id for one in told}) == len(told)
    heard = b"".join(base64.b64decode(one.delta) for one in told if one.type == "response.output_audio.delta")
    assert heard == sound_of("It is on its way.") + sound_of("Order seven.")
    for message in fake.sessions[0].sent:
        judged(RealtimeServerEvent, message)


@pytest.mark.faults("E3", "E6")
@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ({}, {}),
        ({"extra": {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}}}}, {}),
        (
            {
                "transcription": "gpt-live-transcribe",
                "keyterms": ("Rasheed",),
                "languages": ("en", "es"),
                "extra": {
                    "audio": {
                        "input": {
                            "noise_reduction": {"type": "near_field", "strength": 0.5},
                            "turn_detection": {"idle_timeout_ms": 8000},
                        }
                    },
                    "reasoning": {"effort": "low"},
                },
            },
            {"keywords": ["Rasheed"], "languages": ["en", "es"]},
        ),
        ({"transcription": "gpt-realtime-whisper", "keyterms": ("Rasheed",)}, {}),
    ],
)
def test_the_vendor_s_types_take_all_that_our_realtime_session_sends(
    options: dict[str, Any], keywords: dict[str, Any]
) -> None:
    replies = [Say("It is on its way.", hold=True), Say(calls=[("call_a", "lookup", "{}")]), Say("Order seven.")]
    fake = FakeOpenAIRealtime([ORDER], replies, key=REALTIME_KEY)

    async def scenario(realtime: Any, events: Any) -> None:
        realtime.send_audio(sound(3000))
        await fake.until(lambda: fake.sessions[0].sent[-1]["type"] == "response.output_audio.delta")
        await asyncio.sleep(0)
        realtime.instruct("Be kind.")
        realtime.prompt("Say one moment.", aside=True)
        realtime.hush()
        realtime.tell("Hello?")
        realtime.cut("item1", 400)
        await fake.until(lambda: fake.told and fake.cuts)  # type: ignore[return-value]

    talking(OPENAI_REALTIME, fake, scenario, **options)
    (session,) = fake.sessions
    kinds = {message["type"] for message in session.messages}
    assert {"session.update", "input_audio_buffer.append", "response.cancel", "conversation.item.truncate"} <= kinds
    assert session.messages[0]["session"]["audio"]["input"]["transcription"] == {
        "model": options.get("transcription", "gpt-transcribe"),
        **keywords,
    }
    for message in session.messages:
        judged(RealtimeClientEvent, message)
    for message in session.sent:
        judged(RealtimeServerEvent, message)
