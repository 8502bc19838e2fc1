"""STT of several languages: what the server is asked for, what it tells, and a change that loses no word."""

import asyncio
import json
from typing import Any

import pytest

from agent.providers.assemblyai import AssemblyAIStt
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.deepgram import DeepgramStt
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.stt import bases
from agent.stt import Transcript
from tests.agent.providers.listening import listen, sound
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.deepgram import FakeDeepgram

SPANISH = Said("¿Dónde está mi pedido?", 500, 2000, "es")


def deepgram(fake: FakeDeepgram, **more) -> DeepgramStt:
    return DeepgramStt(DeepgramOptions(api_key="dg-key", url=fake.url, retry_pause=0.0, silence_after=60.0, **more))


def assemblyai(fake: FakeAssemblyAI, **more) -> AssemblyAIStt:
    url = f"{fake.url}/v3/ws"
    return AssemblyAIStt(AssemblyAIOptions(api_key="aai-key", url=url, retry_pause=0.0, silence_after=60.0, **more))


def heard(fake, make, **more) -> Transcript:
    async def scenario(stt, events):
        for _ in range(35):
            stt.send_audio(sound(100))
            await asyncio.sleep(0)
        return await events.final()

    async def run():
        async with fake:
            return await listen(make(fake, **more), scenario)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("fake", "make", "model", "asked"),
    [
        (
            FakeAssemblyAI([SPANISH]),
            assemblyai,
            "u3-rt-pro",
            {"language_detection": "true", "language_codes": json.dumps(["en", "es"])},
        ),
        (
            FakeAssemblyAI([SPANISH]),
            assemblyai,
            "universal-3-6-pro",
            {"language_detection": "true", "language_codes": json.dumps(["en", "es"])},
        ),
        (
            FakeAssemblyAI([SPANISH]),
            assemblyai,
            "universal-streaming-english",
            {"language_detection": "true", "speech_model": "universal-streaming-multilingual"},
        ),
        (FakeDeepgram([SPANISH]), deepgram, "nova-3", {"language": "multi"}),
        (FakeDeepgram([SPANISH]), deepgram, "flux-general-en", {"model": "flux-general-multi"}),
    ],
)
def test_stt_that_know_all_languages_at_once_are_told_them_and_tell_which_was_spoken(fake, make, model, asked) -> None:
    final = heard(fake, make, model=model, languages=("en", "es"))
    query = fake.sessions[0].query
    assert {name: query[name] for name in asked} == asked
    assert final.languages == ("es",)
    assert final.confidence > 0.9


@pytest.mark.parametrize(
    ("fake", "make", "model"),
    [
        (FakeAssemblyAI([SPANISH]), assemblyai, "u3-rt-pro"),
        (FakeDeepgram([SPANISH]), deepgram, "nova-3"),
        (FakeDeepgram([SPANISH]), deepgram, "flux-general-en"),
    ],
)
def test_stt_for_english_alone_are_asked_as_before(fake, make, model) -> None:
    assert heard(fake, make, model=model).languages == ()
    query = fake.sessions[0].query
    assert not {"language", "language_detection", "language_hint", "language_codes"} & set(query)
    assert query.get("model", model) == model


@pytest.mark.faults("E2")
@pytest.mark.parametrize(
    ("language", "languages", "codes"),
    [("de", (), ["de"]), ("es", ("en", "es"), ["es", "en"]), ("multi", ("en", "es"), ["multi"])],
)
@pytest.mark.parametrize("model", ["u3-rt-pro", "universal-3-6-pro"])
def test_the_language_that_is_configured_steers_universal_3(model, language, languages, codes) -> None:
    """It knows no parameter `language`: that would do nothing."""
    fake = FakeAssemblyAI([SPANISH])
    heard(fake, assemblyai, model=model, language=language, languages=languages)
    query = fake.sessions[0].query
    assert json.loads(query["language_codes"]) == codes
    assert "language" not in query


@pytest.mark.faults("E2")
def test_a_language_that_was_not_expected_is_told_within_the_session() -> None:
    fake = FakeAssemblyAI([SPANISH])

    async def scenario(stt, events):
        for language in ("es", "fr", "fr"):
            stt.set_language(language)
        stt.send_audio(sound(500))

    async def run():
        async with fake:
            await listen(assemblyai(fake, languages=("en", "es")), scenario)

    asyncio.run(run())
    told, goodbye = fake.sessions[0].messages
    assert told == {"type": "UpdateConfiguration", "language_codes": ["fr", "en", "es"]}
    assert goodbye == {"type": "Terminate"}


@pytest.mark.parametrize(
    ("stt_of", "fake", "told"),
    [
        (assemblyai, FakeAssemblyAI, {"type": "UpdateConfiguration", "keyterms_prompt": ["Rasheed"]}),
        (deepgram, FakeDeepgram, {"type": "Configure", "keyterms": ["Rasheed"]}),
    ],
)
def test_words_to_listen_for_are_changed_within_the_session(stt_of, fake, told) -> None:
    fake = fake([SPANISH])

    async def scenario(stt, events):
        for words in (["Tyre"], ["Rasheed"], ["Rasheed"], ["more than fifty letters " * 10]):
            stt.set_language("en", words)
        stt.send_audio(sound(500))

    async def run():
        async with fake:
            await listen(stt_of(fake, keyterms=("Tyre",)), scenario)

    asyncio.run(run())
    assert fake.sessions[0].messages[:-1] == [told]


@pytest.mark.parametrize(
    ("stt_of", "fake", "languages", "told"),
    [
        (
            assemblyai,
            FakeAssemblyAI,
            ("en", "es"),
            [{"type": "UpdateConfiguration", "language_codes": ["fr", "en", "es"]}],
        ),
        (deepgram, FakeDeepgram, ("en",), None),
    ],
)
def test_a_language_that_changes_while_the_session_is_opened_is_told_or_takes_another(
    stt_of, fake, languages, told, monkeypatch
) -> None:
    fake = fake([SPANISH], [SPANISH])

    async def run():
        async with fake:
            stt = stt_of(fake, languages=languages)
            request = stt._session.request

            def asked():
                asyncio.get_running_loop().call_soon(stt.set_language, "fr")  # while it connects
                return request()

            monkeypatch.setattr(stt._session, "request", asked)
            async with asyncio.TaskGroup() as group:
                await stt.open()
                hearing = group.create_task(collected(stt))
                await fake.until(lambda: fake.sessions[-1].messages == told if told else len(fake.sessions) == 2)
                await stt.close()
                hearing.cancel()

    asyncio.run(run())


async def collected(stt: Any) -> list[Any]:
    return [event async for event in stt.events()]


def test_flux_is_given_every_language_as_a_hint() -> None:
    fake = FakeDeepgram([SPANISH])
    heard(fake, deepgram, languages=("en", "es", "hi"))
    assert [value for name, value in fake.sessions[0].pairs if name == "language_hint"] == ["en", "es", "hi"]


@pytest.mark.parametrize(
    ("options", "changes", "sessions", "told"),
    [
        ({"languages": ("en", "es")}, ("es", "fr", "fr"), ["flux-general-multi"], [["fr", "en", "es"]]),
        ({"language": "multi"}, ("es", "fr"), ["flux-general-multi"], []),
        ({"model": "flux-general-multi"}, ("es",), ["flux-general-multi"], []),
        ({"languages": ("en",)}, ("en", "es"), ["flux-general-en", "flux-general-multi"], []),
        ({}, ("en", "de"), ["flux-general-en", "flux-general-multi"], []),
    ],
)
def test_flux_is_told_of_a_language_that_was_not_expected(options, changes, sessions, told) -> None:
    """The multilingual model within the session; the English one is replaced."""
    fake = FakeDeepgram([SPANISH], [SPANISH])

    async def scenario(stt, events):
        for language in changes:
            stt.set_language(language)
        await fake.until(lambda: len(fake.sessions) == len(sessions))
        for _ in range(35):
            stt.send_audio(sound(100))
            await asyncio.sleep(0)
        return await events.final()

    async def run():
        async with fake:
            return await listen(deepgram(fake, **options), scenario)

    final = asyncio.run(run())
    assert final.languages == ("es",)
    assert [session.query["model"] for session in fake.sessions] == sessions
    asked = [message.get("language_hints") for session in fake.sessions for message in session.messages]
    assert [hints for hints in asked if hints] == told
    assert not any(message["type"] == "ConfigureFailure" for session in fake.sessions for message in session.sent)
    if len(sessions) == 2:
        hints = [value for name, value in fake.sessions[1].pairs if name == "language_hint"]
        assert hints[0] == changes[-1]


def test_a_model_of_one_language_changes_over_by_another_session_that_hears_again_what_was_not_settled() -> None:
    """The caller asks for Spanish, and is in the midst of the next sentence when the change is made."""
    asked = Said("Spanish please.", 300, 1000)
    fake = FakeDeepgram([asked], [Said("Quiero mi pedido.", 200, 1400, "es")])
    whole = sound(6000)

    async def scenario(stt, events):
        for at in range(0, 16_000, 800):
            stt.send_audio(whole[at : at + 800])
            await asyncio.sleep(0)
        first = await events.final()
        for at in range(16_000, 20_000, 800):  # half a second of the next sentence
            stt.send_audio(whole[at : at + 800])
            await asyncio.sleep(0)
        stt.set_language("es")
        for at in range(20_000, 48_000, 800):
            stt.send_audio(whole[at : at + 800])
            await asyncio.sleep(0)
        return first, await events.final()

    async def run():
        async with fake:
            return await listen(deepgram(fake, model="nova-2", languages=("en", "es")), scenario)

    first, second = asyncio.run(run())
    assert (first.text, second.text) == ("Spanish please.", "Quiero mi pedido.")
    assert [one.query["language"] for one in fake.sessions] == ["en", "es"]
    again = bytes(fake.sessions[1].audio)
    begins = whole.find(again[:800])
    assert 0 < begins <= 16_000, "from before the sentence that was being spoken"
    assert whole[begins : begins + len(again)] == again, "to its end, without a gap"
    assert begins / 8000 >= 1.0, "but not the sentence that was answered"


def test_the_language_it_hears_already_is_no_reason_for_another_session() -> None:
    fake = FakeDeepgram([SPANISH])

    async def scenario(stt, events):
        stt.set_language("en")
        stt.send_audio(sound(500))
        await asyncio.sleep(0.05)

    async def run():
        async with fake:
            await listen(deepgram(fake, model="nova-2", languages=("en", "es")), scenario)

    asyncio.run(run())
    assert len(fake.sessions) == 1


def test_a_tag_is_taken_for_its_language() -> None:
    assert bases(["en-IN", "hi", "EN_us", None, 7, ""]) == ("en", "hi")


@pytest.mark.parametrize(
    ("language", "model", "hints"),
    [("multi", "flux-general-multi", []), ("en-IN", "flux-general-en", []), ("de", "flux-general-multi", ["de"])],
)
def test_flux_is_told_the_language_in_its_own_way(language: str, model: str, hints: list[str]) -> None:
    fake = FakeDeepgram()

    async def nothing(_stt, _events):
        pass

    async def run():
        async with fake:
            await listen(deepgram(fake, language=language), nothing)

    asyncio.run(run())
    assert fake.sessions[0].query["model"] == model
    assert [value for name, value in fake.sessions[0].pairs if name == "language_hint"] == hints


def test_a_language_that_flux_does_not_know_is_refused_before_any_call() -> None:
    with pytest.raises(ValueError, match=r"flux models know the languages en, .* not pl"):
        DeepgramOptions(language="pl")
    assert DeepgramOptions(language="pl", model="nova-3").codes == ("pl",)
    for known in ("", "multi", "nl", "pt-BR"):
        assert DeepgramOptions(language=known).language == known
