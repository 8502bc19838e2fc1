"""ElevenLabs' STT against a server as strict as the real one."""

import asyncio
import json
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.providers.elevenlabs_scribe import ScribeOptions, ScribeSession
from agent.providers.elevenlabs_stt import ElevenLabsStt
from agent.stt import Transcript
from tests.agent.providers.listening import listen, placed, refused, sound
from tests.fakes.assemblyai import Said
from tests.fakes.listening import Faults
from tests.fakes.scribe import FakeScribe

KEY = "xi-key"
ORDER = Said("Where is my order?", 500, 1500)
AGAIN = Said("It is late.", 3000, 3900, "es")


def scribe(fake: FakeScribe, **more: Any) -> ElevenLabsStt:
    given = {"api_key": KEY, "url": fake.url, "retry_pause": 0.0, "silence_after": 60.0, "chunk": 0.1, **more}
    return ElevenLabsStt(ScribeOptions(**given))


def session(fake: FakeScribe, scenario: Any, **more: Any) -> Any:
    async def run() -> Any:
        async with fake:
            return await listen(scribe(fake, **more), scenario)

    return asyncio.run(run())


async def speak(stt: Any, milliseconds: int) -> None:
    for _ in range(0, milliseconds, 100):
        stt.send_audio(sound(100))
        await asyncio.sleep(0.001)


def test_scribe_is_asked_for_mu_law_and_commits_by_silence() -> None:
    fake, ulaw = FakeScribe(), sound(1234)

    async def scenario(stt: Any, _events: Any) -> None:
        stt.send_audio(ulaw)

    session(fake, scenario, keyterms=("Sipgw", "Łódź"), extra={"vad_silence_threshold_secs": 0.5, "no_verbatim": True})
    opened = fake.sessions[0]
    assert dict(opened.pairs) | {"keyterms": ""} == {
        "model_id": "scribe_v2_realtime",
        "audio_format": "ulaw_8000",
        "commit_strategy": "vad",
        "include_timestamps": "true",
        "include_language_detection": "true",
        "vad_silence_threshold_secs": "0.5",
        "no_verbatim": "true",
        "keyterms": "",
    }
    assert [value for name, value in opened.pairs if name == "keyterms"] == ["Sipgw", "Łódź"]
    assert bytes(opened.audio) == ulaw + b"\xff" * (len(opened.audio) - len(ulaw))


def test_words_are_told_as_they_come_and_are_final_with_their_times() -> None:
    """Those of the second piece are told 0.1 s late."""

    async def scenario(stt: Any, events: Any) -> list[Transcript]:
        await speak(stt, 5000)
        heard = [await events.next()]
        while not (len(heard) > 2 and heard[-1].final and heard[-1].text == AGAIN.text):
            heard.append(await events.next())
        return heard

    heard = session(FakeScribe([ORDER, AGAIN]), scenario, languages=("en", "es"))
    assert heard[0].text == "Where"
    finals = [one for one in heard if one.final]
    assert finals == [
        Transcript(ORDER.text, True, True, 1.5, placed(ORDER), ("en",)),
        Transcript(AGAIN.text, True, True, pytest.approx(3.9, abs=0.09), finals[1].words, ("es",)),  # type: ignore[arg-type]
    ]
    assert [(word.text, word.start, word.end) for word in finals[1].words] == [
        (word.text, pytest.approx(word.start, abs=0.09), pytest.approx(word.end, abs=0.09)) for word in placed(AGAIN)
    ]
    assert max(word.end for word in finals[1].words) <= 3.98


def finals_of(fake: FakeScribe) -> list[str]:
    async def scenario(stt: Any, events: Any) -> list[str]:
        await speak(stt, 8000)
        heard = list[str]()
        while not heard or not heard[-1].endswith("Bye."):
            heard.append((await events.final()).text)
        return heard

    return session(fake, scenario)


THREE = [ORDER, AGAIN, Said("Bye.", 6000, 6500)]


def test_times_that_come_first_do_not_double_the_words() -> None:
    assert finals_of(FakeScribe(THREE, reversed_at=2)) == [one.text for one in THREE]


def test_words_whose_times_never_come_are_not_lost() -> None:
    assert finals_of(FakeScribe(THREE, untimed_at=2)) == [ORDER.text, "It is late. Bye."]


def tell(one: ScribeSession, kind: str, **fields: Any) -> Any:
    return one.receive(json.dumps({"message_type": kind, **fields}))


def test_words_that_are_committed_go_before_those_of_the_next_piece_until_their_times_come() -> None:
    one = ScribeSession(ScribeOptions())
    one.begin()
    one.backlog.add(bytes(16000))
    while one.backlog.next_frame():
        pass
    assert tell(one, "committed_transcript", text="Hello.") == Transcript("Hello.", False, True, 1.6)
    assert tell(one, "partial_transcript", text="So").text == "Hello. So"
    words = [{"text": "Hello.", "type": "word", "start": 1.0, "end": 1.8}]
    final = tell(one, "committed_transcript_with_timestamps", text="Hello.", words=words)
    assert (final.text, final.end, final.words[0].end) == ("Hello.", 1.6, 1.6)
    assert tell(one, "partial_transcript", text="So what").text == "So what"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"language": "de"}, {"language_code": ["de"]}),
        ({"languages": ("en",)}, {"language_code": ["en"]}),
        (
            {"languages": ("en", "es", "fr")},
            {
                "language_code": ["en"],
                "secondary_languages": ["es", "fr"],
                "include_language_detection": ["true"],
            },
        ),
        ({}, {"include_language_detection": ["true"]}),
    ],
)
def test_it_is_told_the_languages(options: dict[str, Any], expected: dict[str, list[str]]) -> None:
    fake = FakeScribe()

    async def scenario(_stt: Any, _events: Any) -> None:
        pass

    session(fake, scenario, **options)
    found: dict[str, list[str]] = {}
    for name, value in fake.sessions[0].pairs:
        if "language" in name:
            found.setdefault(name, []).append(value)
    assert found == expected


def test_another_language_takes_another_session() -> None:
    fake = FakeScribe([ORDER], [])

    async def scenario(stt: Any, events: Any) -> None:
        await speak(stt, 1000)
        stt.set_language("en")
        stt.set_language("es")
        await fake.until(lambda: len(fake.sessions) == 2)

    session(fake, scenario, languages=("en",))
    assert [one.query["language_code"] for one in fake.sessions] == ["en", "es"]


def test_a_lost_session_is_replaced_and_hears_the_turn_again() -> None:
    fake = FakeScribe([ORDER], [Said("Where is my order?", 300, 1300)], faults=Faults(drop=True, after_ms=1600))

    async def scenario(stt: Any, events: Any) -> str:
        await speak(stt, 1600)
        await fake.until(lambda: len(fake.sessions) == 2)
        await speak(stt, 1500)
        return (await events.final()).text

    assert session(fake, scenario) == ORDER.text


@pytest.mark.parametrize(
    ("error", "words", "temporary"),
    [
        (("quota_exceeded", "no credits"), "the quota is used up: no credits", False),
        (("invalid_request", f"not {KEY}"), "refused the options: not ***", False),
        (("unaccepted_terms", "no"), "terms of use", False),
    ],
)
def test_what_will_not_pass_is_not_tried_again(error: tuple[str, str], words: str, temporary: bool) -> None:
    fake = FakeScribe(faults=Faults(error=error, after_ms=500, sessions=9))

    async def scenario(stt: Any, events: Any) -> ProviderError:
        await speak(stt, 1000)
        with pytest.raises(ProviderError, match=words.replace("*", r"\*")) as caught:
            await events.next()
        return caught.value

    assert session(fake, scenario).temporary is temporary
    assert len(fake.sessions) == 1


def test_a_wrong_key_is_refused() -> None:
    fake = FakeScribe(key="another")

    async def run() -> ProviderError:
        async with fake:
            return await refused(scribe(fake))

    error = asyncio.run(run())
    assert (error.temporary, KEY in str(error)) == (False, False)
    assert "API key" in error.problem


def test_a_session_that_waits_for_the_call_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.providers.socket_stt.KEEPALIVE", 0.02)
    fake = FakeScribe()

    async def scenario(_stt: Any, _events: Any) -> None:
        await fake.until(lambda: len(fake.sessions[0].messages) >= 2)

    session(fake, scenario, silence_after=0.1)
    assert not fake.sessions[0].audio


@pytest.mark.parametrize("terms", [("x" * 21,), (" ",), tuple(f"t{at}" for at in range(51))])
def test_key_terms_that_the_service_would_refuse_are_refused_at_start(terms: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="keyterms"):
        ScribeOptions(keyterms=terms)
