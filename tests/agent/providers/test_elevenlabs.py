"""The ElevenLabs voices, by websocket and by HTTP, against servers as strict as the real ones."""

import asyncio
import base64
from contextlib import aclosing
from dataclasses import replace

import httpx
import pytest
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core import ApiError

from agent.authorities import tls
from agent.errors import ProviderError
from agent.providers.elevenlabs import ElevenLabsOptions, body_fault
from agent.providers.elevenlabs_tts import ElevenLabsTts
from agent.tts import sound_alone
from tests.agent.providers.voicing import HTTP, KEY, WS, failure, said, speaking
from tests.fakes.elevenlabs import FakeElevenLabs, TtsFaults, pieces, sound_of
from tests.fakes.elevenlabs_http import FakeElevenLabsHttp

both = pytest.mark.parametrize("kind", [WS, HTTP], ids=["websocket", "http"])

# Both ways.


@both
def test_a_wrong_key_is_told_with_the_name_that_it_has_here(kind):
    error = failure(kind, None, key="another")
    assert "ELEVENLABS_API_KEY" in error.advice


@both
@pytest.mark.parametrize("code", ["quota_exceeded", "voice_not_found", "detected_unusual_activity"])
def test_the_service_says_why_it_refuses(kind, code):
    error = failure(kind, TtsFaults(error=(code, f"words {KEY}"), refuse_status=None if kind is WS else 401))
    assert not error.temporary
    assert "words ***" in str(error)


@both
def test_a_cancelled_sentence_leaves_no_sound_behind(kind):
    async def scenario(voice, fake):
        first = voice.speak("This will be interrupted.")
        await anext(first)
        await first.aclose()
        if kind is WS:
            fake.release()  # the sound of the first goes on coming while the second is spoken
        else:
            await fake.until_cancelled()
        return await said(voice, "Yes?")

    assert speaking(kind, scenario, TtsFaults(hold_after=2)) == sound_of("Yes?")


# The websocket.


def test_the_order_of_messages_is_the_one_that_the_service_wants():
    async def scenario(voice, fake):
        await said(voice, "Hello\n there.")
        await voice.close()
        await fake.until(lambda: fake.sessions[0].ended)
        return fake.sessions[0]

    session = speaking(WS, scenario, extra={"voice_settings": {"stability": 0.4, "speed": 1.1}}, language="en")
    assert session.messages == [
        {"text": " ", "voice_settings": {"stability": 0.4, "speed": 1.1}, "context_id": "c1"},
        {"text": "Hello there. ", "context_id": "c1"},
        {"flush": True, "context_id": "c1"},
        {"text": " ", "voice_settings": {"stability": 0.4, "speed": 1.1}, "context_id": "c2"},
        {"close_socket": True},
    ]
    assert session.path == "/v1/text-to-speech/george/multi-stream-input"
    assert session.query == {
        "model_id": "eleven_flash_v2_5",
        "output_format": "ulaw_8000",
        "auto_mode": "true",
        "inactivity_timeout": "60",
        "sync_alignment": "true",
        "language_code": "en",
    }


def test_a_context_is_closed_when_its_sound_has_begun_and_not_before():
    """Under load the service obeys the close before it knows of the text, and the sentence is swallowed."""

    async def scenario(voice, fake):
        return await said(voice, "Hello there."), fake.texts

    unaligned = {"delay": 0.05, "aligned": False}
    assert speaking(WS, scenario, fake_options=unaligned) == (sound_of("Hello there."), ["Hello there."])


def test_the_context_of_a_sentence_that_is_no_longer_wanted_is_closed_at_once_and_once():
    async def scenario(voice, fake):
        async with asyncio.TaskGroup() as group:
            unwanted = group.create_task(said(voice, "One."))
            await fake.until(lambda: fake.texts == ["One."])
            unwanted.cancel()
        closing = {"close_context": True, "context_id": "c1"}
        await fake.until(lambda: closing in fake.sessions[0].messages)
        assert fake.texts == ["One."]
        fake.release()
        assert await said(voice, "Two.") == sound_of("Two.")
        assert len(fake.sessions) == 1
        return fake.sessions[0].messages.count(closing)

    assert speaking(WS, scenario, TtsFaults(hold_after=0)) == 1


def test_both_spellings_of_the_keys_are_understood():
    async def scenario(voice, _fake):
        return await said(voice, "Hello.")

    assert speaking(WS, scenario, fake_options={"snake_case": True}) == sound_of("Hello.")


def test_sentences_may_overlap_and_never_mix():
    texts = [f"This is sentence number {number}." for number in range(8)]

    async def scenario(voice, fake):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(said(voice, text)) for text in texts]
        assert fake.most_contexts <= 5
        assert len(fake.sessions) == 1
        return [task.result() for task in tasks]

    assert speaking(WS, scenario) == [sound_of(text) for text in texts]


def test_the_idle_socket_is_kept_alive():
    async def scenario(_voice, fake):
        sign = {"text": "", "context_id": "c1"}
        await fake.until(lambda: fake.sessions[0].messages.count(sign) >= 3)

    speaking(WS, scenario, keepalive=0.01)


def test_a_socket_that_died_between_sentences_is_replaced_at_once_and_no_more_than_once():
    async def scenario(voice, fake):
        first = await said(voice, "One.")
        fake.sessions[0].cut()
        await fake.until(lambda: len(fake.sessions) == 2)
        second = await said(voice, "Two.")
        assert len(fake.sessions) == 2, "the sentence found it open"
        fake.sessions[1].cut()
        await fake.until(lambda: len(fake.sessions) == 3)
        fake.sessions[2].cut()
        await fake.until(lambda: fake.sessions[2].ended)
        await asyncio.sleep(0.05)
        assert len(fake.sessions) == 3, "a server that hangs up again and again is left alone until there is a sentence"
        return first, second, await said(voice, "Three.")

    assert speaking(WS, scenario) == (sound_of("One."), sound_of("Two."), sound_of("Three."))


@pytest.mark.parametrize(
    "faults", [TtsFaults(cut_after=0), TtsFaults(error=("system_busy", "")), TtsFaults(nonsense=True)]
)
def test_a_sentence_that_was_lost_before_its_first_sound_is_said_once_more(faults):
    async def scenario(voice, fake):
        return await said(voice, "Hello there."), fake.texts

    assert speaking(WS, scenario, faults) == (sound_of("Hello there."), ["Hello there.", "Hello there."])


class Mute(FakeElevenLabs):
    """Never ends a context, and sends no sound but the first piece of each."""

    async def _send_sound(self, session, name, ulaw, faults):
        await super()._send_sound(session, name, ulaw, TtsFaults(hold_after=1))


def test_a_socket_that_does_not_end_what_was_broken_off_is_replaced():
    async def scenario(voice, fake):
        for number in range(9):
            async with aclosing(voice.speak(f"Sentence number {number}.")) as pieces:
                await anext(pieces)
        return len(fake.sessions), fake.most_contexts

    assert speaking(replace(WS, fake=Mute), scenario, first_sound_limit=0.5) == (3, 4)


@pytest.mark.parametrize(("status", "temporary"), [(401, False), (403, False), (429, True), (502, True)])
def test_a_refused_upgrade_keeps_its_meaning(status, temporary):
    async def run():
        async with FakeElevenLabs(TtsFaults(refuse_status=status), key=KEY) as fake:
            voice = ElevenLabsTts(ElevenLabsOptions(api_key=KEY, url=fake.url))
            with pytest.raises(ProviderError) as caught:
                await voice.open()
            return caught.value.temporary

    assert asyncio.run(run()) is temporary


# HTTP.


def test_the_request_is_for_mu_law_with_the_settings():
    async def scenario(voice, fake):
        await said(voice, "Hello.")
        return fake.exchanges[0]

    extra = {"voice_settings": {"stability": 0.4}, "enable_logging": False, "seed": 7}
    exchange = speaking(HTTP, scenario, extra=extra, language="en")
    assert exchange.path == "/v1/text-to-speech/george/stream/with-timestamps"
    assert exchange.query == {"output_format": "ulaw_8000", "enable_logging": "false"}
    assert b"enable_logging" not in exchange.body  # where it would mean nothing
    assert b'"seed":7' in exchange.body.replace(b" ", b"")
    assert b'"stability":0.4' in exchange.body.replace(b" ", b"")
    assert b'"eleven_flash_v2_5"' in exchange.body


@both
def test_the_multilingual_models_are_not_told_a_language(kind):
    async def scenario(voice, _fake):
        return await said(voice, "Hallo.")

    assert speaking(kind, scenario, model="eleven_multilingual_v2", language="de") == sound_of("Hallo.")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        *((model, "de") for model in ("eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_v3", "eleven_v4_turbo")),
        *((model, "") for model in ("eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1")),
    ],
)
def test_models_of_english_alone_are_not_told_a_language(model, told):
    transport = "dialogue" if model.startswith("eleven_v") else "websocket"
    assert ElevenLabsOptions(model=model, transport=transport, language="de").language_code == told  # type: ignore[arg-type]


def test_sound_by_http_is_passed_on_as_it_comes():
    async def scenario(voice, _fake):
        return [piece async for piece in sound_alone(voice.speak("Hello."))]

    assert speaking(HTTP, scenario) == list(pieces(sound_of("Hello.")))


@pytest.mark.parametrize(
    ("status", "body", "temporary", "problem"),
    [
        (422, {"detail": [{"loc": ["body"], "msg": "required", "type": "missing"}]}, False, "required"),
        (400, {"detail": {"status": "strange", "message": "words"}}, False, "words"),
        (500, "oops", True, "HTTP 500"),
        (503, {"detail": None}, True, "HTTP 503"),
        (429, {"detail": {"status": "system_busy", "message": ""}}, True, "busy"),
        (401, {"detail": {"status": "quota_exceeded", "message": "0 left"}}, False, "0 left"),
    ],
)
def test_every_shape_of_refusal_is_understood(status, body, temporary, problem):
    error = body_fault(status, body, KEY)
    assert problem in error.problem
    assert error.temporary is temporary
    if isinstance(body, dict):
        assert failure(HTTP, TtsFaults(refuse_status=status, body=body)).problem == error.problem


def test_the_plain_sdk_hears_the_same():
    async def run():
        async with FakeElevenLabsHttp(key=KEY) as fake, httpx.AsyncClient(verify=tls()) as http:
            client = AsyncElevenLabs(api_key=KEY, base_url=fake.url, httpx_client=http)
            asked = {"text": "Hello.", "output_format": "ulaw_8000"}
            stream = client.text_to_speech.stream_with_timestamps("george", **asked)
            sound = b"".join([base64.b64decode(one.audio_base_64) async for one in stream])
            stranger = AsyncElevenLabs(api_key="another", base_url=fake.url, httpx_client=http)
            with pytest.raises(ApiError) as caught:
                await anext(
                    stranger.text_to_speech.stream_with_timestamps("george", text="Hello.", output_format="ulaw_8000")
                )
            assert caught.value.status_code == 401
            return sound

    assert asyncio.run(run()) == sound_of("Hello.")


# Options.


SPEEDY, SHAKY = ({"extra": {"voice_settings": one}} for one in ({"speed": 2.0}, {"stability": 1.5}))


@pytest.mark.parametrize(
    "wrong",
    [
        SPEEDY,
        SHAKY,
        {"url": "must.elevenlabs.io"},
        {"model": "eleven_v3", "transport": "http"},
        {"model": "eleven_v4"},
        {"transport": "dialogue"},
    ],
)
def test_options_that_the_service_would_refuse_are_refused_here(wrong):
    with pytest.raises(ValueError, match=r"must|does not serve"):
        ElevenLabsOptions(**wrong)
