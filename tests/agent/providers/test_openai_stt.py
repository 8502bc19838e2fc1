"""OpenAI's transcription sessions, against a server as strict as OpenAI's types, which its own client drives, too."""

import asyncio
import base64
import json
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.realtime.realtime_transcription_session_create_response import (
    RealtimeTranscriptionSessionCreateResponse,
)

from agent.errors import ProviderError
from agent.providers.openai import OpenAIStt
from agent.providers.openai_listen import PIECES, OpenAISttOptions, OpenAISttSession
from agent.stt import Onset, Transcript
from tests.agent.providers.listening import listen, refused, sound
from tests.agent.providers.vendors import judged
from tests.fakes.assemblyai import Said
from tests.fakes.listening import Faults
from tests.fakes.openai_transcribe import FakeTranscribe
from tests.waiting import HANG

KEY = "transcribing-key"
ORDER = Said("Where is my order?", 500, 1500)
AGAIN = Said("It is late.", 3000, 3900)
BYE = Said("Bye.", 6000, 6500)


def stt(fake: FakeTranscribe, **more: Any) -> OpenAIStt:
    given = {"api_key": KEY, "url": fake.url, "retry_pause": 0.0, "silence_after": 60.0, "chunk": 0.1, **more}
    return OpenAIStt(OpenAISttOptions(**given))


def session(fake: FakeTranscribe, scenario: Any, **more: Any) -> Any:
    async def run() -> Any:
        async with fake:
            return await listen(stt(fake, **more), scenario)

    return asyncio.run(run())


async def speak(made: Any, milliseconds: int) -> None:
    for _ in range(0, milliseconds, 100):
        made.send_audio(sound(100))
        await asyncio.sleep(0.001)


async def until_text(events: Any, end: str) -> list[Any]:
    heard = [await events.next()]
    while not (isinstance(heard[-1], Transcript) and heard[-1].final and heard[-1].text.endswith(end)):
        heard.append(await events.next())
    return heard


def test_the_vendor_s_client_holds_a_session_with_the_fake() -> None:
    fake, told = FakeTranscribe([ORDER], key="k"), list[Any]()

    async def run() -> None:
        async with fake, AsyncOpenAI(api_key="k", base_url=fake.url.replace("ws", "http", 1)) as vendor:
            vendor.websocket_base_url = fake.url
            connecting = vendor.realtime.connect(extra_query={"intent": "transcription"})
            async with connecting as socket, asyncio.timeout(HANG):
                hearing: Any = {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "gpt-live-transcribe", "languages": ["en"]},
                    "turn_detection": {"type": "server_vad"},
                }
                await socket.session.update(session={"type": "transcription", "audio": {"input": hearing}})
                for _ in range(25):
                    await socket.input_audio_buffer.append(audio=base64.b64encode(sound(100)).decode())
                while not told or not told[-1].type.endswith("completed"):
                    told.append(await socket.recv())

    asyncio.run(run())
    assert told[-1].transcript == ORDER.text
    for message in fake.sessions[0].sent:
        if "session" in message:  # the type of the event has the request's fields only
            judged(RealtimeTranscriptionSessionCreateResponse, message["session"])
        else:
            judged(RealtimeServerEvent, message)


@pytest.mark.parametrize(
    ("options", "hearing"),
    [
        ({}, {"transcription": {"model": "gpt-transcribe"}}),
        (
            {
                "model": "gpt-live-transcribe",
                "languages": ("en", "es"),
                "keyterms": ("Rasheed",),
                "extra": {"noise_reduction": {"type": "near_field"}, "turn_detection": {"threshold": 0.6}},
            },
            {
                "transcription": {"model": "gpt-live-transcribe", "languages": ["en", "es"], "keywords": ["Rasheed"]},
                "noise_reduction": {"type": "near_field"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 400, "threshold": 0.6},
            },
        ),
        (
            {
                "model": "gpt-4o-transcribe",
                "language": "de",
                "keyterms": ("Rasheed",),
                "extra": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}},
            },
            {
                "transcription": {"model": "gpt-4o-transcribe", "language": "de"},
                "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
            },
        ),
    ],
)
def test_the_vendor_s_types_take_all_that_our_stt_sends(options: dict[str, Any], hearing: dict[str, Any]) -> None:
    fake = FakeTranscribe([ORDER], key=KEY)

    async def scenario(made: Any, events: Any) -> None:
        await speak(made, 2500)
        assert (await events.final()).text == ORDER.text
        made.set_language("fr", ("Zoe",))
        await speak(made, 100)
        await fake.until(lambda: len(fake.sessions[0].frames) >= 26)

    session(fake, scenario, **options)
    messages = fake.sessions[0].messages
    usual = {
        "format": {"type": "audio/pcmu"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
    }
    assert messages[0]["session"] == {"type": "transcription", "audio": {"input": usual | hearing}}
    for message in messages:
        judged(RealtimeClientEvent, message)
    assert not [message for message in fake.sessions[0].sent if message["type"] == "error"]
    if options.get("model") == "gpt-live-transcribe":
        changes = [one["session"]["audio"]["input"] for one in messages[1:] if one["type"] == "session.update"]
        assert changes[-1]["transcription"]["languages"] == ["fr"]
        assert changes[-1]["transcription"]["keywords"] == ["Zoe"]


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-live-transcribe"])
def test_words_are_told_as_they_come_and_are_final_when_silence_follows(model: str) -> None:
    async def scenario(made: Any, events: Any) -> list[Any]:
        await speak(made, 5000)
        return await until_text(events, AGAIN.text)

    heard = session(FakeTranscribe([ORDER, AGAIN], key=KEY), scenario, model=model)
    assert heard[0] == Onset(0.5)
    first = next(one for one in heard if isinstance(one, Transcript))
    assert first.text.startswith("Where")
    assert (first.end < 1.4) is (model == "gpt-live-transcribe")
    finals = [one for one in heard if isinstance(one, Transcript) and one.final]
    assert finals == [Transcript(ORDER.text, True, True, 1.5), Transcript(AGAIN.text, True, True, 3.9)]


@pytest.mark.parametrize(
    ("fake", "texts"),
    [
        (FakeTranscribe([ORDER, AGAIN, BYE], key=KEY, reversed_at=1), [f"{ORDER.text} {AGAIN.text}", BYE.text]),
        (FakeTranscribe([ORDER, AGAIN, BYE], key=KEY, failed_at=2), [ORDER.text, BYE.text]),
    ],
)
def test_texts_that_come_in_another_order_or_never_do_not_mix_the_words(fake: FakeTranscribe, texts: list[str]) -> None:
    async def scenario(made: Any, events: Any) -> list[Any]:
        await speak(made, 7500)
        return await until_text(events, BYE.text)

    assert [one.text for one in session(fake, scenario) if isinstance(one, Transcript) and one.final] == texts


def test_pieces_whose_text_never_comes_are_given_up() -> None:
    one = OpenAISttSession(OpenAISttOptions())
    one.begin()
    for number in range(PIECES + 9):
        one.receive(
            json.dumps({"type": "input_audio_buffer.speech_started", "item_id": f"i{number}", "audio_start_ms": 0})
        )
    assert len(one._pieces) == PIECES


def test_a_lost_session_is_replaced_and_heard_again() -> None:
    fake = FakeTranscribe([ORDER], [Said(ORDER.text, 100, 1000)], key=KEY, faults=Faults(drop=True, after_ms=1600))

    async def scenario(made: Any, events: Any) -> str:
        await speak(made, 1800)
        await fake.until(lambda: len(fake.sessions) == 2 and bool(fake.sessions[1].audio))
        await speak(made, 2000)
        return (await events.final()).text  # type: ignore[no-any-return]

    assert session(fake, scenario) == ORDER.text


def refusal(fake: FakeTranscribe, **more: Any) -> ProviderError:
    async def run() -> ProviderError:
        async with fake:
            return await refused(stt(fake, attempts=1, **more))

    error = asyncio.run(run())
    assert KEY not in f"{error} {error!r}"
    return error


def test_what_is_refused() -> None:
    assert "API key" in refusal(FakeTranscribe(key="another")).problem
    assert "does not know the model" in refusal(FakeTranscribe(key=KEY), model="whisper-9").problem
    assert refusal(FakeTranscribe(key=KEY, faults=Faults(refuse_status=429))).temporary


def test_options_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="finds no ends of turns"):
        OpenAISttOptions(model="gpt-realtime-whisper")
    with pytest.raises(ValueError, match="is not for server_vad"):
        OpenAISttOptions(extra={"turn_detection": {"eagerness": "high"}})
    with pytest.raises(ValueError, match="gateway decides"):
        OpenAISttOptions(extra={"transcription": {"model": "whisper-1"}})
