# mypy: disable-error-code="arg-type"
"""Deepgram's own client against our fakes, and its types on what we send."""

import asyncio
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1 import types as nova
from deepgram.listen.v2 import types as flux
from deepgram.speak.v1 import types as aura
from deepgram.speak.v2 import types as voice2

from tests.agent.providers.listening import listen, sound
from tests.agent.providers.test_stt_languages import deepgram
from tests.agent.providers.vendors import by_type
from tests.agent.providers.voicing import AURA, FLUX, said, speaking
from tests.fakes.assemblyai import Said
from tests.fakes.aura import FakeAura, FakeFluxTts
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import TtsFaults, sound_of
from tests.waiting import HANG

ORDER = Said("Where is my order?", 500, 1500)
SENT = {
    "nova-3": {
        "KeepAlive": nova.ListenV1KeepAlive,
        "Finalize": nova.ListenV1Finalize,
        "CloseStream": nova.ListenV1CloseStream,
    },
    "flux-general-en": {
        "Configure": flux.ListenV2Configure,
        "ForceEndTurn": flux.ListenV2ForceEndTurn,
        "CloseStream": flux.ListenV2CloseStream,
    },
}
TOLD = {
    "nova-3": {
        "Results": nova.ListenV1Results,
        "SpeechStarted": nova.ListenV1SpeechStarted,
        "UtteranceEnd": nova.ListenV1UtteranceEnd,
        "Metadata": nova.ListenV1Metadata,
        "Error": nova.ListenV1Error,
    },
    "flux-general-en": {
        "Connected": flux.ListenV2Connected,
        "TurnInfo": flux.ListenV2TurnInfo,
        "ConfigureSuccess": flux.ListenV2ConfigureSuccess,
        "ConfigureFailure": flux.ListenV2ConfigureFailure,
        "Error": flux.ListenV2FatalError,
    },
}
TOLD["flux-general-multi"] = TOLD["flux-general-en"]


def client(fake: Any) -> AsyncDeepgramClient:
    here = DeepgramClientEnvironment(base=fake.url, production=fake.url, agent=fake.url, agent_rest=fake.url)
    return AsyncDeepgramClient(api_key=fake.key, environment=here)


@pytest.mark.faults("E4", "E6")
def test_the_vendor_s_client_holds_a_session_with_flux() -> None:
    """A turn that it has ended by hand, and one after it: the session goes on."""
    fake = FakeDeepgram([ORDER, Said("Hello?", 3000, 3400)])

    async def run() -> list[Any]:
        async with fake:
            asked = {"model": "flux-general-en", "encoding": "mulaw", "sample_rate": 8000, "redact": "numbers"}
            async with client(fake).listen.v2.connect(**asked, keyterm=["Sipgw"], eager_eot_threshold=0.5) as socket:
                for _ in range(16):
                    await socket.send_media(sound(100))
                await socket.send_force_end_turn()
                await socket.send_configure(flux.ListenV2Configure(thresholds={"eot_threshold": 0.8}))
                for _ in range(30):
                    await socket.send_media(sound(100))
                await socket.send_configure({"type": "Configure", "keyterms": ["x" * 101]})
                await socket.send_close_stream()
                async with asyncio.timeout(HANG):
                    return [message async for message in socket]

    heard = asyncio.run(run())
    ends = [one for one in heard if getattr(one, "event", "") == "EndOfTurn"]
    assert [(one.transcript, one.trigger, one.turn_index) for one in ends] == [
        (ORDER.text, "manual", 0),
        ("Hello?", "model", 1),
    ]
    assert (ends[0].words[-1].start, ends[0].words[-1].end) == (1.25, 1.5)
    assert [one.sequence_id for one in heard] == list(range(len(heard)))
    assert isinstance(heard[-1], flux.ListenV2ConfigureFailure)
    for message in fake.sessions[0].sent:
        by_type(TOLD["flux-general-en"], message)


@pytest.mark.faults("E6")
def test_the_vendor_s_client_holds_a_session_with_nova() -> None:
    fake = FakeDeepgram([ORDER])

    async def run() -> list[Any]:
        async with fake:
            asked = {"model": "nova-3", "encoding": "mulaw", "sample_rate": 8000, "interim_results": True}
            async with client(fake).listen.v1.connect(**asked, vad_events=True, utterance_end_ms=1000) as socket:
                await socket.send_keep_alive()
                for _ in range(14):
                    await socket.send_media(sound(100))
                await socket.send_finalize()
                for _ in range(16):
                    await socket.send_media(sound(100))
                await socket.send_close_stream()
                async with asyncio.timeout(HANG):
                    return [message async for message in socket]

    heard = asyncio.run(run())
    results = [one for one in heard if isinstance(one, nova.ListenV1Results)]
    assert any(one.from_finalize for one in results)
    assert isinstance(heard[-1], nova.ListenV1Metadata)
    for message in fake.sessions[0].sent:
        by_type(TOLD["nova-3"], message)


@pytest.mark.faults("E6")
@pytest.mark.parametrize("terms", [[""], ["Sipgw", "x" * 101]])
def test_one_stray_key_term_refuses_the_session(terms: list[str]) -> None:
    fake = FakeDeepgram([ORDER])

    async def run() -> None:
        async with fake:
            asked = {"model": "flux-general-en", "encoding": "mulaw", "sample_rate": 8000, "keyterm": terms}
            async with client(fake).listen.v2.connect(**asked):
                pass

    with pytest.raises(Exception, match="400"):
        asyncio.run(run())


@pytest.mark.faults("E4", "E6")
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("nova-3", {"redact": ("pci",), "keyterms": ("Sipgw",)}),
        ("flux-general-en", {"redact": ("numbers",), "keyterms": ("Sipgw",)}),
        ("flux-general-multi", {"languages": ("en", "es")}),
    ],
)
def test_the_vendor_s_types_take_all_that_our_stt_send(model: str, options: dict[str, Any]) -> None:
    fake = FakeDeepgram([ORDER])

    async def scenario(stt: Any, events: Any) -> None:
        for asked in ("What is your order number?", "Thank you."):
            stt.expect(asked)
        for _ in range(30):
            stt.send_audio(sound(100))
            await asyncio.sleep(0)
        await events.final()

    async def run() -> None:
        async with fake:
            await listen(deepgram(fake, model=model, **options), scenario)

    asyncio.run(run())
    (session,) = fake.sessions
    for message in session.messages:
        by_type(SENT.get(model, SENT["flux-general-en"]), message)
    for message in session.sent:
        by_type(TOLD[model], message)


SPOKEN = {
    "Metadata": aura.SpeakV1Metadata,
    "Flushed": aura.SpeakV1Flushed,
    "Cleared": aura.SpeakV1Cleared,
    "Warning": aura.SpeakV1Warning,
}


@pytest.mark.faults("E6")
def test_the_vendor_s_client_holds_a_session_with_aura() -> None:
    fake = FakeAura()

    async def run() -> tuple[bytes, list[Any]]:
        async with fake:
            asked = {"model": "aura-2-thalia-en", "encoding": "mulaw", "sample_rate": 8000}
            async with client(fake).speak.v1.connect(**asked) as socket, asyncio.timeout(HANG):
                await socket.send_text(aura.SpeakV1Text(text="Hello there."))
                await socket.send_flush()
                told, spoken = list[Any](), b""
                while not (told and told[-1].type == "Flushed"):
                    one = await socket.recv()
                    if isinstance(one, bytes):
                        spoken += one
                    else:
                        told.append(one)
                await socket.send_clear()
                await socket.send_close()
                return spoken, told

    spoken, told = asyncio.run(run())
    assert spoken == sound_of("Hello there.")
    assert [one.type for one in told] == ["Metadata", "Flushed"]
    for message in fake.sessions[0].sent:
        by_type(SPOKEN, message)


def test_the_vendor_s_types_take_all_that_our_voice_sends() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, "Hello there.")
        return fake.sessions[0]

    session = speaking(AURA, scenario)
    kinds = {
        "Speak": aura.SpeakV1Text,
        "Flush": aura.SpeakV1Flush,
        "Clear": aura.SpeakV1Clear,
        "Close": aura.SpeakV1Close,
    }
    for message in session.messages:
        by_type(kinds, message)
    for message in session.sent:
        by_type(SPOKEN, message)


TURNS = {
    "Connected": voice2.SpeakV2Connected,
    "SpeechStarted": voice2.SpeakV2SpeechStarted,
    "Flushed": voice2.SpeakV2Flushed,
    "SpeechMetadata": voice2.SpeakV2SpeechMetadata,
    "SpeechInterrupted": voice2.SpeakV2SpeechInterrupted,
    "SessionMetadata": voice2.SpeakV2SessionMetadata,
    "ConfigureSuccess": voice2.SpeakV2ConfigureSuccess,
    "Warning": voice2.SpeakV2Warning,
    "Error": voice2.SpeakV2Error,
}
ASKED = {"model": "flux-haley-en", "encoding": "mulaw", "sample_rate": 8000}


def test_the_vendor_s_client_holds_a_session_with_flux_voices() -> None:
    """A turn, one that is interrupted, and what is ignored with a warning."""
    fake = FakeFluxTts(TtsFaults(sentence=2, hold_after=5))

    async def run() -> tuple[bytes, list[Any]]:
        async with fake, client(fake).speak.v2.connect(**ASKED, speed=1.1) as socket, asyncio.timeout(HANG):
            told, spoken = list[Any](), b""

            async def until(kind: str) -> None:
                nonlocal spoken
                while not (told and told[-1].type == kind):
                    one = await socket.recv()
                    if isinstance(one, bytes):
                        spoken += one
                    else:
                        told.append(one)

            await socket.send_interrupt()
            await until("Warning")
            await socket.send_speak(voice2.SpeakV2Speak(text="Hello there."))
            await socket.send_flush()
            await until("SpeechMetadata")
            first = spoken
            await socket.send_speak(voice2.SpeakV2Speak(text="How are you today?"))
            await socket.send_flush()
            await until("SpeechStarted")
            while len(spoken) < len(first) + 4000:
                spoken += await socket.recv()
            at = voice2.SpeakV2InterruptPlaybackOffset(value=len(first) // 8 + 600)
            await socket.send_interrupt(voice2.SpeakV2Interrupt(playback_offset=at))
            await until("SpeechInterrupted")
            await socket.send_interrupt(voice2.SpeakV2Interrupt(playback_offset=at))
            await until("Warning")
            await socket.send_configure(voice2.SpeakV2Configure(speed=1.2))
            await socket.send_close()
            await until("SessionMetadata")
            return first, told

    first, told = asyncio.run(run())
    assert first == sound_of("Hello there.")
    assert [one.type for one in told] == [
        *("Connected", "Warning", "SpeechStarted", "Flushed", "SpeechMetadata", "SpeechStarted", "SpeechInterrupted"),
        *("Warning", "ConfigureSuccess", "SessionMetadata"),
    ]
    assert (told[6].text_spoken, told[6].text_remaining) == ("How are", " you today?")
    assert told[9].total_audio_duration_ms == told[6].audio_played_ms
    for message in fake.sessions[0].sent:
        by_type(TURNS, message)


@pytest.mark.parametrize("more", [{"model": "aura-2-thalia-en"}, {"sample_rate": 24000}, {"speed": 1.07}])
def test_flux_voices_refuse_what_is_not_theirs(more: dict[str, Any]) -> None:
    async def run() -> None:
        async with FakeFluxTts() as fake, client(fake).speak.v2.connect(**{**ASKED, **more}):
            pass

    with pytest.raises(Exception, match="400"):
        asyncio.run(run())


def test_the_vendor_s_types_take_all_that_our_flux_voice_sends() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, "Hello there.")
        stream = voice.speak("One two three four five.")
        inquiry = [await anext(stream) for _ in range(2)][1]
        inquiry.ask(800, lambda _: None)
        await stream.aclose()
        stream = voice.speak("Never mind, never mind.")
        await anext(stream)
        await stream.aclose()
        await fake.until(lambda: fake.sessions[0].messages[-1]["type"] == "Interrupt")
        return fake.sessions[0]

    session = speaking(FLUX, scenario, TtsFaults(sentence=2, hold_after=2, times=2))
    kinds = {
        "Speak": voice2.SpeakV2Speak,
        "Flush": voice2.SpeakV2Flush,
        "Interrupt": voice2.SpeakV2Interrupt,
        "Close": voice2.SpeakV2Close,
    }
    for message in session.messages:
        by_type(kinds, message)
    for message in session.sent:
        by_type(TURNS, message)
    assert [message.get("playback_offset") for message in session.messages if message["type"] == "Interrupt"] == [
        {"type": "time_ms", "value": len(sound_of("Hello there.")) // 8 + 100},
        None,
    ]
