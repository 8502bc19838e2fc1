"""What is remembered of a reply that was interrupted, for each voice that knows its words in time.

In the sound of the servers all words of a sentence last equally long: an estimate by letters would be far off.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from agent.history import CUT_MARK
from agent.tts import TextToSpeech
from tests.agent.holding import Held, Setting, hold
from tests.agent.providers.voicing import ASSEMBLYAI, DIALOGUE, FLUX, HTTP, KEY, SONIC, WS, Kind
from tests.fakes.elevenlabs import TtsFaults, sound_of
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, says

TEXT = "I understand incomprehensibilities a b c d e f g h and the rest of it is short to say."
TIMED = pytest.mark.parametrize("kind", [SONIC, WS, DIALOGUE, HTTP, ASSEMBLYAI], ids=lambda kind: kind.name)


def interrupted(kind: Kind, after: float, faults: TtsFaults | None = None) -> tuple[Held, int]:
    """The conversation, and how many whole words of the reply were played."""

    @contextlib.asynccontextmanager
    async def serving() -> AsyncIterator[Callable[[], TextToSpeech]]:
        async with kind.fake(faults, key=KEY) as fake:
            yield lambda: kind.voice(kind.options(**{"api_key": KEY, kind.address: fake.url}))

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(2.0)
        await caller.say("Tell me")
        await asyncio.sleep(after)
        await caller.say("Stop, that is enough for me")
        await asyncio.sleep(4.0)
        caller.hang_up()

    held = hold(plan, Setting(lambda messages: says(TEXT if len(messages) < 5 else "Fine."), serving=serving))
    cut = held.line.cuts[0]
    assert cut.utterance == 2
    return held, cut.samples * len(TEXT.split()) // len(sound_of(TEXT))


def remembered(held: Held) -> str:
    """What the model is told of the reply when it is asked the next time."""
    return next(message["content"] for message in reversed(held.last_asked()) if message["role"] == "assistant")


@pytest.mark.slow
@TIMED
@pytest.mark.parametrize("after", [1.3, 3.1])
def test_the_memory_ends_with_the_last_word_that_was_heard_to_its_end(kind: Kind, after: float) -> None:
    held, words = interrupted(kind, after)
    assert 1 < words < len(TEXT.split())
    heard = " ".join(TEXT.split()[:words]) + CUT_MARK
    assert remembered(held) == heard
    assert [turn.heard for turn in held.turns if turn.interrupted] == [heard]


@pytest.mark.slow
def test_flux_itself_tells_what_was_heard_of_a_sentence_that_it_still_makes() -> None:
    held, words = interrupted(FLUX, 1.3, TtsFaults(sentence=2, hold_after=6))
    assert 1 < words < len(TEXT.split())
    assert remembered(held) == " ".join(TEXT.split()[:words]) + CUT_MARK


@pytest.mark.slow
def test_what_was_heard_of_a_sentence_that_flux_has_made_is_estimated() -> None:
    """No page says that it answers then."""
    held, _ = interrupted(FLUX, 1.3)
    assert remembered(held).endswith(CUT_MARK)
