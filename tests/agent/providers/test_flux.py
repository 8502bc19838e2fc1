"""What Flux says while nobody speaks, with the first word, and when it refuses something."""

import asyncio
import json

import pytest

from agent.errors import ProviderError
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession
from agent.stt import Transcript
from tests.agent.providers.listening import placed, sound
from tests.agent.providers.test_deepgram import MODELS, ORDER, session
from tests.fakes.deepgram import FakeDeepgram, bad_terms
from tests.fakes.listening import Faults


def test_silence_is_neither_kept_nor_heard_again() -> None:
    """The loss comes after 8 s in which nobody has said anything."""
    fake, ulaw = FakeDeepgram(faults=Faults(drop=True, after_ms=8000)), sound(10_000)

    async def scenario(stt, _events):
        kept = 0
        for at in range(0, len(ulaw), 800):
            stt.send_audio(ulaw[at : at + 800])
            kept = max(kept, len(stt._session.backlog._sound))
            await asyncio.sleep(0)
        await fake.until(lambda: len(fake.sessions) == 2 and len(fake.sessions[1].audio) >= 800)
        return kept

    kept = session(fake, scenario)
    assert any(message.get("event") == "Update" for message in fake.sessions[0].sent)
    assert kept <= 7 * 8000
    assert ulaw.index(bytes(fake.sessions[1].audio[:800])) >= 6 * 8000


def test_the_first_word_comes_with_the_start_of_the_turn() -> None:
    async def scenario(stt, events):
        stt.send_audio(sound(960))
        return await events.next()

    fake = FakeDeepgram([ORDER])
    assert session(fake, scenario) == Transcript("Where", False, False, 0.875)
    told = [message["event"] for message in fake.sessions[0].sent if message["type"] == "TurnInfo"]
    assert told[told.index("StartOfTurn") - 1] == "Update", "of silence"


@pytest.mark.parametrize("model", MODELS)
def test_what_is_our_own_fault_is_not_tried_again(model) -> None:
    fake = FakeDeepgram(faults=Faults(error=("UNPARSABLE_CLIENT_MESSAGE", "no"), after_ms=500))

    async def scenario(stt, events):
        stt.send_audio(sound(1000))
        with pytest.raises(ProviderError, match="refused a message: no") as caught:
            await events.next()
        return caught.value.temporary

    assert session(fake, scenario, model=model) is False
    assert len(fake.sessions) == 1


@pytest.mark.faults("E4")
def test_words_have_their_places_and_the_turn_ends_with_the_last_of_them() -> None:
    """Flux tells them since July 2026; its window ends later, when it is sure."""

    async def scenario(stt, events):
        stt.send_audio(sound(4000))
        return await events.final()

    final = session(FakeDeepgram([ORDER]), scenario)
    assert final == Transcript("Where is my order?", True, True, ORDER.end_ms / 1000, placed(ORDER))


@pytest.mark.faults("E4")
@pytest.mark.parametrize("words", [None, "no", [None], [{"word": 7}], [{"word": "Hi."}], [{"word": "Hi.", "end": "x"}]])
def test_words_that_make_no_sense_leave_the_text_as_it_is(words) -> None:
    flux = FluxSession(DeepgramOptions(api_key="k"))
    flux.begin()
    flux.backlog.add(bytes(8000))
    flux.backlog.next_frame()
    told = {"type": "TurnInfo", "event": "EndOfTurn", "turn_index": 0, "transcript": "Hi.", "words": words}
    heard = flux.receive(json.dumps({**told, "audio_window_start": 0.0, "audio_window_end": 0.9}))
    assert heard == Transcript("Hi.", True, True, 0.9)


@pytest.mark.faults("E4")
@pytest.mark.parametrize("stray", ["", "  ", "x" * 101])
def test_a_key_term_for_which_every_call_would_be_deaf_is_refused_at_start(stray: str) -> None:
    assert bad_terms("/v2/listen", ["Sipgw", stray]), "the server refuses the session for it"
    with pytest.raises(ValueError, match="none of them blank"):
        DeepgramOptions(keyterms=("Sipgw", stray))
