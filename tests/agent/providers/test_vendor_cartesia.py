# mypy: disable-error-code="arg-type"
"""Cartesia's own client against our fakes, and its types on what we send."""

import asyncio
from typing import Any

import pytest
from cartesia import AsyncCartesia
from cartesia.types import WebsocketClientEventParam, WebsocketResponse
from cartesia.types.stt import (
    AutoFinalizeWebsocketParams,
    STTAutoFinalizeWebsocketRequest,
    STTAutoFinalizeWebsocketResponse,
)

from agent.providers.cartesia_ink import API_VERSION
from agent.turn_taking.expect import OPEN, Expected, Kind
from tests.agent.providers.listening import listen, sound
from tests.agent.providers.test_dictation import ink
from tests.agent.providers.vendors import judged
from tests.agent.providers.voicing import SONIC, said, speaking
from tests.fakes.assemblyai import Said
from tests.fakes.cartesia import FakeInk, FakeSonic
from tests.fakes.elevenlabs import TtsFaults, sound_of
from tests.waiting import HANG

ORDER = Said("Where is my order?", 500, 1500)


def client(fake: Any) -> AsyncCartesia:
    return AsyncCartesia(api_key=fake.key, base_url=fake.url, websocket_base_url=fake.url)


@pytest.mark.faults("E5", "E6")
def test_the_vendor_s_client_holds_a_session_with_ink() -> None:
    """It sends its key as a bearer token."""
    fake = FakeInk([ORDER])

    async def run() -> list[Any]:
        async with fake:
            asked = {"model": "ink-2", "encoding": "pcm_mulaw", "sample_rate": 8000}
            async with client(fake).stt.auto_finalize.websocket(**asked) as socket:
                for _ in range(30):
                    await socket.send_raw(sound(100))
                await socket.send({"type": "config", "turn": {"end_threshold": 0.1}})
                await socket.send({"type": "close"})
                async with asyncio.timeout(HANG):
                    return [event async for event in socket]

    heard = asyncio.run(run())
    assert [event.transcript for event in heard if event.type == "turn.end"] == [ORDER.text]
    session = fake.sessions[0]
    assert session.headers["Authorization"] == f"Bearer {fake.key}"
    assert session.headers["Cartesia-Version"] == API_VERSION
    for message in session.sent:
        judged(STTAutoFinalizeWebsocketResponse, {**message, "request_id": "r1"})


@pytest.mark.faults("E5", "E6")
def test_the_vendor_s_types_take_all_that_our_stt_send() -> None:
    fake = FakeInk([ORDER])

    async def scenario(stt: Any, events: Any) -> None:
        for asked, wanted in (("What is your order number?", Expected(Kind.DIGITS)), ("Thank you.", OPEN)):
            stt.expect(asked, wanted)
        for _ in range(30):
            stt.send_audio(sound(100))
            await asyncio.sleep(0)
        await events.final()

    async def run() -> None:
        async with fake:
            await listen(ink(fake, keyterms=("Sipgw", "tyres")), scenario)

    asyncio.run(run())
    (session,) = fake.sessions
    query = {name: value for name, value in session.pairs if name != "keyterm"}
    terms = [value for name, value in session.pairs if name == "keyterm"]
    judged(AutoFinalizeWebsocketParams, {**query, "keyterm": terms})
    assert len(session.messages) == 3
    for message in session.messages:
        judged(STTAutoFinalizeWebsocketRequest, message)
    for message in session.sent:
        judged(STTAutoFinalizeWebsocketResponse, {**message, "request_id": "r1"})


@pytest.mark.faults("E5", "E6")
def test_the_vendor_s_client_holds_a_session_with_sonic() -> None:
    fake, told = FakeSonic(), list[Any]()
    sentence = {
        "model_id": "sonic-3.5",
        "transcript": "Hello there.",
        "voice": {"mode": "id", "id": "a0e99841-438c-4a64-b679-ae501e7d6091"},
        "language": "en",
        "context_id": "one",
        "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
        "continue": False,
    }

    async def run() -> bytes:
        async with fake, client(fake).tts.websocket_connect() as socket, asyncio.timeout(HANG):
            await socket.send(sentence)
            while not (told and told[-1].type == "done"):
                told.append(await socket.recv())
            await socket.send({"context_id": "one", "cancel": True})
            return b"".join(event.audio for event in told if event.type == "chunk")

    assert asyncio.run(run()) == sound_of("Hello there.")
    assert fake.sessions[0].headers["Authorization"] == f"Bearer {fake.key}"


@pytest.mark.faults("E5", "E6")
def test_the_vendor_s_types_take_all_that_our_voice_sends() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, "Hello there.")
        stream = voice.speak("Never mind.")
        await anext(stream)
        await stream.aclose()
        await fake.until(lambda: any("cancel" in message for message in fake.sessions[0].messages))
        return fake.sessions[0]

    session = speaking(
        SONIC, scenario, TtsFaults(sentence=2, hold_after=2), extra={"generation_config": {"speed": 1.1}}
    )
    assert session.headers["Authorization"].startswith("Bearer ")
    assert len(session.messages) == 5
    for message in session.messages:
        if "voice" in message:  # "other fields may be added": the type lets any stand beside `id`
            assert message["voice"].pop("mode") == "id"
        judged(WebsocketClientEventParam, message)
    for message in session.sent:
        judged(WebsocketResponse, message)
