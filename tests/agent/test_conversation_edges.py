# mypy: disable-error-code="operator"
"""Whole conversations on virtual time: people who talk at the same time, records that are true, hostile providers."""

import asyncio

import pytest

from agent.errors import ProviderError
from agent.line import Started
from agent.records import Interrupted, Outcome, ProviderFailed, TurnEnded
from agent.stt import Transcript
from agent.tools import tool
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import DOWN, LONG, PERSONA, Setting, by_last, hold, spoken_seconds
from tests.fakes.line import LETTER, calls, now, says, sound_of

# What there is nothing to say of


def wordless(text: str) -> ProviderError | None:
    """Voices make no sound of what has no words, or refuse it."""
    return None if any(map(str.isalnum, text)) else ProviderError("fake-voice", "sent no sound", temporary=False)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("reply", ["»\nIt is packed.", "It is packed.\n---\n...\n»"])
def test_a_piece_of_a_reply_without_words_is_not_given_to_the_voice(reply: str, eager: bool) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?", eager=eager)
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says(reply), tts={"fails": wordless}))
    assert held.tts.spoken == [PERSONA.greeting, "It is packed."]
    assert held.outcome.kind == "caller_hung_up"


# Talking at the same time


@pytest.mark.parametrize("after", [0.0, 0.3, 0.6])
def test_hello_at_the_start_is_answered_by_the_greeting(after: float) -> None:
    async def plan(caller, line, stt):
        await caller.sound(after, loud=False)
        await caller.say("Hello?", seconds=0.48)
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan)
    assert held.llm.asked == []
    assert bytes(held.line.played) == sound_of(PERSONA.greeting)


def test_a_question_before_the_greeting_is_answered_instead_of_it() -> None:
    async def plan(caller, line, stt):
        await caller.say("Hello, where is my order?", seconds=0.6)
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan, Setting(tts={"delay": 1.5}))
    assert held.tts.spoken == [PERSONA.greeting, "Sure."]
    assert bytes(held.line.played) == sound_of("Sure.")
    assert [message["role"] for message in held.last_asked()] == ["system", "user"]


def test_the_agent_does_not_begin_while_the_caller_makes_a_sound() -> None:
    played: list[int] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.25)
        await caller.sound(0.9, loud=True)
        played.append(len(line.played) - LETTER * len(PERSONA.greeting))
        await caller.sound(0.6, loud=False)
        await asyncio.sleep(9)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: [0.5, *says(LONG)]))
    assert played[0] < 800, "at most the first frames until the pause"
    assert held.turns[1].heard == LONG


def test_who_speaks_into_the_farewell_wants_to_stay() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Good bye")
        await asyncio.sleep(1.5)
        await caller.say("Wait, one more thing")
        await asyncio.sleep(20)
        caller.hang_up()

    farewell = "Thank you very much for your call, have a wonderful day, and goodbye."
    table = {"Good bye": [*says(farewell), calls("hang_up", reason="done")], "Wait": says("Yes, please?")}
    held = hold(plan, Setting(script=by_last(table)))
    assert held.outcome == Outcome("caller_hung_up", "the caller hung up")
    assert held.turns[-1].heard == "Yes, please?"


def test_words_whose_end_is_lost_do_not_silence_the_call_for_ever() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.sound(0.6, loud=True)
        await caller.sound(0.6, loud=False)
        stt.heard.put_nowait(Transcript("I want to", final=False, eager=False, end=0.6))
        await asyncio.sleep(300)

    held = hold(plan, Setting(options=TurnOptions()))
    assert held.tts.spoken[1:3] == ["Sure.", PERSONA.reprompt]
    assert held.outcome.kind == "silence"


# Records that are true


def test_a_reply_into_which_the_caller_hangs_up_is_recorded_as_far_as_it_was_heard() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.1 + spoken_seconds("Your order is out for "))
        caller.hang_up()

    turn = hold(plan, Setting(script=lambda messages: says(LONG))).turns[-1]
    assert turn.said == LONG
    assert turn.heard == "Your order is out for —"
    assert not turn.interrupted


def test_a_reply_of_which_no_word_was_heard_is_not_recorded_with_earlier_words() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.2)
        stt.heard.put_nowait(Transcript("Stop", final=True, eager=False, end=2.0))
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where": says(LONG), "Stop": says("Yes?")})))
    (interrupted,) = [report for report in held.reports if isinstance(report, Interrupted)]
    assert interrupted.heard == held.turns[1].heard == ""
    assert held.turns[1].interrupted


def test_words_before_and_after_a_tool_are_one_turn() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "packed"

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.3 + spoken_seconds("Let me look.") + spoken_seconds("It is packed and "))
        await caller.say("Stop now please")
        await asyncio.sleep(5)
        caller.hang_up()

    table = {
        "Where": [*says("Let me look."), calls("look")],
        "tool:": says("It is packed and will be sent out later today."),
        "Stop": says("Yes?"),
    }
    turn = hold(plan, Setting(script=by_last(table), tools=[look])).turns[1]
    assert turn.heard.startswith("Let me look. It is packed and")
    assert turn.heard.endswith("—")


def test_the_turn_that_failed_is_recorded_with_the_words_of_the_caller() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(20)

    held = hold(plan, Setting(script=lambda messages: [DOWN]))
    assert [(turn.caller, turn.heard) for turn in held.turns] == [
        ("", PERSONA.greeting),
        ("Where is my order?", ""),
        ("", PERSONA.apology),
    ]


def test_the_end_of_time_is_no_interruption() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(7)
        await caller.say("Tell me more")
        await asyncio.sleep(60)

    held = hold(plan, Setting(script=lambda messages: says(LONG), options=TurnOptions(max_duration=10)))
    assert not [report for report in held.reports if isinstance(report, Interrupted)]
    assert held.turns[1].heard.endswith("—")
    assert not held.turns[1].interrupted
    assert held.turns[2].heard == PERSONA.goodbye_overtime


def test_a_mark_of_an_earlier_turn_that_comes_late_is_not_the_sound_of_this_one() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.1)
        line.incoming.put_nowait(Started(1, now() - 3))
        await asyncio.sleep(5)
        caller.hang_up()

    times = hold(plan, Setting(script=lambda messages: [0.5, *says("Here.")])).turns[1].times
    assert times.final + 0.5 < times.first_packet < times.final + 0.7


# Hostile providers

BOOM = ValueError("a secret")
CANCELLED = asyncio.CancelledError("a secret")  # raised by the result of a task that somebody has cancelled


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ("stt", Setting(stt={"refuses": BOOM})),
        ("stt", Setting(stt={"deaf": BOOM})),
        ("stt", Setting(stt={"deaf": CANCELLED})),
        ("tts", Setting(tts={"refuses": BOOM})),
        ("tts", Setting(tts={"fails": lambda text: BOOM})),
        ("llm", Setting(script=lambda messages: [BOOM])),
        ("llm", Setting(script=lambda messages: [*says("Well, I"), BOOM])),
    ],
)
def test_what_a_provider_should_never_raise_is_an_apology_too(part: str, setting: Setting) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?", eager=True)
        await asyncio.sleep(30)

    held = hold(plan, setting)
    assert held.outcome.kind == "failed"
    (failed,) = [report for report in held.reports if isinstance(report, ProviderFailed)]
    assert failed.part == part
    assert ("CancelledError" if setting.stt.get("deaf") is CANCELLED else "ValueError") in failed.cause
    assert "secret" not in failed.cause
    assert held.turns[-1].heard == PERSONA.apology


@pytest.mark.parametrize("end", [None, BOOM])
def test_stt_that_stop_are_noticed(end: Exception | None) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        stt.heard.put_nowait(end)
        await asyncio.sleep(30)

    held = hold(plan)
    assert held.outcome.kind == "failed"
    assert held.outcome.text.startswith("stt failed")


def test_a_model_that_calls_tools_without_end_has_to_answer() -> None:
    ran: list[int] = []

    @tool
    async def look(at: int) -> str:
        """Look."""
        ran.append(at)
        return "nothing"

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(5)
        caller.hang_up()

    many = [calls("look", at=at)._replace(id=f"call_{at}") for at in range(50)]
    held = hold(plan, Setting(script=lambda messages: [*many, *says("Hm.")], tools=[look]))
    assert held.llm.offered[-1] == 0
    assert len(held.llm.asked) == 6
    assert len(ran) == 5 * 8
    assert [type(report) for report in held.reports].count(TurnEnded) == 2
    for messages in held.llm.asked:
        asked = [call["id"] for message in messages for call in message.get("tool_calls", [])]
        assert asked == [message["tool_call_id"] for message in messages if message["role"] == "tool"]
