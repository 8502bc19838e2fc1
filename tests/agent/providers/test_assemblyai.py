# mypy: disable-error-code="arg-type, return-value"
"""The AssemblyAI STT against a server as strict as the real one."""

import asyncio
import json

import pytest

from agent.errors import ProviderError
from agent.providers.assemblyai import AssemblyAIStt
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.stt import Onset, Transcript
from tests.agent.providers.listening import listen, placed, sound
from tests.fakes.assemblyai import FakeAssemblyAI, Faults, Said

KEY = "aai-key"
ORDER = Said("Where is my order?", 500, 2000)
UNFINISHED = Said("My name is", 200, 1200)


def options(fake: FakeAssemblyAI, **more) -> AssemblyAIOptions:
    return AssemblyAIOptions(
        **{"api_key": KEY, "url": f"{fake.url}/v3/ws", "retry_pause": 0.0, "silence_after": 60.0, **more}
    )


def session(fake: FakeAssemblyAI, scenario, **more):
    """Run `scenario(stt, reader)` on an open STT."""

    async def run():
        async with fake:
            return await listen(AssemblyAIStt(options(fake, **more)), scenario)

    return asyncio.run(run())


def refusal(fake: FakeAssemblyAI, **more) -> ProviderError:
    async def run():
        async with fake:
            stt = AssemblyAIStt(options(fake, **more))
            with pytest.raises(ProviderError) as caught:
                await stt.open()
            await stt.close()
            return caught.value

    return asyncio.run(run())


def test_the_session_asks_for_mu_law_as_it_is_on_the_line():
    fake = FakeAssemblyAI()

    async def scenario(_stt, _events):
        pass

    session(fake, scenario, keyterms=("Sipgw", "Łódź"), language="en", extra={"max_turn_silence": 800})
    query = fake.sessions[0].query
    assert query["encoding"] == "pcm_mulaw"
    assert query["sample_rate"] == "8000"
    assert query["speech_model"] == "universal-3-6-pro"
    assert query["max_turn_silence"] == "800"
    assert "min_turn_silence" not in query  # left to the model
    assert json.loads(query["keyterms_prompt"]) == ["Sipgw", "Łódź"]
    assert json.loads(query["language_codes"]) == ["en"]
    assert fake.sessions[0].headers["Authorization"] == KEY
    assert "Sec-WebSocket-Extensions" not in fake.sessions[0].headers


@pytest.mark.parametrize(("chunk", "size"), [(0.05, 480), (0.06, 480), (0.1, 800)])
def test_every_byte_arrives_unchanged_in_frames_of_at_least_the_chosen_length(chunk, size):
    fake = FakeAssemblyAI()
    ulaw = sound(1234)  # all 256 codes, not a whole number of frames

    async def scenario(stt, _events):
        for at in range(0, len(ulaw), 160):
            stt.send_audio(ulaw[at : at + 160])

    session(fake, scenario, chunk=chunk)
    received = bytes(fake.sessions[0].audio)
    assert received[: len(ulaw)] == ulaw
    assert set(received[len(ulaw) :]) <= {0xFF}
    assert all(400 <= frame <= 8000 for frame in fake.sessions[0].frames)
    assert set(fake.sessions[0].frames[:-1]) == {size}
    assert fake.sessions[0].messages == [{"type": "Terminate"}]
    assert fake.sessions[0].sent[-1]["type"] == "Termination"


def test_a_finished_sentence_is_final_once_with_its_place_in_the_sound():
    async def scenario(stt, events):
        stt.send_audio(sound(1400))
        early = [await events.next(), await events.next()]
        stt.send_audio(sound(1000))
        return [*early, await events.next()]

    onset, partial, final = session(FakeAssemblyAI([ORDER]), scenario)
    assert onset == Onset(0.5)
    assert not partial.final
    assert not partial.eager
    assert final == Transcript("Where is my order?", True, True, 2.0, placed(ORDER))


def test_a_partial_in_a_pause_is_stable_and_the_silence_ends_the_turn():
    async def scenario(stt, events):
        stt.send_audio(sound(900))
        pause = [await events.next(), await events.next()]
        for _ in range(15):
            stt.send_audio(sound(100))
        return [*pause, await events.next()]

    said = Said("My name", 200, 700)
    assert session(FakeAssemblyAI([said]), scenario, chunk=0.1) == [
        Onset(0.2),
        Transcript("My name", False, True, 0.7),
        Transcript("My name", True, True, 0.7, placed(said)),
    ]


def test_a_turn_that_goes_on_after_a_pause_stays_one_turn():
    script = [UNFINISHED, Said("Sonny.", 1700, 2100)]

    async def scenario(stt, events):
        stt.send_audio(sound(3000))
        return [await events.final()]

    heard = session(FakeAssemblyAI(script), scenario)
    assert heard == [Transcript("My name is Sonny.", True, True, 2.1, placed(*script))]


@pytest.mark.parametrize("model", ["universal-streaming-english", "universal-streaming-multilingual"])
def test_universal_streaming_counts_words_as_they_come(model):
    async def scenario(stt, events):
        heard = []
        for milliseconds in (600, 500, 1200, 2000):
            stt.send_audio(sound(milliseconds))
            heard.append(await events.next())
        return heard

    assert session(FakeAssemblyAI([ORDER]), scenario, model=model) == [
        Transcript("Where", False, False, 0.6),
        Transcript("Where is", False, False, 1.1),
        Transcript("Where is my order?", False, True, 2.0),
        Transcript("Where is my order?", True, True, 2.0, placed(ORDER)),
    ]


@pytest.mark.faults("E2")
@pytest.mark.parametrize("model", ["u3-rt-pro", "universal-3-5-pro", "universal-3-6-pro"])
def test_every_universal_3_is_told_what_the_agent_has_said_clipped(model):
    async def scenario(stt, _events):
        stt.expect("x" * 2000 + " Where do you live?")

    fake = FakeAssemblyAI()
    session(fake, scenario, model=model)
    update, _ = fake.sessions[0].messages
    assert update["type"] == "UpdateConfiguration"
    assert len(update["agent_context"]) == 1500
    assert update["agent_context"].endswith("Where do you live?")


def test_universal_streaming_takes_no_context():
    async def scenario(stt, _events):
        stt.expect("Where do you live?")

    fake = FakeAssemblyAI()
    session(fake, scenario, model="universal-streaming-english")
    assert fake.sessions[0].messages == [{"type": "Terminate"}]


@pytest.mark.faults("E2")
def test_what_the_newer_models_can_be_told_is_told():
    async def scenario(stt, _events):
        stt.send_audio(sound(100))

    fake = FakeAssemblyAI()
    told = {"mode": "min_latency"}
    extra = {"vad_threshold": 0.4, "prompt": "Orders of tyres.", "voice_focus": "near-field", "interruption_delay": 250}
    session(fake, scenario, **told, extra=extra)
    query = fake.sessions[0].query
    assert {name: query[name] for name in (*told, *extra)} == {**told, **{name: str(extra[name]) for name in extra}}
    assert not {"min_turn_silence", "max_turn_silence"} & set(query)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "min_latency", "model": "u3-rt-pro"},
        {"extra": {"prompt": "Orders."}, "model": "universal-streaming-english"},
        {"extra": {"prompt": "x" * 1751}},
    ],
)
def test_what_the_server_would_refuse_is_refused_at_start(options):
    with pytest.raises(ValueError):
        AssemblyAIOptions(**options)


# Losses within the call.


@pytest.mark.parametrize(
    "faults",
    [
        Faults(drop=True, after_ms=3000),
        Faults(codeless=True, after_ms=3000),
        Faults(error=(3005, "Session Cancelled: An error occurred"), after_ms=3000),
        Faults(error=(3008, "Session Expired: Maximum session duration exceeded"), after_ms=3000),
        Faults(error=(1011, "internal"), after_ms=3000),
        Faults(error=(3007, "Audio Transmission Rate Exceeded: Received 30.0 sec. audio in 1.2 sec"), after_ms=3000),
    ],
)
def test_a_lost_session_is_replaced_and_a_cut_off_turn_is_heard_again(faults):
    """The first turn is final at 1.1 s; the second is at 2.0 to 3.5 s, the loss at 3.0 s."""
    first, second = Said("Hello.", 500, 1000), Said("Where is my order?", 2000, 3500)
    # The second session begins 0.5 s before the onset at 2.0 s: its clock is 1.5 s behind.
    fake = FakeAssemblyAI([first, second], [Said("Where is my order?", 500, 2000)], faults=faults)
    ulaw = sound(5000)

    async def scenario(stt, events):
        stt.send_audio(ulaw[:24000])
        heard = [await events.final()]
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].audio)
        stt.send_audio(ulaw[24000:])
        return [*heard, await events.final()]

    heard = session(fake, scenario)
    assert heard == [
        Transcript("Hello.", True, True, 1.0, placed(first)),
        Transcript("Where is my order?", True, True, 3.5, placed(second)),
    ]
    replayed = bytes(fake.sessions[1].audio)
    assert ulaw[12000:].startswith(replayed[: len(ulaw) - 12000])


def test_the_context_is_told_again_to_the_next_session():
    fake = FakeAssemblyAI((), faults=Faults(drop=True, after_ms=1000))

    async def scenario(stt, _events):
        stt.expect("Your number?")
        await fake.until(lambda: fake.sessions[0].messages)
        stt.send_audio(sound(1020))
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].messages)

    session(fake, scenario, model="universal-3-6-pro")
    assert fake.sessions[1].messages[0]["agent_context"] == "Your number?"


def test_stt_that_are_lost_again_and_again_give_up():
    async def scenario(stt, events):
        stt.send_audio(sound(5000))
        with pytest.raises(ProviderError, match="session cancelled") as caught:
            while True:
                await events.next()
        return caught.value

    fake = FakeAssemblyAI(
        (), faults=Faults(sessions=99, error=(3005, "Session Cancelled: An error occurred"), after_ms=500)
    )
    error = session(fake, scenario)
    assert error.temporary
    assert len(fake.sessions) == 4


@pytest.mark.parametrize(
    ("code", "words", "temporary", "problem"),
    [
        (1008, "Unauthorized Connection: insufficient funds", False, "insufficient funds"),
        (3006, "Invalid Message: x", False, "refused a message"),
        (3007, "Input duration violation: 20 ms", False, "20 ms"),
        (4002, "Insufficient funds", False, "error 4002"),
    ],
)
def test_a_session_that_the_server_will_not_have_is_not_tried_again(code, words, temporary, problem):
    async def scenario(stt, events):
        stt.send_audio(sound(1000))
        with pytest.raises(ProviderError, match=problem) as caught:
            await events.next()
        return caught.value

    fake = FakeAssemblyAI((), faults=Faults(error=(code, words), after_ms=500))
    assert session(fake, scenario).temporary is temporary
    assert len(fake.sessions) == 1


# Refusals at the start.


def test_a_wrong_key_is_refused_at_once_with_advice_and_not_repeated():
    error = refusal(FakeAssemblyAI(key="another"))
    assert not error.temporary
    assert "check the key" in error.advice
    assert KEY not in str(error)


def test_too_many_sessions_may_go_better_later():
    words = "Unauthorized connection: Too many concurrent sessions"
    error = refusal(FakeAssemblyAI(faults=Faults(sessions=99, error=(1008, words))))
    assert error.temporary
    assert "too many sessions" in error.problem


def test_an_unknown_model_is_refused_with_the_names_of_the_known():
    error = refusal(FakeAssemblyAI(), model="universal-9")
    assert "u3-rt-pro" in str(error)
    assert not error.temporary


def test_a_server_that_never_begins_is_given_up():
    error = refusal(FakeAssemblyAI(faults=Faults(silent=True)), open_limit=0.2)
    assert error.temporary
    assert "0.2 s" in str(error)


@pytest.mark.parametrize(("status", "temporary"), [(401, False), (403, False), (429, True), (503, True)])
def test_a_refusal_by_http_keeps_its_meaning(status, temporary):
    assert refusal(FakeAssemblyAI(faults=Faults(refuse_status=status))).temporary is temporary


def test_nobody_there():
    async def run():
        stt = AssemblyAIStt(AssemblyAIOptions(url="ws://127.0.0.1:9/v3/ws", api_key=KEY, retry_pause=0.0))
        with pytest.raises(ProviderError, match="no connection") as caught:
            await stt.open()
        await stt.close()
        assert caught.value.temporary

    asyncio.run(run())


# The rest.


def test_nonsense_from_the_server_is_counted_and_does_no_harm():
    noise = ("", "[]", "{", '{"type": "Turn"}', '{"type": "Turn", "turn_order": "x", "words": 3}', "[" * 9999)

    async def scenario(stt, events):
        stt.send_audio(sound(2400))
        heard = [await events.final()]
        return heard, stt._session.ignored

    heard, ignored = session(FakeAssemblyAI([ORDER], faults=Faults(noise=noise)), scenario)
    assert heard[0].text == "Where is my order?"
    assert ignored == len(noise)


def test_sound_beyond_five_seconds_without_a_session_is_dropped_and_counted():
    async def scenario(stt, _events):
        stt._begun = False
        for _ in range(70):
            stt.send_audio(sound(100))
        return stt.dropped

    assert session(FakeAssemblyAI(), scenario) == 2.0


def test_a_server_that_ignores_the_goodbye_is_cut_off():
    fake = FakeAssemblyAI(faults=Faults(deaf_to_terminate=True))

    async def scenario(_stt, _events):
        pass

    session(fake, scenario, close_limit=0.05)
    assert fake.sessions[0].messages == [{"type": "Terminate"}]


def test_closing_ends_the_events_and_may_be_repeated():
    async def scenario(stt, events):
        await stt.close()
        await stt.close()
        assert await events.next() is None

    session(FakeAssemblyAI(), scenario)


def test_the_key_is_in_no_repr():
    assert KEY not in repr(AssemblyAIOptions(api_key=KEY))


@pytest.mark.parametrize("wrong", [{"chunk": 0.02}, {"keyterms": ("x" * 51,)}, {"attempts": 0}])
def test_options_that_the_server_would_refuse_are_refused_here(wrong):
    with pytest.raises(ValueError, match=r"must|at most"):
        AssemblyAIOptions(**wrong)
