"""What was heard of an interrupted sentence of Amazon Polly, by its speech marks."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from agent.meter import MeteredTts
from agent.providers.polly import heard_letters
from agent.tts import Inquiry
from tests.agent.providers.voicing import POLLY, speaking
from tests.fakes.elevenlabs import TtsFaults

TEXT = "Żółw, one two three four."


async def interrupted(voice: Any, samples: int) -> asyncio.Queue[int]:
    """Break `TEXT` off after so many samples; what is told of it comes into the queue."""
    heard = asyncio.Queue[int]()
    async with aclosing(voice.speak(TEXT)) as stream:
        async for piece in stream:
            if isinstance(piece, Inquiry):
                piece.ask(samples, heard.put_nowait)
                break
    return heard


@pytest.mark.parametrize("engine", ["standard", "neural", "long-form"])
def test_the_words_of_a_sentence_that_is_broken_off_are_asked_for_and_paid_for(engine: str) -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        used: list[Any] = []
        metered = MeteredTts(voice, used.append)
        heard = await (await interrupted(metered, 480 * len("Żółw, one tw"))).get()
        return heard, fake.asked, fake.texts, [one.amount for one in used]

    heard, asked, texts, used = speaking(POLLY, scenario, model=engine)
    assert TEXT[:heard] == "Żółw, one"
    assert asked == texts == [TEXT]
    assert used == [len(TEXT)] * 2


def test_no_marks_are_asked_for_of_a_sentence_that_is_heard_to_its_end_nor_of_an_engine_without() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        return [type(piece) async for piece in voice.speak(TEXT)].count(Inquiry), fake.asked

    assert speaking(POLLY, scenario) == (1, [])
    assert speaking(POLLY, scenario, model="generative") == (0, [])


def test_marks_that_do_not_come_keep_nobody_waiting() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        heard = [await interrupted(voice, 4800) for _ in range(9)]
        await asyncio.sleep(0.05)
        assert len(fake.asked) <= 4
        await voice.close()
        return [one.empty() for one in heard]

    assert all(speaking(POLLY, scenario, TtsFaults(times=99, hold_after=99)))


@pytest.mark.parametrize("marks", [b"", b"nonsense", b"[1]", b'{"type": "word"}', b'{"type": "word", "time": null}'])
def test_marks_that_make_no_sense_tell_nothing(marks: bytes) -> None:
    assert heard_letters(TEXT, marks, 8000) is None
