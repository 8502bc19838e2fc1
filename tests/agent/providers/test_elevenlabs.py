"""The ElevenLabs voices, by websocket and by HTTP, against servers as strict as the real ones."""

import asyncio

import httpx
import pytest
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core import ApiError

from agent.errors import ProviderError
from agent.providers.elevenlabs import ElevenLabsOptions, body_fault, read
from agent.providers.elevenlabs_http import ElevenLabsHttpVoice
from agent.providers.elevenlabs_ws import ElevenLabsVoice
from tests.fakes.elevenlabs import FakeElevenLabs, FakeElevenLabsHttp, VoiceFaults, sound_of

KEY = "xi-key"
WS, HTTP = (FakeElevenLabs, ElevenLabsVoice), (FakeElevenLabsHttp, ElevenLabsHttpVoice)
both = pytest.mark.parametrize("kind", [WS, HTTP], ids=["websocket", "http"])


def speaking(kind, scenario, faults: VoiceFaults | None = None, key: str = KEY, fake_options=None, **more):
    """Run `scenario(voice, fake)` with an open voice; its result and the fake."""

    async def run():
        async with kind[0](faults, key=key, **(fake_options or {})) as fake:
            voice = kind[1](ElevenLabsOptions(**{"api_key": KEY, "base_url": fake.url, "voice_id": "george", **more}))
            try:
                await voice.open()
                async with asyncio.timeout(10):
                    return await scenario(voice, fake)
            finally:
                await voice.close()
                await voice.close()

    return asyncio.run(run())


async def said(voice, text: str) -> bytes:
    return b"".join([ulaw async for ulaw in voice.speak(text)])


def failure(kind, faults: VoiceFaults | None, text: str = "Hello there.", key: str = KEY, **more) -> ProviderError:
    """The error of `open` or of the first sentence."""

    async def run():
        async with kind[0](faults, key=key) as fake:
            voice = kind[1](ElevenLabsOptions(**{"api_key": KEY, "base_url": fake.url, **more}))
            with pytest.raises(ProviderError) as caught:
                await voice.open()
                await said(voice, text)
            await voice.close()
            return caught.value

    error = asyncio.run(run())
    assert KEY not in f"{error} {error!r} {error.__cause__}"
    return error


# Both ways.


@both
def test_sound_passes_through_unchanged_sentence_by_sentence(kind):
    async def scenario(voice, fake):
        heard = [await said(voice, text) for text in ("Hello there.", "Your order is on its way!", "Żółw?")]
        assert fake.texts == ["Hello there.", "Your order is on its way!", "Żółw?"]
        return heard

    assert speaking(kind, scenario) == [sound_of(t) for t in ("Hello there.", "Your order is on its way!", "Żółw?")]


@both
def test_nothing_is_said_for_nothing(kind):
    async def scenario(voice, fake):
        assert await said(voice, "  \n") == b""
        assert fake.texts == []

    speaking(kind, scenario)


@both
def test_no_sound_in_time_is_an_error(kind):
    error = failure(kind, VoiceFaults(hold_after=0), first_sound_limit=0.1)
    assert error.temporary


@both
def test_a_stall_in_a_sentence_is_an_error(kind):
    error = failure(kind, VoiceFaults(hold_after=2), gap_limit=0.1)
    assert error.problem == "no sound within 0.1 s"


@both
def test_a_break_in_a_sentence_is_an_error_and_the_next_sentence_goes_well(kind):
    async def scenario(voice, _fake):
        with pytest.raises(ProviderError, match="connection"):
            await said(voice, "Hello there.")
        return await said(voice, "Once more.")

    assert speaking(kind, scenario, VoiceFaults(cut_after=3)) == sound_of("Once more.")


@both
def test_a_sentence_without_sound_is_an_error(kind):
    assert "no sound" in failure(kind, VoiceFaults(no_sound=True)).problem


@both
def test_a_wrong_key(kind):
    error = failure(kind, None, key="another")
    assert not error.temporary
    assert "ELEVENLABS_API_KEY" in error.advice


@both
@pytest.mark.parametrize("code", ["quota_exceeded", "voice_not_found", "detected_unusual_activity"])
def test_the_service_says_why_it_refuses(kind, code):
    error = failure(kind, VoiceFaults(error=(code, f"words {KEY}"), refuse_status=None if kind is WS else 401))
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

    assert speaking(kind, scenario, VoiceFaults(hold_after=2)) == sound_of("Yes?")


@both
def test_nobody_there(kind):
    async def run():
        voice = kind[1](ElevenLabsOptions(api_key=KEY, base_url="http://127.0.0.1:9"))
        with pytest.raises(ProviderError, match="connect") as caught:
            await voice.open()
            await said(voice, "Hello.")
        await voice.close()
        assert caught.value.temporary

    asyncio.run(run())


# The websocket.


def test_the_order_of_messages_is_the_one_that_the_service_wants():
    async def scenario(voice, fake):
        await said(voice, "Hello\n there.")
        await voice.close()
        await fake.until(lambda: fake.sessions[0].ended)
        return fake.sessions[0]

    session = speaking(WS, scenario, stability=0.4, speed=1.1, language_code="en")
    assert session.messages == [
        {"text": " ", "voice_settings": {"stability": 0.4, "speed": 1.1}, "context_id": "s1"},
        {"text": "Hello there. ", "context_id": "s1"},
        {"flush": True, "context_id": "s1"},
        {"close_context": True, "context_id": "s1"},
        {"text": " ", "voice_settings": {"stability": 0.4, "speed": 1.1}, "context_id": "s2"},
        {"close_socket": True},
    ]
    assert session.path == "/v1/text-to-speech/george/multi-stream-input"
    assert session.query == {
        "model_id": "eleven_flash_v2_5",
        "output_format": "ulaw_8000",
        "auto_mode": "true",
        "inactivity_timeout": "60",
        "language_code": "en",
    }


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
        sign = {"text": "", "context_id": "s1"}
        await fake.until(lambda: fake.sessions[0].messages.count(sign) >= 3)

    speaking(WS, scenario, keepalive=0.01)


def test_a_socket_that_died_between_sentences_is_replaced():
    async def scenario(voice, fake):
        first = await said(voice, "One.")
        fake.sessions[0].cut()
        await fake.until(lambda: fake.sessions[0].ended)
        return first, await said(voice, "Two."), len(fake.sessions)

    assert speaking(WS, scenario) == (sound_of("One."), sound_of("Two."), 2)


@pytest.mark.parametrize(
    "faults", [VoiceFaults(cut_after=0), VoiceFaults(error=("system_busy", "")), VoiceFaults(nonsense=True)]
)
def test_a_sentence_that_was_lost_before_its_first_sound_is_said_once_more(faults):
    async def scenario(voice, fake):
        return await said(voice, "Hello there."), fake.texts

    assert speaking(WS, scenario, faults) == (sound_of("Hello there."), ["Hello there.", "Hello there."])


def test_a_socket_whose_contexts_never_end_is_given_up():
    class Mute(FakeElevenLabs):
        async def _send(self, *_args, **_more):
            await asyncio.Event().wait()

    async def scenario(voice, fake):
        for number in range(6):
            with pytest.raises(ProviderError, match="no sound"):
                await said(voice, f"Sentence number {number}.")
        return [len(session.messages) > 0 for session in fake.sessions], fake.most_contexts

    assert speaking((Mute, ElevenLabsVoice), scenario, first_sound_limit=0.05) == ([True, True], 5)


@pytest.mark.parametrize(("status", "temporary"), [(401, False), (403, False), (429, True), (502, True)])
def test_a_refused_upgrade_keeps_its_meaning(status, temporary):
    async def run():
        async with FakeElevenLabs(VoiceFaults(refuse_status=status)) as fake:
            voice = ElevenLabsVoice(ElevenLabsOptions(api_key=KEY, base_url=fake.url))
            with pytest.raises(ProviderError) as caught:
                await voice.open()
            return caught.value.temporary

    assert asyncio.run(run()) is temporary


@pytest.mark.parametrize("message", ["", "[]", "{", b"\xff", "[" * 9999, '{"contextId": 3}', '{"audio": "AA=="}', "1"])
def test_nonsense_means_nothing(message):
    assert read(message) == ()


# HTTP.


def test_the_request_is_for_mu_law_with_the_settings():
    async def scenario(voice, fake):
        await said(voice, "Hello.")
        return fake.exchanges[0]

    exchange = speaking(HTTP, scenario, stability=0.4, language_code="en")
    assert exchange.path == "/v1/text-to-speech/george/stream"
    assert exchange.query == {"output_format": "ulaw_8000"}
    assert b'"stability":0.4' in exchange.body.replace(b" ", b"")
    assert b'"eleven_flash_v2_5"' in exchange.body


def test_sound_comes_in_frames_of_20_ms():
    async def scenario(voice, _fake):
        return {len(ulaw) async for ulaw in voice.speak("Hello.")}

    assert speaking(HTTP, scenario) == {160}


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
        assert failure(HTTP, VoiceFaults(refuse_status=status, body=body)).problem == error.problem


def test_the_plain_sdk_hears_the_same():
    async def run():
        async with FakeElevenLabsHttp() as fake, httpx.AsyncClient() as http:
            client = AsyncElevenLabs(api_key=KEY, base_url=fake.url, httpx_client=http)
            stream = client.text_to_speech.stream("george", text="Hello.", output_format="ulaw_8000")
            sound = b"".join([piece async for piece in stream])
            stranger = AsyncElevenLabs(api_key="another", base_url=fake.url, httpx_client=http)
            with pytest.raises(ApiError) as caught:
                await anext(stranger.text_to_speech.stream("george", text="Hello.", output_format="ulaw_8000"))
            assert caught.value.status_code == 401
            return sound

    assert asyncio.run(run()) == sound_of("Hello.")


# Options.


def test_the_key_is_in_no_repr():
    assert KEY not in repr(ElevenLabsOptions(api_key=KEY))


@pytest.mark.parametrize("wrong", [{"speed": 2.0}, {"stability": 1.5}, {"base_url": "api.elevenlabs.io"}])
def test_options_that_the_service_would_refuse_are_refused_here(wrong):
    with pytest.raises(ValueError, match="must"):
        ElevenLabsOptions(**wrong)
