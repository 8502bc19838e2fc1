"""While a number, a code or an address is dictated the STT waits for longer and know how people spell; then no more."""

import asyncio

import pytest

from agent.providers.cartesia import CartesiaStt
from agent.providers.cartesia_ink import CartesiaOptions
from agent.providers.stt import SPELLED
from tests.agent.providers.listening import listen, sound
from tests.agent.providers.test_stt_languages import assemblyai, deepgram
from tests.fakes.assemblyai import FakeAssemblyAI
from tests.fakes.cartesia import FakeInk
from tests.fakes.deepgram import FakeDeepgram


def ink(fake: FakeInk, **more) -> CartesiaStt:
    return CartesiaStt(CartesiaOptions(api_key=fake.key, url=fake.url, retry_pause=0.0, silence_after=60.0, **more))


ASKED = ("How can I help you?", "What is your order number?", "Thank you.", "Anything else?")


def told(fake, make, said=ASKED, **more) -> list:
    """What a session is told when the agent says these sentences."""

    async def scenario(stt, events):
        for sentence in said:
            stt.expect(sentence)
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


def test_what_is_asked_for_in_another_language_is_noticed() -> None:
    said = ("¿Cuál es su número de pedido?", "Gracias.")
    assert len(updates(FakeAssemblyAI(), said=said, languages=("es",))) == 2
    assert updates(FakeAssemblyAI(), said=said, languages=("de",)) == []
