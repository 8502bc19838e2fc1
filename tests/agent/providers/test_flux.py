"""What Flux says while nobody speaks, with the first word, and when it refuses something."""

import asyncio

import pytest

from agent.ears import Transcript
from agent.errors import ProviderError
from tests.agent.providers.listening import sound
from tests.agent.providers.test_deepgram import MODELS, ORDER, session
from tests.fakes.deepgram import FakeDeepgram, Faults


def test_silence_is_neither_kept_nor_heard_again() -> None:
    """The loss comes after 8 s in which nobody has said anything."""
    fake, ulaw = FakeDeepgram(faults=Faults(drop=True, after_ms=8000)), sound(10_000)

    async def scenario(ears, _events):
        kept = 0
        for at in range(0, len(ulaw), 800):
            ears.hear(ulaw[at : at + 800])
            kept = max(kept, len(ears._session.backlog._sound))
            await asyncio.sleep(0)
        await fake.until(lambda: len(fake.sessions) == 2 and len(fake.sessions[1].audio) >= 800)
        return kept

    kept = session(fake, scenario)
    assert any(message.get("event") == "Update" for message in fake.sessions[0].sent)
    assert kept <= 7 * 8000
    assert ulaw.index(bytes(fake.sessions[1].audio[:800])) >= 6 * 8000


def test_the_first_word_comes_with_the_start_of_the_turn() -> None:
    async def scenario(ears, events):
        ears.hear(sound(960))
        return await events.next()

    fake = FakeDeepgram([ORDER])
    assert session(fake, scenario) == Transcript("Where", False, False, 0.88)
    told = [message["event"] for message in fake.sessions[0].sent if message["type"] == "TurnInfo"]
    assert told[told.index("StartOfTurn") - 1] == "Update", "of silence"


@pytest.mark.parametrize("model", MODELS)
def test_what_is_our_own_fault_is_not_tried_again(model) -> None:
    fake = FakeDeepgram(faults=Faults(error=("UNPARSABLE_CLIENT_MESSAGE", "no"), after_ms=500))

    async def scenario(ears, events):
        ears.hear(sound(1000))
        with pytest.raises(ProviderError, match="refused a message: no") as caught:
            await events.next()
        return caught.value.temporary

    assert session(fake, scenario, model=model) is False
    assert len(fake.sessions) == 1
