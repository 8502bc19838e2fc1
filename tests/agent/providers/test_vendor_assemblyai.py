"""AssemblyAI's own clients against our fakes, and its types on what we send."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from assemblyai.streaming.v3 import models as streaming
from assemblyai.streaming.v3.async_client import AsyncRealTimeTranscriber
from assemblyai.tts.v1 import ws_models as speech
from assemblyai.tts.v1.async_session import AsyncTTSSession
from assemblyai.tts.v1.models import TTSConfig
from assemblyai.types import Settings

from tests.agent.providers.listening import listen, sound
from tests.agent.providers.test_stt_languages import assemblyai
from tests.agent.providers.vendors import by_type, judged, plain
from tests.agent.providers.voicing import ASSEMBLYAI, said, speaking
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.assemblyai_tts import FakeAssemblyAITts
from tests.fakes.elevenlabs import sound_of
from tests.waiting import HANG

ORDER = Said("Where is my order?", 500, 1500)
UNKNOWN = ("utterance", "confidence")
"""Fields of AssemblyAI's specification of the stream (Turn, SpeechStarted) that the package leaves out."""


class Update(streaming.UpdateConfiguration):
    """`mode` is among the fields of AssemblyAI's page on UpdateConfiguration; the package 1.8.2 lacks it."""

    mode: streaming.StreamingMode | None = None


SENT = {
    "UpdateConfiguration": Update,
    "Terminate": streaming.TerminateSession,
    "ForceEndpoint": streaming.ForceEndpoint,
    "KeepAlive": streaming.KeepAlive,
}
TOLD = {
    "Begin": streaming.BeginEvent,
    "SpeechStarted": streaming.SpeechStartedEvent,
    "Turn": streaming.TurnEvent,
    "Termination": streaming.TerminationEvent,
    "Error": streaming.ErrorEvent,
}


def judge_told(fake: FakeAssemblyAI) -> None:
    for message in fake.sessions[0].sent:
        by_type(TOLD, message, unknown=UNKNOWN)


@pytest.mark.faults("E6")
@pytest.mark.parametrize("model", ["universal-3-6-pro", "u3-rt-pro", "universal-streaming-english"])
def test_the_vendor_s_client_holds_a_session_with_the_fake(model: str) -> None:
    fake, heard = FakeAssemblyAI([ORDER]), list[Any]()

    async def run() -> None:
        async with fake:
            client = AsyncRealTimeTranscriber(streaming.RealTimeTranscriberOptions(api_host=fake.url, api_key=fake.key))
            for event in streaming.RealTimeEvents:
                client.on(event, lambda _client, event: heard.append(event))
            asked = streaming.RealTimeParameters(  # type: ignore[call-arg]
                sample_rate=8000, encoding=streaming.Encoding.pcm_mulaw, speech_model=streaming.SpeechModel(model)
            )
            await client.connect(asked)
            await client.set_params(streaming.RealTimeSessionParameters(keyterms_prompt=["Sipgw"]))
            for _ in range(30):
                await client.stream(sound(100))
            await fake.until(lambda: len(fake.sessions[0].audio) == 24_000)
            await client.force_endpoint()
            await client.disconnect(terminate=True)

    asyncio.run(run())
    assert not [event for event in heard if isinstance(event, streaming.RealTimeError | streaming.ErrorEvent)]
    assert [event.transcript for event in heard if isinstance(event, streaming.TurnEvent) and event.end_of_turn] == [
        ORDER.text
    ]
    (ended,) = [event for event in heard if isinstance(event, streaming.TerminationEvent)]
    assert ended.audio_duration_seconds == 3
    judge_told(fake)


@pytest.mark.faults("E2", "E6")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "u3-rt-pro", "languages": ("en", "es")},
        {"mode": "min_latency", "extra": {"vad_threshold": 0.5, "interruption_delay": 300, "voice_focus": "far-field"}},
        {"keyterms": ("Sipgw",), "language": "de", "extra": {"prompt": "Orders of tyres.", "min_turn_silence": 300}},
        {"redact": ("credit_card_number",), "languages": ("en", "es")},
    ],
)
def test_the_vendor_s_types_take_all_that_our_stt_send(options: dict[str, Any]) -> None:
    fake = FakeAssemblyAI([ORDER])

    async def scenario(stt: Any, events: Any) -> None:
        for asked in ("How can I help?", "What is your order number?", "Thank you."):
            stt.expect(asked)
        stt.set_language("fr")
        for _ in range(30):
            stt.send_audio(sound(100))
            await asyncio.sleep(0)
        await events.final()

    async def run() -> None:
        async with fake:
            await listen(assemblyai(fake, **options), scenario)

    asyncio.run(run())
    (session,) = fake.sessions
    judged(streaming.RealTimeParameters, plain(session.query, streaming.RealTimeParameters))
    assert len(session.messages) >= 3
    for message in session.messages:
        by_type(SENT, message)
    judge_told(fake)


SPOKEN = {
    "Begin": speech.TTSBeginEvent,
    "Audio": speech.TTSAudioEvent,
    "FlushDone": speech.TTSFlushDoneEvent,
    "WordBoundaries": speech.TTSWordBoundariesEvent,
    "Cancelled": speech.TTSCancelledEvent,
    "Termination": speech.TTSTerminationEvent,
}


@pytest.mark.faults("E6")
def test_the_vendor_s_voice_client_holds_a_session_with_the_fake() -> None:
    fake = FakeAssemblyAITts()

    async def run() -> tuple[bytes, Any]:
        async with fake:
            client = SimpleNamespace(settings=Settings(api_key=fake.key, tts_base_url=fake.url))
            session = AsyncTTSSession(TTSConfig(encoding="pcm_mulaw", sample_rate=8000), client=client)  # type: ignore[arg-type]
            async with asyncio.timeout(HANG):
                await session.connect()
                spoken = b"".join([piece async for piece in session.speak("Hello there.")])
                await session.generate("Never mind.")
                await session.cancel()
                return spoken, await session.terminate()

    spoken, ended = asyncio.run(run())
    assert spoken == sound_of("Hello there.")
    assert ended.total_input_char_length >= len("Hello there.")
    for message in fake.sessions[0].sent:
        by_type(SPOKEN, message, unknown=("type",))


def test_the_vendor_s_voice_takes_the_query_that_we_ask_with() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, "Hello there.")
        return fake.sessions[0].query

    query = speaking(ASSEMBLYAI, scenario, language="es")
    judged(TTSConfig, {**query, "sample_rate": int(query["sample_rate"])})
