"""ElevenLabs' and Amazon's own clients against our fakes, and their types on what we send."""

import asyncio
import base64
import json
import re
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from elevenlabs import types as eleven
from elevenlabs.client import AsyncElevenLabs
from websockets.asyncio.client import connect

from agent.providers.polly import PollyOptions, PollySpeech
from tests.agent.providers.vendors import judged
from tests.agent.providers.voicing import DIALOGUE, HTTP, POLLY, WS, said, speaking
from tests.fakes.elevenlabs import FakeElevenLabs, TtsFaults, sound_of
from tests.fakes.elevenlabs_http import FakeElevenLabsHttp
from tests.fakes.speech_http import FakePolly

WORDS = "Hello there."


def client(fake: Any) -> AsyncElevenLabs:
    return AsyncElevenLabs(api_key=fake.key, base_url=fake.url)


@pytest.mark.faults("E6")
def test_elevenlabs_client_speaks_with_the_fake() -> None:
    async def run() -> bytes:
        async with FakeElevenLabsHttp() as fake:
            asked = {"text": WORDS, "model_id": "eleven_flash_v2_5", "output_format": "ulaw_8000"}
            stream = client(fake).text_to_speech.stream_with_timestamps("george", **asked)
            return b"".join([base64.b64decode(one.audio_base_64) async for one in stream])

    assert asyncio.run(run()) == sound_of(WORDS)


def judge_multi(message: dict[str, Any]) -> None:
    """A message to multi-stream-input: its kind shows by its fields."""
    kinds = {
        "close_socket": eleven.CloseSocket,
        "close_context": eleven.CloseContext,
        "flush": eleven.FlushContext,
        "voice_settings": eleven.InitialiseContext,
    }
    kind = next((kind for name, kind in kinds.items() if name in message), eleven.SendTextMulti)
    if kind is eleven.SendTextMulti and message["text"] in ("", " "):
        kind = eleven.InitializeConnectionMulti if message["text"] else eleven.KeepContextAlive
    judged(kind, message)


@pytest.mark.faults("E6")
@pytest.mark.parametrize("options", [{}, {"extra": {"voice_settings": {"speed": 1.1, "stability": 0.4}}}])
def test_elevenlabs_types_take_all_that_our_voice_and_the_fake_send(options: dict[str, Any]) -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, WORDS)
        stream = voice.speak("Never mind.")
        await anext(stream)
        await stream.aclose()
        return fake.sessions[0]

    session = speaking(WS, scenario, TtsFaults(sentence=2, hold_after=2), keepalive=0.02, **options)
    assert len(session.messages) >= 5
    for message in session.messages:
        judge_multi(message)
    for message in session.sent:
        judged(eleven.FinalOutputMulti if "isFinal" in message else eleven.AudioOutputMulti, message)


def test_elevenlabs_types_take_all_that_our_dialogue_and_the_fake_send() -> None:
    """The package has no client for this websocket."""

    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, WORDS)
        stream = voice.speak("Never mind.")
        await anext(stream)
        await stream.aclose()
        return fake.sessions[0]

    extra = {"voice_settings": {"stability": 0.4, "speed": 1.1}}
    session = speaking(DIALOGUE, scenario, TtsFaults(sentence=2, hold_after=2), keepalive=0.02, extra=extra)
    assert len(session.messages) >= 5
    for message in session.messages:
        judged(eleven.TextToDialogueWebsocketClientMessageMulti, message)
    kinds = {
        "audio": eleven.TextToDialogueWebsocketAudioChunkMulti,
        "is_final": eleven.TextToDialogueWebsocketFinalMulti,
        "is_final_audio_for_turn": eleven.TextToDialogueWebsocketFinalAudioForTurnMulti,
    }
    for message in session.sent:
        judged(next(kind for name, kind in kinds.items() if name in message), message)


@pytest.mark.faults("E6")
def test_a_sixth_context_is_refused_by_the_code_of_the_service() -> None:
    async def run() -> Any:
        async with FakeElevenLabs() as fake:
            path = "/v1/text-to-speech/george/multi-stream-input?model_id=eleven_flash_v2_5&output_format=ulaw_8000"
            url = fake.url.replace("http", "ws", 1) + path
            async with connect(url, additional_headers={"xi-api-key": fake.key}) as socket:
                for number in range(6):
                    opening = eleven.InitialiseContext(text=" ", context_id=f"c{number}")
                    await socket.send(opening.model_dump_json(exclude_none=True))
                return json.loads(await socket.recv())

    assert asyncio.run(run())["error"] == "max_active_conversations"


def test_elevenlabs_client_sends_what_we_send() -> None:
    """Where the package has no type for a body: it is laid beside the client's own."""

    async def ours(voice: Any, fake: Any) -> Any:
        await said(voice, WORDS)
        (one,) = [one for one in fake.exchanges if one.method == "POST"]
        return json.loads(one.body)

    async def theirs() -> Any:
        async with FakeElevenLabsHttp() as fake:
            settings = eleven.VoiceSettings(speed=1.1)
            asked = {"text": WORDS, "model_id": "eleven_flash_v2_5", "output_format": "ulaw_8000"}
            stream = client(fake).text_to_speech.stream_with_timestamps("george", **asked, voice_settings=settings)
            [piece async for piece in stream]
            return json.loads(fake.exchanges[0].body)

    assert speaking(HTTP, ours, extra={"voice_settings": {"speed": 1.1}}) == asyncio.run(theirs())


def polly(fake: Any) -> Any:
    """It signs and sends on its own, in a thread; its models come with the package."""
    session = botocore.session.Session()
    session.set_credentials(fake.key, "secret")
    once = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=5)
    return session.create_client("polly", region_name="us-east-1", endpoint_url=fake.url, config=once)


def spoken(client: Any, body: dict[str, Any]) -> bytes:
    """What Amazon's client, which blocks, brings."""
    return client.synthesize_speech(**body)["AudioStream"].read()


@pytest.mark.faults("E6")
def test_amazon_s_client_speaks_with_the_fake_and_sends_what_we_send() -> None:
    async def ours(voice: Any, fake: Any) -> Any:
        await said(voice, WORDS)
        (one,) = [one for one in fake.exchanges if one.method == "POST"]
        return json.loads(one.body)

    body = speaking(POLLY, ours)

    async def theirs() -> tuple[bytes, Any]:
        async with FakePolly(key="k") as fake:
            answer = await asyncio.to_thread(spoken, polly(fake), body)  # noqa: TID251
            return answer, json.loads(fake.exchanges[0].body)

    assert asyncio.run(theirs()) == (sound_of(WORDS), body)


def test_amazon_s_client_gets_marks_of_the_fake_by_what_we_ask() -> None:
    _, _, body = PollySpeech(PollyOptions(api_key="k", secret_key="secret")).marks_request(WORDS)

    async def theirs() -> tuple[bytes, Any]:
        async with FakePolly(key="k") as fake:
            answer = await asyncio.to_thread(spoken, polly(fake), json.loads(body))  # noqa: TID251
            return answer, json.loads(fake.exchanges[0].body)

    marks, sent = asyncio.run(theirs())
    assert sent == json.loads(body)
    assert [json.loads(line)["value"] for line in marks.splitlines()] == re.findall(r"[\w'-]+", WORDS)
