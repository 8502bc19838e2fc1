"""Conversations on virtual time: tools run on while the caller talks, and what comes late is told, not blurted."""

import asyncio
from typing import Any

from agent.records import ToolDone
from agent.tools import Tool, tool
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import DOWN, PERSONA, Held, Setting, hold
from tests.fakes.line import calls, now, says

BOOKED = "It is booked."
HOURS = "We are open from nine to five today."


def booking(ran: list[float], seconds: float = 4.0, **marks: Any) -> Tool:
    @tool(**{"side_effect": True, **marks})
    async def book() -> str:
        """Book a table."""
        ran.append(now())
        await asyncio.sleep(seconds)
        return "booked"

    return book


def script(messages):
    last = messages[-1]
    if last["role"] == "tool":
        return says(BOOKED) if "booked" in last["content"] else says("One moment.")
    return [calls("book")] if "book" in last["content"] else says(HOURS)


def talk(
    *said: tuple[float, str], tool_: Tool, wait: float = 20.0, options: TurnOptions | None = None, answers=script
) -> Held:
    """Say each sentence so many seconds after the one before."""

    async def plan(caller, line, stt):
        for pause, text in said:
            await asyncio.sleep(pause)
            await caller.say(text)
        await asyncio.sleep(wait)
        caller.hang_up()

    return hold(plan, Setting(script=answers, tools=[tool_], options=options or TurnOptions(reprompt_after=60)))


def told(held: Held, asked: int) -> list[str]:
    """What the model was told of tools in its `asked`-th reply."""
    return [message["content"] for message in held.llm.asked[asked] if message["role"] == "tool"]


def test_what_comes_after_another_question_is_told_behind_its_answer() -> None:
    ran: list[float] = []
    held = talk((3, "please book it"), (2, "what are your hours"), tool_=booking(ran))
    assert held.tts.spoken == [PERSONA.greeting, PERSONA.filler, HOURS, BOOKED]
    assert held.turns[2].heard == HOURS, "the answer was not broken off"
    assert len(ran) == 1
    (running,) = told(held, 1)
    assert "still running" in running
    first, late = told(held, 2)
    assert first == running
    assert '"result": "booked"' in late
    roles = [message["role"] for message in held.last_asked()]
    assert roles == ["system", "assistant", "user", "assistant", "tool", "user", "assistant", "assistant", "tool"]
    ids = [call["id"] for message in held.last_asked() for call in message.get("tool_calls", ())]
    assert ids == [message["tool_call_id"] for message in held.last_asked() if message["role"] == "tool"]
    assert len(set(ids)) == 2


def test_a_tool_that_begun_stands_in_its_turn_however_soon_the_caller_goes_on() -> None:
    held = talk((3, "please book it"), (0.2, "what are your hours"), tool_=booking([]))
    turns = [(turn.caller, [run.name for run in turn.tools]) for turn in held.turns[1:]]
    assert turns == [("please book it", ["book"]), ("what are your hours", []), ("", [])]
    assert held.tts.spoken == [PERSONA.greeting, HOURS, BOOKED]


def test_a_lookup_that_takes_long_is_not_begun_again_each_time_that_the_caller_says_something() -> None:
    ran: list[float] = []
    held = talk(
        (3, "please book it"), (2, "the table by the window please book"), (0.1, "thank you for your book"),
        tool_=booking(ran, 7.6, side_effect=False),
    )  # fmt: skip
    assert len(ran) == 1
    assert held.tts.spoken[-1] == BOOKED
    assert held.tts.spoken.count(BOOKED) == 1, "the call that waited for the same run has told it"


def test_what_comes_while_the_caller_speaks_is_known_to_the_answer() -> None:
    held = talk((3, "please book it"), (0.2, "well"), (0.1, "what are your hours"), tool_=booking([], 3.0))
    *_, call, late, question = held.last_asked()
    assert call["tool_calls"][0]["id"] == late["tool_call_id"]
    assert '"result": "booked"' in late["content"]
    assert question == {"role": "user", "content": "well what are your hours"}
    assert held.tts.spoken[-1] == HOURS, "and it is not told again by itself"


def test_a_late_result_is_told_instead_of_asking_whether_somebody_is_there() -> None:
    def slow(messages):
        late = messages[-1]["role"] == "tool" and "booked" in messages[-1]["content"]
        return [1.0, *says(BOOKED)] if late else script(messages)

    for seconds in (9.6, 9.9, 10.2, 10.5):
        options = TurnOptions(reprompt_after=4)
        held = talk((3, "please book it"), (2, "what are your hours"), tool_=booking([], seconds, timeout=30),
                    options=options, answers=slow, wait=15)  # fmt: skip
        assert held.tts.spoken[3:5].count(BOOKED) == 1, seconds


def test_who_speaks_before_a_late_result_is_told_is_answered_first() -> None:
    def slow(messages):
        late = messages[-1]["role"] == "tool" and "booked" in messages[-1]["content"]
        return [2.0, *says(BOOKED)] if late else script(messages)

    held = talk(
        (3, "please book it"), (2, "what are your hours"), (3.7, "and on sunday"), tool_=booking([]), answers=slow
    )
    assert held.tts.spoken[2:] == [HOURS, HOURS]
    assert "booked" in "".join(told(held, -1)), "the model knows it"


def test_a_model_may_have_nothing_to_say_to_a_late_result() -> None:
    def silent(messages):
        return [] if "came late" in messages[-1]["content"] else script(messages)

    held = talk((3, "please book it"), (2, "what are your hours"), tool_=booking([]), answers=silent)
    assert held.tts.spoken[-1] == HOURS
    assert held.outcome.kind == "caller_hung_up"


def test_a_lookup_ends_with_the_call_and_an_order_does_not() -> None:
    for side_effect in (True, False):
        held = talk(
            (3, "please book it"), (2, "what are your hours"), tool_=booking([], 6.0, side_effect=side_effect), wait=0.5
        )
        assert any(isinstance(report, ToolDone) for report in held.reports) is side_effect
        assert BOOKED not in held.tts.spoken


def test_no_more_than_some_run_on() -> None:
    ran: list[float] = []
    broken: list[str] = []

    @tool
    async def book(number: int) -> str:
        """Book a table."""
        ran.append(now())
        try:
            await asyncio.sleep(7)
        except asyncio.CancelledError:
            broken.append("broken off")
            raise
        return "booked"

    def many(messages):
        if messages[-1]["role"] == "user" and "book" in messages[-1]["content"]:
            begin = 10 * len(ran)
            return [calls("book", number=begin + at)._replace(id=f"call_{begin + at}") for at in range(5)]
        return script(messages)

    held = talk((3, "please book it"), (0.2, "book again please"), (2, "what are your hours"), tool_=book, answers=many)
    assert len(ran) == 10
    assert len(broken) == 2
    assert sum("interrupted" in content for content in told(held, -1)) == 2


def test_a_model_that_fails_at_a_late_result_is_apologised_for() -> None:
    def failing(messages):
        return [DOWN] if "came late" in messages[-1]["content"] else script(messages)

    held = talk((3, "please book it"), (2, "what are your hours"), tool_=booking([]), answers=failing)
    assert held.outcome.kind == "failed"
