"""While a number, a code or an address is dictated the STT waits for longer and know how people spell; then no more."""

import asyncio
from math import inf

import pytest

from agent.providers.assemblyai_session import AssemblyAIOptions, AssemblyAISttSession
from agent.providers.cartesia import CartesiaStt
from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession, NovaSession
from agent.providers.stt import SPELLED, SttSession
from agent.turn_taking.expect import OPEN, Expected, Kind
from tests.agent.providers.listening import listen, sound
from tests.agent.providers.test_stt_languages import assemblyai, deepgram
from tests.fakes.assemblyai import FakeAssemblyAI
from tests.fakes.cartesia import FakeInk
from tests.fakes.deepgram import FakeDeepgram


def ink(fake: FakeInk, **more) -> CartesiaStt:
    return CartesiaStt(CartesiaOptions(api_key=fake.key, url=fake.url, retry_pause=0.0, silence_after=60.0, **more))


ASKED = (
    ("How can I help you?", OPEN),
    ("What is it?", Expected(Kind.DIGITS, 10)),
    ("Your order number, thank you.", OPEN),
    ("Anything else?", Expected(Kind.YES_NO)),
)


def told(fake, make, said=ASKED, **more) -> list:
    """What a session is told when the agent says these sentences."""

    async def scenario(stt, events):
        for sentence, wanted in said:
            stt.expect(sentence, wanted)
            stt.send_audio(sound(100))
            await asyncio.sleep(0.02)

    async def run():
        async with fake:
            await listen(make(fake, **more), scenario)

    asyncio.run(run())
    assert len(fake.sessions) == 1, "nothing was refused"
    assert not [message for message in fake.sessions[0].sent if message["type"] == "ConfigureFailure"]
    return [
        message for message in fake.sessions[0].messages if message["type"] not in ("Terminate", "CloseStream", "close")
    ]


def updates(fake: FakeAssemblyAI, **more) -> list[dict]:
    """What changes for a dictation and after it."""
    told_to = [
        {name: value for name, value in message.items() if name not in ("type", "agent_context")}
        for message in told(fake, assemblyai, **more)
    ]
    return [message for message in told_to if message]


@pytest.mark.parametrize(("model", "usual"), [("u3-rt-pro", (100, 1000)), ("universal-streaming-english", (400, 1280))])
def test_assemblyai_is_patient_while_a_number_is_dictated_and_as_before_afterwards(model, usual) -> None:
    raised, restored = updates(FakeAssemblyAI(), model=model, keyterms=("Sipgw",))
    assert raised["keyterms_prompt"] == ["Sipgw", *SPELLED]
    assert raised["min_turn_silence"] == 500
    assert raised["max_turn_silence"] == 1800
    assert restored["keyterms_prompt"] == ["Sipgw"]
    assert (restored["min_turn_silence"], restored["max_turn_silence"]) == usual


@pytest.mark.faults("E2")
@pytest.mark.parametrize(("mode", "usual"), [("", "balanced"), ("min_latency", "min_latency")])
def test_a_model_with_modes_keeps_its_own_silences_in_a_dictation_and_after_it(mode, usual) -> None:
    raised, restored = updates(FakeAssemblyAI(), mode=mode, keyterms=("Sipgw",))
    assert raised == {"keyterms_prompt": ["Sipgw", *SPELLED], "mode": "max_accuracy"}
    assert restored == {"keyterms_prompt": ["Sipgw"], "mode": usual}


def test_limits_above_ours_are_kept() -> None:
    raised, restored = updates(FakeAssemblyAI(), extra={"min_turn_silence": 700, "max_turn_silence": 3000})
    for message in (raised, restored):
        assert (message["min_turn_silence"], message["max_turn_silence"]) == (700, 3000)


@pytest.mark.parametrize(
    ("session", "silences"),
    [
        (AssemblyAISttSession(AssemblyAIOptions()), (1.28, 2.56)),
        (AssemblyAISttSession(AssemblyAIOptions(mode="min_latency")), (0.64, 2.56)),
        (AssemblyAISttSession(AssemblyAIOptions(extra={"max_turn_silence": 1500})), (1.5, 1.8)),
        (AssemblyAISttSession(AssemblyAIOptions(model="u3-rt-pro")), (1.0, 1.8)),
        (AssemblyAISttSession(AssemblyAIOptions(model="universal-streaming-english")), (1.28, 1.8)),
        (FluxSession(DeepgramOptions()), (5.0, 5.0)),
        (FluxSession(DeepgramOptions(extra={"eot_timeout_ms": 3000})), (3.0, 3.0)),
        (NovaSession(DeepgramOptions(model="nova-3")), (inf, inf)),
        (InkSession(CartesiaOptions()), (5.6, 5.6)),
    ],
)
def test_the_longest_silence_is_that_of_the_present_settings(
    session: SttSession, silences: tuple[float, float]
) -> None:
    usual, dictated = silences
    told = []
    for sentence, wanted in ASKED[:3]:
        session.hint(sentence, wanted)
        told.append(session.longest_silence)
    assert told == [usual, dictated, usual]


@pytest.mark.parametrize("wrong", ["3000", -1, True])
def test_a_longest_silence_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="eot_timeout_ms"):
        DeepgramOptions(extra={"eot_timeout_ms": wrong})
    with pytest.raises(ValueError, match="turn_end_timeout_ms"):
        CartesiaOptions(extra={"turn_end_timeout_ms": wrong})


def test_flux_must_be_surer_that_the_turn_is_over() -> None:
    raised, restored = told(FakeDeepgram(), deepgram, keyterms=("Sipgw",))
    assert raised == {"type": "Configure", "thresholds": {"eot_threshold": 0.85}, "keyterms": ["Sipgw", *SPELLED]}
    assert restored == {"type": "Configure", "thresholds": {"eot_threshold": 0.7}, "keyterms": ["Sipgw"]}


def test_flux_takes_what_it_is_told_at_the_limits() -> None:
    fake = FakeDeepgram()
    told(fake, deepgram, keyterms=tuple(f"term{n}" for n in range(100)), extra={"eot_threshold": 0.5})
    assert [one["type"] for one in fake.sessions[0].sent].count("ConfigureSuccess") == 2


def test_ink_must_be_surer_that_the_turn_is_over() -> None:
    raised, restored = told(FakeInk(), ink)
    assert raised == {"type": "config", "turn": {"end_threshold": 0.1}}
    assert restored == {"type": "config", "turn": {"end_threshold": 0.2}}


@pytest.mark.parametrize(("kind", "changes"), [(Kind.SPELLING, 2), (Kind.EMAIL, 2), (Kind.DATE, 0)])
def test_what_people_say_in_parts_is_waited_for(kind: Kind, changes: int) -> None:
    said = (("¿Cuál es?", Expected(kind)), ("Gracias.", OPEN))
    assert len(updates(FakeAssemblyAI(), said=said, languages=("es",))) == changes
