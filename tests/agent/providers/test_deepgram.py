# mypy: disable-error-code="arg-type, return-value"
"""The Deepgram STT against a server as strict as the real one."""

import asyncio
import json

import pytest

from agent.errors import ProviderError
from agent.providers import socket_stt
from agent.providers.deepgram import DeepgramStt
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession, NovaSession
from agent.stt import Onset, Transcript, Word
from tests.agent.providers.listening import listen, placed, refused, sound
from tests.fakes.assemblyai import Said
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.listening import Faults

KEY = "dg-key"
ORDER = Said("Where is my order?", 500, 2000)
MODELS = ["nova-3", "flux-general-en"]


def stt_on(fake: FakeDeepgram, **more) -> DeepgramStt:
    given = {"api_key": KEY, "url": fake.url, "retry_pause": 0.0, "silence_after": 60.0, **more}
    return DeepgramStt(DeepgramOptions(**given))


def session(fake: FakeDeepgram, scenario, **more):
    async def run():
        async with fake:
            return await listen(stt_on(fake, **more), scenario)

    return asyncio.run(run())


def refusal(fake: FakeDeepgram, **more) -> ProviderError:
    async def run():
        async with fake:
            return await refused(stt_on(fake, **more))

    return asyncio.run(run())


async def nothing(_stt, _events):
    pass


def speaking(milliseconds: int, step: int = 100):
    """A caller who makes so much sound, and the events until the final."""

    async def scenario(stt, events):
        for _ in range(0, milliseconds, step):
            stt.send_audio(sound(step))
            await asyncio.sleep(0)  # the server answers between
        return await events.final()

    return scenario


# What is asked for.


@pytest.mark.parametrize(("model", "ends_turns"), [("nova-3", False), ("flux-general-en", True)])
def test_only_flux_is_believed_that_a_turn_has_ended(model: str, ends_turns: bool) -> None:
    options = DeepgramOptions(api_key=KEY, model=model)
    assert DeepgramStt(options).ends_turns is ends_turns


def test_nova_is_asked_for_mu_law_as_it_is_on_the_line():
    fake = FakeDeepgram()
    session(
        fake,
        nothing,
        model="nova-3",
        language="en",
        keyterms=("Sipgw", "Łódź"),
        extra={"endpointing": 250},
        redact=("pci", "ssn"),
    )
    opened = fake.sessions[0]
    assert opened.path == "/v1/listen"
    assert opened.query["encoding"] == "mulaw"
    assert opened.query["sample_rate"] == "8000"
    assert opened.query["endpointing"] == "250"
    assert opened.query["interim_results"] == "true"
    assert [value for name, value in opened.pairs if name == "keyterm"] == ["Sipgw", "Łódź"]
    assert [value for name, value in opened.pairs if name == "redact"] == ["pci", "ssn"]
    assert opened.headers["Authorization"] == f"Token {KEY}"
    assert opened.messages == [{"type": "CloseStream"}]


@pytest.mark.parametrize(
    ("model", "told"), [("nova-2", []), ("nova-3-general", ["Sipgw"]), ("flux-general-en", ["Sipgw"])]
)
def test_key_terms_are_sent_to_the_models_that_take_them(model: str, told: list[str]) -> None:
    fake = FakeDeepgram()
    session(fake, nothing, model=model, keyterms=("Sipgw",))
    assert [value for name, value in fake.sessions[0].pairs if name == "keyterm"] == told


def test_flux_is_asked_for_eager_ends_unless_told_not_to():
    fake = FakeDeepgram()
    session(fake, nothing, extra={"eager_eot_threshold": 0.4})
    assert fake.sessions[0].path == "/v2/listen"
    assert fake.sessions[0].query["eager_eot_threshold"] == "0.4"
    plain = FakeDeepgram()
    session(plain, nothing, eager_eot_threshold=None)
    assert "eager_eot_threshold" not in plain.sessions[0].query


@pytest.mark.parametrize("model", MODELS)
def test_every_byte_arrives_unchanged(model):
    fake, ulaw = FakeDeepgram(), sound(1234)

    async def scenario(stt, _events):
        for at in range(0, len(ulaw), 160):
            stt.send_audio(ulaw[at : at + 160])

    session(fake, scenario, model=model)
    assert bytes(fake.sessions[0].audio) == ulaw
    assert set(fake.sessions[0].frames[:-1]) == {160}


# Nova.


def test_nova_tells_onset_words_and_the_end():
    async def scenario(stt, events):
        stt.send_audio(sound(960))
        heard = [await events.next(), await events.next()]
        stt.send_audio(sound(1500))
        return [*heard, await events.final()]

    assert session(FakeDeepgram([ORDER]), scenario, model="nova-3") == [
        Onset(0.5),
        Transcript("Where", False, False, 0.875),
        Transcript("Where is my order?", True, True, 2.0, placed(ORDER)),
    ]


def test_nova_puts_the_final_results_of_a_turn_together():
    script = [Said("My name is", 200, 1200), Said("Sonny.", 1400, 1900)]  # the gap is shorter than the endpointing
    heard = session(FakeDeepgram(script), speaking(2400), model="nova-3")
    assert (heard.text, heard.words) == ("My name is Sonny.", placed(*script))


def test_a_turn_whose_silence_is_hidden_by_noise_ends_with_the_words():
    fake = FakeDeepgram([ORDER], faults=Faults(sessions=0, no_endpoint=True))
    heard = session(fake, speaking(3200), model="nova-3")
    assert heard == Transcript("Where is my order?", True, True, 2.0, placed(ORDER))


def test_the_late_end_of_an_utterance_does_not_end_the_turn_after_it():
    nova = NovaSession(DeepgramOptions(model="nova-3"))
    nova.begin()
    nova.backlog.add(sound(4000))
    while nova.backlog.next_frame():
        pass

    def results(text: str, start: float, end: float, **more):
        words = [{"word": text, "start": start, "end": end}]
        channel = {"alternatives": [{"transcript": text, "words": words}]}
        fields = {"type": "Results", "start": start, "duration": end - start, "is_final": True, "channel": channel}
        return nova.receive(json.dumps({**fields, **more}))

    def utterance_end(at: float):
        return nova.receive(json.dumps({"type": "UtteranceEnd", "last_word_end": at}))

    assert results("Yes.", 0.5, 1.0, speech_final=True).final
    assert not results("And then", 1.5, 2.0).final
    assert utterance_end(1.0) is None
    assert results("one more.", 2.0, 2.5, speech_final=True).text == "And then one more."
    assert utterance_end(-1) is None
    assert not results("Bye", 3.0, 3.5).final
    assert utterance_end(-1) == Transcript("Bye", True, True, 4.0, (Word("Bye", 3.0, 3.5),))
    assert nova.ignored == 0


def test_nova_is_kept_alive_until_there_is_sound(monkeypatch):
    monkeypatch.setattr(socket_stt, "KEEPALIVE", 0.2)
    fake = FakeDeepgram([ORDER])

    async def scenario(_stt, _events):
        await fake.until(lambda: len(fake.sessions[0].messages) >= 2)

    session(fake, scenario, model="nova-3", silence_after=0.1)
    assert fake.sessions[0].messages[:2] == [{"type": "KeepAlive"}] * 2
    assert not fake.sessions[0].audio


def test_a_session_that_heard_nothing_for_too_long_is_replaced():
    fake = FakeDeepgram([ORDER], patience=0.1)

    async def scenario(stt, events):
        await fake.until(lambda: len(fake.sessions) == 2)
        stt.send_audio(sound(2500))
        return await events.final()

    assert session(fake, scenario, model="nova-3").text == "Where is my order?"
    assert fake.sessions[0].sent[-1]["variant"] == "NET-0001"


# Flux.


def test_flux_tells_the_probable_end_takes_it_back_and_tells_the_end():
    script = [Said("My number is", 200, 1200), Said("seven three.", 1600, 2200)]

    async def scenario(stt, events):
        stt.send_audio(sound(1500))
        eager = await events.matching(eager=True)
        stt.send_audio(sound(600))
        resumed = await events.matching(eager=False)
        stt.send_audio(sound(1300))
        return eager, resumed, await events.final()

    eager, resumed, final = session(FakeDeepgram(script), scenario, chunk=0.1)
    assert (eager.text, eager.final) == ("My number is", False)
    assert (resumed.text.split()[:3], resumed.final) == (["My", "number", "is"], False)
    assert final.text == "My number is seven three."


def test_flux_event_by_event():
    flux = FluxSession(DeepgramOptions())
    flux.begin()
    flux.backlog.add(sound(5000))
    while flux.backlog.next_frame():
        pass

    def info(event: str, text: str, until: float, turn: int = 0):
        window = {"audio_window_start": 0.0, "audio_window_end": until}
        message = {"type": "TurnInfo", "event": event, "turn_index": turn, "transcript": text, **window}
        return flux.receive(json.dumps(message))

    assert info("Update", "", 0.25) is None  # nobody has said anything
    assert info("StartOfTurn", "My", 0.5) == Transcript("My", False, False, 0.5)
    assert info("Update", "My number", 1.0) == Transcript("My number", False, False, 1.0)
    assert info("Update", "My number", 1.25) is None  # nothing new
    assert info("EagerEndOfTurn", "My number", 1.4) == Transcript("My number", False, True, 1.0)
    assert info("TurnResumed", "My number", 1.6) == Transcript("My number", False, False, 1.0)
    assert info("EndOfTurn", "My number is 7.", 3.0) == Transcript("My number is 7.", True, True, 3.0)
    assert info("Update", "late", 3.2) is None  # of a turn that is over
    assert info("StartOfTurn", "", 3.4, turn=1) == Onset(3.4)
    assert info("EndOfTurn", "", 4.0, turn=1) is None


@pytest.mark.parametrize("model", MODELS)
def test_silence_takes_the_place_of_sound_that_does_not_come(model):
    """Without it no turn would end when a phone stops sending in the middle of one."""
    fake = FakeDeepgram([ORDER])

    async def scenario(stt, events):
        stt.send_audio(sound(2000))
        return await events.final()

    assert session(fake, scenario, model=model, silence_after=0.1).text == "Where is my order?"
    assert set(fake.sessions[0].audio[16000:]) == {0xFF}


# Losses within the call.


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "faults",
    [
        Faults(drop=True, after_ms=3000),
        Faults(error=("INTERNAL_SERVER_ERROR", "x"), after_ms=3000),
        Faults(error=("SOMETHING_NEW", "x"), after_ms=3000),
    ],
)
def test_a_lost_session_is_replaced_and_a_cut_off_turn_is_heard_again(model, faults):
    first, second = Said("Hello.", 500, 1000), Said("Where is my order?", 2000, 3500)
    # Nova's turn began at 2.0 s and is replayed from 0.5 s before; Flux's window begins where the last turn ended.
    begins = 1500 if model == "nova-3" else 1800
    again = Said("Where is my order?", 2000 - begins, 3500 - begins)
    fake = FakeDeepgram([first, second], [again], faults=faults)
    ulaw = sound(5000)

    async def scenario(stt, events):
        stt.send_audio(ulaw[:24000])
        heard = [await events.final()]
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].audio)
        stt.send_audio(ulaw[24000:])
        return [*heard, await events.final()]

    heard = session(fake, scenario, model=model, chunk=0.1)
    assert [transcript.text for transcript in heard] == ["Hello.", "Where is my order?"]
    assert heard[1].end == pytest.approx(3.5, abs=0.3)
    assert bytes(fake.sessions[1].audio[:8000]) in ulaw


def test_fixed_words_of_nova_are_neither_lost_nor_doubled_by_a_loss():
    """The loss comes at 2.5 s; the words up to 1.5 s were final, the rest was not."""
    script = [Said("My number is", 500, 1500), Said("seven three four", 1600, 3000)]
    fake = FakeDeepgram(script, [Said("seven three four", 100, 1500)], faults=Faults(drop=True, after_ms=2500))

    async def scenario(stt, events):
        stt.send_audio(sound(2500))
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].audio)
        stt.send_audio(sound(1500))
        return await events.final()

    assert session(fake, scenario, model="nova-3", chunk=0.1).text == "My number is seven three four"


def test_the_whole_of_a_long_turn_is_heard_again():
    """Flux is lost after 12 s of one turn, of which nothing was final."""
    words = " ".join(f"w{n}" for n in range(100))
    fake = FakeDeepgram([Said(words, 500, 12500)], [Said(words, 0, 12000)], faults=Faults(drop=True, after_ms=12000))
    ulaw = sound(14000)

    async def scenario(stt, events):
        for at in range(0, 96000, 800):
            stt.send_audio(ulaw[at : at + 800])
            await asyncio.sleep(0)
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].audio)
        for at in range(96000, len(ulaw), 800):
            stt.send_audio(ulaw[at : at + 800])
            await asyncio.sleep(0)
        return await events.final(), stt.dropped

    final, dropped = session(fake, scenario)
    assert final.text == words
    assert dropped == 0
    assert ulaw.startswith(bytes(fake.sessions[1].audio[:64000]))


# Refusals.


@pytest.mark.parametrize("model", MODELS)
def test_a_wrong_key_is_refused_and_not_shown(model):
    error = refusal(FakeDeepgram(key="another"), model=model)
    assert not error.temporary
    assert "API key" in error.problem
    assert KEY not in str(error)


def test_a_bad_parameter_is_told_in_the_words_of_the_server():
    error = refusal(FakeDeepgram(faults=Faults(refuse_status=400)))
    assert "refused" in error.problem
    assert not error.temporary


def test_a_rate_limit_says_how_long_to_wait():
    fake = FakeDeepgram(faults=Faults(sessions=9, refuse_status=429, retry_after="7"))
    error = refusal(fake)
    assert error.temporary
    assert error.retry_after == 7.0
    assert fake.refused == 1  # longer than the caller can wait: not tried again


def test_a_passing_refusal_is_tried_again():
    fake = FakeDeepgram([ORDER], faults=Faults(sessions=1, refuse_status=503))
    assert session(fake, speaking(3000)).text == "Where is my order?"


def test_a_flux_that_never_begins_is_given_up():
    error = refusal(FakeDeepgram(faults=Faults(silent=True)), open_limit=0.2)
    assert error.temporary
    assert "0.2 s" in str(error)


@pytest.mark.parametrize("model", MODELS)
def test_nonsense_from_the_server_is_counted_and_does_no_harm(model):
    noise = (
        *("", "[]", "{", "[" * 9999, '{"type": 3}', '{"type": "Results"}', '{"type": "TurnInfo", "event": 1}'),
        '{"type": "Results", "channel": {"alternatives": []}, "start": 0, "duration": 1, "is_final": true}',
        '{"type": "TurnInfo", "event": "Update", "turn_index": "x", "transcript": 3}',
    )

    async def scenario(stt, events):
        stt.send_audio(sound(3000))
        return await events.final(), stt._session.ignored

    final, ignored = session(FakeDeepgram([ORDER], faults=Faults(noise=noise)), scenario, model=model)
    assert final.text == "Where is my order?"
    assert ignored >= 6


@pytest.mark.parametrize(
    "wrong",
    [{"chunk": 0.001}, {"extra": {"eot_threshold": 0.2}}, {"extra": {"eager_eot_threshold": 0.8}}, {"attempts": 0}],
)
def test_options_that_the_server_would_refuse_are_refused_here(wrong):
    with pytest.raises(ValueError, match="must be"):
        DeepgramOptions(**wrong)


def test_the_key_is_in_no_repr():
    assert KEY not in repr(DeepgramOptions(api_key=KEY))
