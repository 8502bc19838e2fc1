"""What callers do, as whole calls on virtual time: menus, digits, cards, thank-yous, pauses, long interruptions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agent.records import Interrupted, TurnDecided
from agent.stt import Transcript
from agent.tools import tool
from agent.turn_taking.expect import OPEN
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import LONG, PERSONA, Held, Setting, by_last, hold, spoken_seconds
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, calls, now, says

Plan = Callable[[FakeCaller, FakeLine, FakeStt], Awaitable[None]]
MENU = "Please say sales, billing or support."
ASKING = "What is your account number?"


def asked(held: Held) -> list[str]:
    """What the model was told that the caller said, at the end."""
    return [message["content"] for message in held.last_asked() if message["role"] == "user"]


def reasons(held: Held) -> list[str]:
    return [report.evidence for report in held.reports if isinstance(report, TurnDecided)]


def over(word: str, seconds: float = 0.4) -> Held:
    """A word of the caller over a long statement."""

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.say(word, seconds=seconds)
        await caller.sound(12, loud=False)
        caller.hang_up()

    return hold(plan, Setting(script=by_last({"Where": says(LONG), "": says("Yes?")})))


@pytest.mark.parametrize("at", [-0.4, -0.2, 0.0, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize(
    ("greeting", "answer"),
    [(MENU, "Support."), ("Just say yes or no.", "Yes."), ("Shall I book it on Tuesday?", "On Tuesday.")],
)
def test_d1_a_quick_answer_to_a_menu_around_its_end(at: float, greeting: str, answer: str) -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(0.12 + spoken_seconds(greeting) + at)
        await caller.say(answer, seconds=0.5)
        await caller.sound(6, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(persona=replace(PERSONA, greeting=greeting)))
    assert asked(held) == [answer]


@pytest.mark.parametrize(
    ("greeting", "first", "whole", "pause"),
    [
        (ASKING, "seven four six", "seven four six two nine", 3.3),
        ("How can I help?", "I would like to change my flight", "I would like to change my flight to Monday", 2.4),
    ],
)
def test_d2_words_do_not_stand_twice_in_memory(greeting: str, first: str, whole: str, pause: float) -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(6)
        await caller.sound(1.2, loud=True)
        caller.hear_interim(first)
        await caller.sound(pause, loud=False)
        await caller.sound(0.6, loud=True)
        caller.hear_interim(whole)
        await caller.sound(0.3, loud=True)
        await caller.sound(0.4, loud=False)
        caller.hear(whole)
        await caller.sound(6, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda _: [1.0, *says("I have it.")], persona=replace(PERSONA, greeting=greeting)))
    assert " ".join(asked(held)) == whole


def test_d4_an_interruption_of_eight_seconds_is_not_talked_over() -> None:
    played: list[int] = []

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order?", partial=False)
        await asyncio.sleep(1.0)
        await caller.sound(0.5, loud=True)
        played.append(len(line.played))
        await caller.sound(7.5, loud=True)
        played.append(len(line.played))
        await caller.sound(0.42, loud=False)
        caller.hear("No listen I moved last week so the address is wrong")
        await caller.sound(6, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where": says(LONG * 3), "moved": says("I see.")})))
    assert played[0] == played[1], "silent all the time"
    assert held.turns[-1].heard == "I see."


@pytest.mark.parametrize("pause", [0.7, 0.9, 1.2, 1.5])
def test_d5_a_monologue_with_pauses_is_talked_into_at_most_once(pause: float) -> None:
    texts = (
        "So I ordered a lamp.",
        "It came yesterday.",
        "The box was open.",
        "I called the shop.",
        "What do I do now?",
    )

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        for text in texts:
            await caller.say(text, seconds=1.5)
            await caller.sound(pause - 0.42, loud=False)
        await caller.sound(8, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda _: [0.35, *says("I see, I am sorry about that, let me check.")]))
    assert sum(bool(one.heard) for one in held.reports if isinstance(one, Interrupted)) <= 1
    assert "".join(asked(held)).replace(" ", "") == "".join(texts).replace(" ", "")


def test_d6_a_caller_who_gets_a_card_is_waited_for() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Hold on a second, let me get my card.")
        await caller.sound(120, loud=False)
        await caller.say("OK here it is.")
        await caller.sound(6, loud=False)
        caller.hang_up()

    script = by_last({"Hold": [*says("Sure, take your time."), calls("wait")], "here": says("Thank you.")})
    held = hold(plan, Setting(script=script, options=TurnOptions(), paces=True))
    assert held.tts.spoken == [PERSONA.greeting, "Sure, take your time.", "Thank you."]
    assert len(held.llm.asked) == 2, "the result of `wait` is nothing to say anything about"


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("digits", ("four one five", "um", "nine two six", "three five eight")),
        ("spelling", ("S C H", "W A R", "T Z")),
        ("spelling", ("S as in Sierra", "C as in Charlie")),
        ("email", ("john dot smith", "at gmail dot com")),
    ],
)
def test_d7_a_dictation_in_parts_is_one_turn(kind: str, parts: tuple[str, ...]) -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("I have a question")
        await asyncio.sleep(4)
        for part in parts:
            await caller.say(part, seconds=0.9)
            await caller.sound(0.78, loud=False)  # a pause of 1.2 s
        await caller.sound(8, loud=False)
        caller.hang_up()

    script = by_last({"question": [*says("Tell me, please."), calls("expect", kind=kind)], "": says("Thank you.")})
    held = hold(plan, Setting(script=script, paces=True))
    assert [turn.caller for turn in held.turns if turn.caller] == ["I have a question", " ".join(parts)]
    assert [one.kind.value for one in dict.fromkeys(held.stt.wanted)] == ["open", kind], "the recogniser is told"
    assert held.stt.wanted[-1] is OPEN


def test_d7_keys_in_the_middle_of_words_are_completed_by_the_hash() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(6)
        await caller.sound(0.6, loud=True)
        caller.hear_interim("my account number is")
        await caller.sound(0.12, loud=True)
        caller.press("1234#")
        await caller.sound(6, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(persona=replace(PERSONA, greeting=ASKING)))
    assert asked(held) == ["my account number is [pressed 1 2 3 4]"]


@pytest.mark.parametrize(
    "word", ["Thank you.", "I see.", "Perfect.", "Got it.", "Yup.", "Uh huh.", "Sounds good.", "Cool."]
)
def test_d8_a_thank_you_under_speech_lets_the_reply_go_on(word: str) -> None:
    held = over(word)
    assert not [report for report in held.reports if isinstance(report, Interrupted)]
    assert held.turns[1].heard == LONG
    assert any("into a statement" in reason for reason in reasons(held)) or word == "Uh huh."


@pytest.mark.parametrize("word", ["Stop.", "No.", "Wait.", "Hold on.", "No, that is wrong."])
def test_d8_an_interruption_still_interrupts(word: str) -> None:
    held = over(word, seconds=0.5)
    assert held.turns[1].interrupted
    assert asked(held)[-1] == word


def test_a_correction_replaces_the_answer_that_was_being_prepared() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("The first one.")
        await asyncio.sleep(0.1)
        await caller.say("No, the second one.", seconds=0.8)
        await caller.sound(6, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda _: [1.0, *says("Very well.")]))
    assert asked(held) == ["The first one. No, the second one."]
    assert held.turns[-1].heard == "Very well."


def test_babble_is_told_that_it_can_hardly_be_heard_and_the_call_goes_on() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await caller.sound(4, loud=False)
        for _ in range(4):
            await caller.sound(1.8, loud=True)
            await caller.sound(0.4, loud=False)
            stt.heard.put_nowait(Transcript("", final=True, eager=False, end=now()))
            await caller.sound(1.8, loud=True)
            await caller.sound(12, loud=False)
        caller.hang_up()

    held = hold(plan)
    assert held.outcome.kind == "caller_hung_up"
    assert {PERSONA.again, PERSONA.hardly} <= set(held.tts.spoken)


def test_a_recogniser_that_stands_in_ends_turns_in_its_own_way() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("I have a question.")
        await caller.sound(3, loud=False)
        stt.ends_turns = False
        for part in ("It is about the lamp that", "came yesterday."):
            await caller.say(part)
            await caller.sound(0.6, loud=False)
        await caller.sound(5, loud=False)
        caller.hang_up()

    assert asked(hold(plan)) == ["I have a question.", "It is about the lamp that came yesterday."]


def test_every_decision_tells_why() -> None:
    told = reasons(over("No, that is wrong.", seconds=1.2))
    assert [reason.partition(":")[0] for reason in told][:3] == ["ended", "paused", "interrupted"]
    assert told[1].startswith("paused: voice 1.00 for ")
    assert all(": " in reason for reason in told)


async def until_silent(line: FakeLine) -> None:
    """Wait until the agent has begun to speak and has fallen silent."""
    while line.silent:
        await asyncio.sleep(0.02)
    while not line.silent:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("gap", [0.2, 0.8])
def test_a_short_answer_into_the_silence_behind_one_moment_please_is_heard(gap: float) -> None:
    """The tool has returned, the filler is over, and the model thinks for so long that nothing is said."""

    @tool
    async def look() -> str:
        """Take long enough for a filler."""
        await asyncio.sleep(1.5)
        return "found"

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await until_silent(line)
        await asyncio.sleep(gap)
        await caller.say("Order seven.", seconds=0.4)
        await caller.sound(8, loud=False)
        caller.hang_up()

    script = by_last({"Where": [calls("look")], "tool:": [6.0, *says("Here it is.")], "seven": says("Seven is here.")})
    held = hold(plan, Setting(script=script, tools=[look]))
    assert [turn.caller for turn in held.turns if turn.caller] == ["Where is my order?", "Order seven."]
    assert held.tts.spoken[-1] == "Seven is here."


def test_the_beginning_of_an_answer_that_falls_silent_is_in_the_record_when_the_caller_goes_on() -> None:
    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await until_silent(line)
        await caller.say("Order seven.", seconds=0.4)
        await caller.sound(8, loud=False)
        caller.hang_up()

    begun = [*says("It is on its way. "), 1.8, *says("It will be there today.")]
    held = hold(plan, Setting(script=by_last({"Where": begun, "seven": says("Seven is here.")})))
    assert asked(held) == ["Where is my order?", "Order seven."]
    assert [(turn.caller, turn.heard) for turn in held.turns if turn.caller] == [
        ("Where is my order?", "It is on its way."),
        ("Order seven.", "Seven is here."),
    ]
