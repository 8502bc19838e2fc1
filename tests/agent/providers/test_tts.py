"""Every voice against a server as strict as the real one: what all have to do."""

import asyncio
import json
from contextlib import aclosing

import pytest

from agent.errors import ProviderError
from agent.meter import MeteredTts
from agent.providers import socket_tts
from agent.providers.deepgram_speak import AuraSession, DeepgramTtsOptions
from agent.providers.polly import PollyOptions
from agent.providers.tts_session import parts_of
from agent.records import Used
from agent.tts import WordTime, sound_alone
from tests.agent.providers.voicing import (
    ASSEMBLYAI,
    AURA,
    DIALOGUE,
    HTTP,
    KEY,
    KINDS,
    OPENAI,
    POLLY,
    SOCKETS,
    SONIC,
    WS,
    but_elevenlabs,
    every,
    failure,
    said,
    speaking,
)  # fmt: skip
from tests.fakes.elevenlabs import TtsFaults, sound_of


@every
def test_sound_passes_through_unchanged_sentence_by_sentence(kind):
    texts = ["Hello there.", "Your order is on its way!", "Żółw?"]

    async def scenario(voice, fake):
        heard = [await said(voice, text) for text in texts]
        assert fake.texts == texts
        return heard

    assert speaking(kind, scenario) == [kind.sound(text) for text in texts]


@pytest.mark.parametrize("kind", SOCKETS, ids=lambda kind: kind.name)
def test_a_connection_that_dies_between_sentences_is_there_again_before_the_next(kind):
    async def scenario(voice, fake):
        await said(voice, "One.")
        fake.sessions[0].cut()
        await fake.until(lambda: len(fake.sessions) == 2)
        return await said(voice, "Two."), len(fake.sessions)

    assert speaking(kind, scenario) == (kind.sound("Two."), 2)


@pytest.mark.slow
@every
def test_two_sentences_asked_for_at_once_do_not_mix(kind):
    async def scenario(voice, _fake):
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(said(voice, text)) for text in ("Hello there.", "How are you today?")]
        return [task.result() for task in both]

    assert speaking(kind, scenario) == [kind.sound("Hello there."), kind.sound("How are you today?")]


@every
def test_nothing_is_said_for_nothing(kind):
    async def scenario(voice, fake):
        assert await said(voice, "  \n") == b""
        assert fake.texts == []

    speaking(kind, scenario)


@but_elevenlabs
def test_no_stale_sound_after_a_sentence_was_broken_off(kind):
    async def scenario(voice, fake):
        async with aclosing(sound_alone(voice.speak("One two three four five."))) as pieces:
            first = await anext(pieces)
        assert kind.sound("One two three four five.").startswith(first)
        fake.release()
        return await said(voice, "Sorry, go on.")

    assert speaking(kind, scenario, TtsFaults(hold_after=2)) == kind.sound("Sorry, go on.")


@but_elevenlabs
def test_a_sentence_whose_connection_breaks_before_its_sound_is_said_on_a_new_one(kind):
    async def scenario(voice, fake):
        heard = await said(voice, "Hello there.")
        assert len(fake.texts) == 2
        return heard

    assert speaking(kind, scenario, TtsFaults(cut_after=0)) == kind.sound("Hello there.")


@pytest.mark.faults("C1")
@but_elevenlabs
@pytest.mark.parametrize(("faults", "times"), [(TtsFaults(), 1), (TtsFaults(cut_after=0), 2)], ids=["once", "twice"])
def test_a_sentence_counts_as_often_as_it_was_sent(kind, faults, times):
    told: list[Used] = []

    async def scenario(voice, fake):
        await said(MeteredTts(voice, told.append), "Hello there.")
        assert len(fake.texts) == times

    speaking(kind, scenario, faults)
    assert [one.amount for one in told] == [12] * times


@pytest.mark.faults("C1")
@pytest.mark.parametrize("kind", [OPENAI, POLLY, AURA], ids=lambda kind: kind.name)
def test_a_sentence_that_finds_no_server_is_not_counted(kind):
    told: list[Used] = []

    async def scenario(voice, fake):
        await said(voice, "Hello there.")
        await fake.__aexit__()
        with pytest.raises(ProviderError):
            await said(MeteredTts(voice, told.append), "Hello there.")
        await fake.__aenter__()

    speaking(kind, scenario)
    assert told == []


@every
def test_a_break_in_a_sentence_is_an_error_and_the_next_sentence_goes_well(kind):
    async def scenario(voice, _fake):
        with pytest.raises(ProviderError, match="connection") as caught:
            await said(voice, "Hello there.")
        assert caught.value.temporary
        return await said(voice, "Once more.")

    assert speaking(kind, scenario, TtsFaults(cut_after=3)) == kind.sound("Once more.")


@but_elevenlabs
def test_a_sentence_whose_end_is_not_told_is_an_error(kind):
    assert failure(kind, TtsFaults(cut_at_end=True)).temporary


@every
def test_no_sound_in_time_is_an_error(kind):
    error = failure(kind, TtsFaults(hold_after=0, times=kind.tries), first_sound_limit=0.1)
    assert error.temporary
    assert not error.refused, "it may be at work, which is to be paid"
    assert "no sound within" in error.problem


@every
def test_a_stall_in_a_sentence_is_an_error(kind):
    assert failure(kind, TtsFaults(hold_after=2), gap_limit=0.1).problem == "no sound within 0.1 s"


@every
def test_after_a_stall_the_next_sentence_goes_well(kind):
    async def scenario(voice, _fake):
        with pytest.raises(ProviderError, match="no sound within"):
            await said(voice, "Hello there.")
        return await said(voice, "Once more.")

    more = {"first_sound_limit": 0.5, "gap_limit": 0.5}
    faults = TtsFaults(hold_after=0, times=kind.tries)
    assert speaking(kind, scenario, faults, **more) == kind.sound("Once more.")


@every
def test_a_sentence_without_sound_is_an_error(kind):
    assert "no sound" in failure(kind, TtsFaults(no_sound=True, times=kind.tries)).problem


@pytest.mark.parametrize("kind", [*SOCKETS, DIALOGUE, WS], ids=lambda kind: kind.name)
@pytest.mark.parametrize(("faults", "connections"), [(TtsFaults(no_sound=True), 1), (TtsFaults(hold_after=0), 2)])
def test_a_sentence_that_stays_without_sound_is_said_once_more(kind, faults, connections):
    """One that has ended at once, one on which nothing comes on another connection."""

    async def scenario(voice, fake):
        return await said(voice, "Hello there."), fake.texts, len(fake.sessions)

    heard = speaking(kind, scenario, faults, first_sound_limit=1.0)
    assert heard == (kind.sound("Hello there."), ["Hello there."] * 2, connections)


@pytest.mark.parametrize("kind", [*KINDS[:-3], HTTP], ids=lambda kind: kind.name)
def test_sound_that_makes_no_sense_is_an_error(kind):
    faults = TtsFaults(nonsense=True, times=kind.tries)
    assert failure(kind, faults, first_sound_limit=0.5, gap_limit=0.5).temporary


@every
def test_a_wrong_key(kind):
    error = failure(kind, None, key="another")
    assert not error.temporary
    assert "API key" in error.problem


@but_elevenlabs
def test_the_service_says_why_it_refuses(kind):
    code, words = kind.refusal
    error = failure(kind, TtsFaults(error=(code, f"see {KEY}")))
    assert words in error.problem
    assert not error.temporary


@but_elevenlabs
def test_a_rate_limit_says_how_long_to_wait(kind):
    error = failure(kind, TtsFaults(refuse_status=429))
    assert error.temporary
    assert error.retry_after == 7.0


@every
def test_nobody_there(kind):
    async def run():
        scheme = "ws" if kind in SOCKETS else "http"
        voice = kind.voice(kind.options(**{"api_key": KEY, kind.address: f"{scheme}://127.0.0.1:9"}))
        with pytest.raises(ProviderError, match="connection") as caught:
            await voice.open()
            await said(voice, "Hello there.")
        await voice.close()
        return caught.value

    assert asyncio.run(run()).temporary


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOCKETS, ids=lambda kind: kind.name)
def test_more_than_a_minute_of_one_sentence_is_not_kept(kind, monkeypatch):
    monkeypatch.setattr(socket_tts, "MAX_WAITING", 1000)

    async def scenario(voice, _fake):
        with pytest.raises(ProviderError, match="more than a minute"):
            async for _ in voice.speak("A long sentence which nobody listens to in time, as it seems."):
                for _ in range(100):  # the fake has as many turns, however busy the machine is
                    await asyncio.sleep(0.002)

    speaking(kind, scenario)


@every
def test_the_key_is_in_no_repr(kind):
    assert KEY not in repr(kind.options(api_key=KEY))


@every
def test_time_limits_must_be_limits(kind):
    with pytest.raises(ValueError, match="positive"):
        kind.options(gap_limit=0.0)


# What only one of them has.


def test_aura_is_asked_to_clear_and_only_then():
    async def scenario(voice, fake):
        async with aclosing(voice.speak("One two three four five.")) as pieces:
            await anext(pieces)
        fake.release()
        await said(voice, "Sorry.")
        return [message["type"] for message in fake.sessions[0].messages]

    assert speaking(AURA, scenario, TtsFaults(hold_after=2)) == ["Speak", "Flush", "Clear", "Speak", "Flush"]


def test_aura_takes_twenty_sentences_a_minute_on_one_connection():
    async def scenario(voice, fake):
        for number in range(21):
            assert await said(voice, f"{number}") == sound_of(f"{number}")
        return [len(session.messages) for session in fake.sessions]

    assert speaking(AURA, scenario) == [40, 2]
    aura = AuraSession(DeepgramTtsOptions())
    for number in range(20):
        aura.say(f"s{number}", "x", now=100.0 + number)
    assert aura.worn(159.0)
    assert not aura.worn(160.0)


def test_a_text_is_cut_between_words():
    assert parts_of("one two  three", 8) == ["one two ", "three"]
    assert parts_of("one two", 7) == ["one two"]
    assert parts_of("abcdef", 4) == ["abcd", "ef"]
    assert parts_of(" ", 4) == []


def test_sonic_is_asked_for_whole_sentences_of_mu_law():
    async def scenario(voice, fake):
        await said(voice, "Hello  there.")
        return fake.sessions[0].messages

    message, flush = speaking(SONIC, scenario, extra={"generation_config": {"speed": 1.1}})
    assert flush == message | {"transcript": "", "flush": True}, "the end of the sentence is told"
    assert message["transcript"] == "Hello there. ", "inputs of a context are joined as they are"
    assert message["output_format"] == {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
    assert message["continue"] is True
    assert message["add_timestamps"] is True
    assert message["max_buffer_delay_ms"] == 0
    assert message["generation_config"] == {"speed": 1.1}


def test_assemblyai_counts_flushes_and_cancels():
    async def scenario(voice, fake):
        async with aclosing(voice.speak("One two three four five.")) as pieces:
            await anext(pieces)
        await said(voice, "Sorry.")
        return [message["type"] for message in fake.sessions[0].messages]

    asked = speaking(ASSEMBLYAI, scenario, TtsFaults(hold_after=2))
    assert asked == ["Generate", "Flush", "Cancel", "Generate", "Flush"]


@pytest.mark.parametrize(("code", "name"), [("de", "german"), ("hi", None), ("", None)])
def test_assemblyai_is_told_the_language_by_its_english_name(code, name):
    async def scenario(voice, fake):
        assert await said(voice, "Guten Tag.") == sound_of("Guten Tag.")
        return fake.sessions[0].query.get("language")

    assert speaking(ASSEMBLYAI, scenario, language=code) == name


def test_a_text_longer_than_one_message_of_assemblyai_keeps_its_words_apart():
    text = "seven77 " * 260 + "end."

    async def scenario(voice, fake):
        async with aclosing(voice.speak(text)) as pieces:
            await anext(pieces)
        return fake.texts

    assert speaking(ASSEMBLYAI, scenario, fake_options={"sound": lambda text: b"\x10" * 800}) == [text]


@pytest.mark.parametrize(("code", "times", "wait"), [("internal", 2, 0.0), ("too_many_sessions", 1, 7.0)])
def test_assemblyai_says_itself_whether_and_when_the_same_may_go_well(code, times, wait):
    """It is not asked again at once by a sentence that cannot wait so long."""
    error = failure(ASSEMBLYAI, TtsFaults(error=(code, "words"), times=times))
    assert (error.temporary, error.retry_after) == (True, wait)


def test_assemblyai_is_kept_alive(monkeypatch):
    monkeypatch.setattr("agent.providers.assemblyai_speak.AssemblyAITtsSession.keepalive_every", 0.01)

    async def scenario(_voice, fake):
        await fake.until(lambda: fake.sessions[0].messages.count({"type": "KeepAlive"}) >= 3)

    speaking(ASSEMBLYAI, scenario)


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (
            OPENAI,
            {"extra": {"instructions": "Be calm.", "speed": 1.2}},
            {"model": "gpt-4o-mini-tts", "voice": "marin", "speed": 1.2, "instructions": "Be calm."},
        ),
        (POLLY, {"language": "en-IN", "voice_id": "Kajal"}, {"VoiceId": "Kajal", "LanguageCode": "en-IN"}),
    ],
    ids=["openai", "polly"],
)
def test_the_request_holds_what_was_configured(kind, options, expected):
    async def scenario(voice, fake):
        await said(voice, "Hello.")
        return json.loads(fake.exchanges[0].body)

    assert expected.items() <= speaking(kind, scenario, **options).items()


def test_temporary_credentials_of_polly_are_signed_with_their_token():
    async def scenario(voice, fake):
        await said(voice, "Hello.")
        return fake.exchanges[0].headers["x-amz-security-token"]

    assert speaking(POLLY, scenario, session_token="token") == "token"
    shown = repr(PollyOptions(session_token="its-token", secret_key="its-secret"))
    assert "its-" not in shown


def test_times_of_words_that_nobody_reads_are_left_out() -> None:
    sound = socket_tts.SentenceAudio("x")
    for at in range(socket_tts.MAX_PIECES + 10):
        sound.time(WordTime(at, at))
    assert len(sound._pieces) == socket_tts.MAX_PIECES
    sound.fail(ProviderError("x", "broken"))
    sound._pieces.clear()
    sound.time(WordTime(1, 1))
    assert not sound._pieces, "nor after a fault"
