"""What the caller has heard of a reply when they interrupt it, by the times of words that the voice tells."""

import asyncio
import re

import pytest

from agent.history import CUT_MARK
from agent.places import places
from agent.speakable import speakable
from tests.agent.holding import Setting, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, FakeTts, says

WORD = 3000
"""Samples of each word, however long: an estimate by letters would be far off."""
TEXT = "I understand incomprehensibilities a b c d e f g h and the rest of it is short to say."
ODD = "It is **$3.20** or 20% off if you call 555-123-4567 by 9:00 or write to a_b@x.org & wait for it."


def interrupted(text: str, after: float) -> tuple[str, str, int]:
    """What was said to the voice, what was remembered, and how many whole words of it were played."""

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(2.0)
        await caller.say("Tell me")
        await asyncio.sleep(after)
        await caller.say("Stop, that is enough for me")
        await asyncio.sleep(4.0)
        caller.hang_up()

    held = hold(plan, Setting(lambda messages: says(text if len(messages) < 5 else "Fine."), tts={"timed": WORD}))
    (cut,) = [turn for turn in held.turns if turn.interrupted]
    spoken = speakable(text, "en")
    assert held.tts.spoken[1] == spoken
    assert held.line.cuts[0].utterance == 2
    return spoken, cut.heard, held.line.cuts[0].samples // WORD


@pytest.mark.parametrize("after", [0.9, 1.1, 1.7, 2.3, 3.1, 5.0])
def test_the_memory_ends_with_the_last_word_that_was_heard_to_its_end(after: float) -> None:
    _, heard, words = interrupted(TEXT, after)
    assert 0 < words < len(TEXT.split())
    whole = " ".join(TEXT.split()[:words]).rstrip(",")
    assert heard == whole + CUT_MARK


@pytest.mark.parametrize("after", [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0])
def test_what_became_several_words_was_heard_when_the_last_of_them_was(after: float) -> None:
    spoken, heard, words = interrupted(ODD, after)
    assert words < len(spoken.split())
    said = " ".join(spoken.split()[:words])
    assert heard, "some of it"
    assert speakable(heard.removesuffix(CUT_MARK), "en").rstrip(",") in said
    following = ODD[len(heard.removesuffix(CUT_MARK)) :].lstrip(" ,").split()[0]
    assert speakable(f"{heard.removesuffix(CUT_MARK)} {following}", "en") not in said


PLACES = [
    ("Hello there.", "Hello there.", "Hello", "Hello"),
    ("It costs $5 today.", "It costs 5 dollars today.", "It costs 5", "It costs"),
    ("It costs $5 today.", "It costs 5 dollars today.", "It costs 5 dollars", "It costs $5"),
    ("Call 555-1234, please.", "Call 5 5 5, 1 2 3 4, please.", "Call 5 5 5, 1 2", "Call"),
    ("Call 555-1234, please.", "Call 5 5 5, 1 2 3 4, please.", "Call 5 5 5, 1 2 3 4,", "Call 555-1234,"),
    ("**Yes**, we do it :-)", "Yes , we do it", "Yes , we do it", "**Yes**, we do it :-)"),
    ("* one", "one", "", ""),
    ("$5", "5 dollars", "5", ""),
]


@pytest.mark.parametrize(("text", "spoken", "said", "heard"), PLACES)
def test_words_of_the_voice_are_found_in_the_text(text: str, spoken: str, said: str, heard: str) -> None:
    assert text[: places(text, spoken)(len(said))] == heard


@pytest.mark.parametrize("text", [ODD, "5 & 5 & 5 at 5:00, 55-55-55-55.", "_ _ a", "…"])
def test_more_said_is_never_less_heard(text: str) -> None:
    spoken = speakable(text, "en")
    found = [places(text, spoken)(letters) for letters in range(len(spoken) + 1)]
    assert found == sorted(found)
    assert all(end == len(text) or re.match(r"\s|$", text[end:]) or end == 0 for end in found)


def test_the_words_of_a_long_text_are_not_matched_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool or an operator may have the agent say it; to match 20,000 characters stopped all calls for seconds."""
    text = "It is 20% off. " * 200
    spoken = speakable(text, "en")
    monkeypatch.delattr("agent.places.SequenceMatcher")
    place = places(text, spoken)
    assert (place(0), place(len(spoken))) == (0, len(text))
    assert abs(place(len(spoken) // 2) - len(text) // 2) < len("It is 20% off. ")


def test_a_reply_is_one_passage_for_the_voice_and_the_next_reply_another() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(2.0)
        await caller.say("Tell me")
        await asyncio.sleep(8.0)
        await caller.say("And now")
        await asyncio.sleep(1.8)
        await caller.say("Stop, that is enough for me")
        await asyncio.sleep(5.0)
        caller.hang_up()

    held = hold(plan, Setting(lambda messages: says("It is on its way to you. It comes today. Is that all?")))
    told = dict.fromkeys(zip(held.tts.spoken, held.tts.before, strict=True))
    assert list(told) == [
        ("Hello there.", ""),
        ("It is on its way to you.", ""),
        ("It comes today.", "It is on its way to you."),
        ("Is that all?", "It is on its way to you. It comes today."),
    ]
    assert held.tts.spoken.count("It is on its way to you.") == 3


def test_the_voice_of_the_test_tells_times() -> None:
    async def run() -> list[object]:
        return [piece async for piece in FakeTts(timed=2).speak("One two.")]

    pieces = asyncio.run(run())
    assert pieces == [b"OO", (3, 2), b"tt", (8, 4)]
