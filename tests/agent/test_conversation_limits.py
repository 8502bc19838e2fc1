# mypy: disable-error-code="arg-type"
"""Whole conversations on virtual time: tools, silence, keys, and everything that fails."""

import asyncio

import pytest

from agent.errors import ProviderError
from agent.line import Audio, Away
from agent.records import Outcome, ProviderFailed, Report, ToolDone
from agent.tools import Tool, ToolError, tool
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import DOWN, LONG, PERSONA, Setting, by_last, hold
from tests.fakes.line import LETTER, calls, says, sound_of

# Tools


def lookup(seconds: float = 0.0, error: Exception | None = None) -> Tool:
    @tool(timeout=5.0, filler="Let me look.")
    async def get_order(number: str) -> dict[str, str]:
        """Look up an order."""
        await asyncio.sleep(seconds)
        if error:
            raise error
        return {"status": f"order {number} is packed"}

    return get_order


TOOL_TABLE = {
    "Where is": [calls("get_order", number="7346")],
    "is packed": says("It is packed."),
    "error": says("That did not work."),
}


def ask_once(wait: float = 12.0):
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(wait)
        caller.hang_up()

    return plan


def test_a_tool_is_called_and_its_answer_spoken() -> None:
    held = hold(ask_once(), Setting(script=by_last(TOOL_TABLE), tools=[lookup()]))
    assert held.tts.spoken == ["Hello there.", "It is packed."]
    (run_,) = held.turns[1].tools
    assert (run_.name, run_.arguments, run_.result) == (
        "get_order",
        {"number": "7346"},
        {"status": "order 7346 is packed"},
    )
    roles = [message["role"] for message in held.last_asked()]
    assert roles == ["system", "assistant", "user", "assistant", "tool"]
    assert held.last_asked()[3]["tool_calls"][0]["id"] == held.last_asked()[4]["tool_call_id"]


def test_a_slow_tool_is_covered_by_its_filler() -> None:
    held = hold(ask_once(), Setting(script=by_last(TOOL_TABLE), tools=[lookup(seconds=3)]))
    assert held.tts.spoken == ["Hello there.", "Let me look.", "It is packed."]


@pytest.mark.parametrize(
    ("broken", "says_"),
    [
        (lookup(error=ToolError("there is no such order")), "there is no such order"),
        (lookup(error=RuntimeError("secret detail")), "it failed (RuntimeError)"),
        (lookup(seconds=60), "no answer within 5 s"),
    ],
)
def test_a_failing_tool_becomes_something_the_model_can_explain(broken: Tool, says_: str) -> None:
    held = hold(ask_once(20), Setting(script=by_last(TOOL_TABLE), tools=[broken]))
    (done,) = [report.run for report in held.reports if isinstance(report, ToolDone)]
    assert done.error == says_
    assert "secret" not in str(held.last_asked())
    assert held.tts.spoken[-1] == "That did not work."


@pytest.mark.parametrize(
    "call",
    [calls("get_order", numero="7"), calls("no_such_tool"), calls("get_order", number=["x"])],
)
def test_wrong_calls_are_told_to_the_model_and_nothing_runs(call) -> None:
    table = {"Where is": [call], "error": says("I could not.")}
    held = hold(ask_once(), Setting(script=by_last(table), tools=[lookup()]))
    assert held.turns[1].tools[0].error
    assert held.tts.spoken[-1] == "I could not."


def test_a_side_effect_once_begun_is_finished_although_the_caller_hangs_up() -> None:
    ran: list[str] = []

    @tool(side_effect=True)
    async def book() -> str:
        """Book it."""
        await asyncio.sleep(2)
        ran.append("booked")
        return "booked"

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Book it.")
        await asyncio.sleep(0.5)
        caller.hang_up()

    hold(plan, Setting(script=by_last({"Book": [calls("book")]}), tools=[book]))
    assert ran == ["booked"]


def test_an_interruption_during_a_tool_never_leaves_an_unanswered_call() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.5)
        await caller.say("No wait, something else")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last(TOOL_TABLE | {"No wait": says("Yes?")}), tools=[lookup(seconds=4)]))
    messages = held.last_asked()
    asked = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert asked == answered
    assert held.tts.spoken[-2:] == ["Yes?", "It is packed."], "its result is told behind the answer"


def test_hanging_up_waits_until_the_farewell_was_heard() -> None:
    table = {"bye": [*says("Goodbye then."), calls("hang_up", reason="done")]}

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Good bye")
        await asyncio.sleep(30)

    held = hold(plan, Setting(script=by_last(table)))
    assert held.outcome == Outcome("agent_hung_up", "done")
    assert len(held.line.played) == LETTER * len("Hello there." + "Goodbye then.")


@pytest.mark.faults("H2")
@pytest.mark.parametrize("possible", [True, False])
def test_transfer_to_a_person(possible: bool) -> None:
    table = {"person": [*says("I connect you."), calls("transfer_to_human", reason="asked")], "no tool": says("Sorry.")}

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("A person please")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last(table), can_transfer=possible))
    assert held.outcome.kind == ("transfer" if possible else "caller_hung_up")
    assert ("Sorry." in held.tts.spoken) is not possible
    assert held.llm.offered[0] == 1 + possible, "nobody is offered whom there is not"


# Silence, duration, keys


def test_silence_is_asked_after_twice_then_ended() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(300)

    held = hold(plan, Setting(options=TurnOptions()))
    assert held.tts.spoken == [
        PERSONA.greeting,
        PERSONA.reprompt,
        PERSONA.reprompt,
        PERSONA.goodbye_silence,
    ]
    assert held.outcome.kind == "silence"
    assert held.turns[-1].heard == PERSONA.goodbye_silence


def test_who_says_a_word_and_nothing_more_is_given_up_within_ninety_seconds() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Hello")
        await asyncio.sleep(90)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Hello": says("How can I help?")}), options=TurnOptions()))
    assert held.outcome.kind == "silence"


def test_a_caller_who_puts_us_on_hold_is_not_asked_and_finds_us_again() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        line.incoming.put_nowait(Away(True))
        await asyncio.sleep(600)
        assert line.played == sound_of(PERSONA.greeting)
        line.incoming.put_nowait(Audio(b"\xff" * 800, 603.0))
        await asyncio.sleep(0.1)
        assert line.order[1] is None, "what plays meanwhile is nothing to look at"
        line.incoming.put_nowait(Away(False))
        await caller.say("Still there?")
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan, Setting(options=TurnOptions()))
    assert held.tts.spoken == [PERSONA.greeting, "Sure."]
    assert held.outcome.kind == "caller_hung_up"


def test_the_longest_call_ends_with_a_farewell() -> None:
    async def plan(caller, line, stt):
        while True:
            await asyncio.sleep(5)
            await caller.say("Tell me more")

    held = hold(plan, Setting(script=lambda messages: says(LONG), options=TurnOptions(max_duration=60)))
    assert held.outcome.kind == "max_duration"
    assert held.tts.spoken[-1] == PERSONA.goodbye_overtime


@pytest.mark.parametrize(("keys", "wait"), [("7346#", 0.0), ("7346", 3.0)])
def test_pressed_keys_are_a_turn(keys: str, wait: float) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.press(keys)
        await asyncio.sleep(wait + 5)
        caller.hang_up()

    held = hold(plan)
    assert held.last_asked()[-1] == {"role": "user", "content": "[pressed 7 3 4 6]"}


@pytest.mark.parametrize(("keys", "pause"), [("7346#", 0.0), ("7346", TurnOptions().digit_pause)])
def test_the_time_of_a_reply_to_keys_counts_from_the_last_of_them(keys: str, pause: float) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(10)
        caller.press(keys)
        await asyncio.sleep(5)
        caller.hang_up()

    times = hold(plan).turns[-1].times
    assert times.parts_ms()["total"] == pytest.approx(1000 * pause + 120, abs=30)


@pytest.mark.faults("H8")
def test_what_a_key_completes_at_once_has_no_hearing() -> None:
    """Shares of 0 ms would make the STT look faster than they are."""

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.press("1#")
        await asyncio.sleep(5)
        caller.hang_up()

    parts = hold(plan).turns[-1].times.parts_ms()
    assert "hearing" not in parts
    assert parts["thinking"] + parts["voicing"] <= parts["total"]


def test_a_key_interrupts() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        caller.press("1#")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where": says(LONG), "pressed 1": says("One.")})))
    assert held.turns[1].interrupted
    assert held.tts.spoken[-1] == "One."


# Failures


def test_a_passing_failure_of_the_model_is_not_noticed() -> None:
    tries = iter([[ProviderError("x", "busy")], says("It is here.")])
    held = hold(ask_once(6), Setting(script=lambda messages: next(tries)))
    assert held.tts.spoken[-1] == "It is here."


@pytest.mark.parametrize("can_transfer", [True, False])
@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ("llm", Setting(script=lambda messages: [DOWN])),
        ("llm", Setting(script=lambda messages: [60.0, *says("late")])),
        ("llm", Setting(script=lambda messages: [*says("Half a sen"), 60.0])),
        ("tts", Setting(tts={"fails": lambda text: DOWN if text != "Hello there." else None})),
        ("tts", Setting(tts={"fails": lambda text: DOWN})),
        ("tts", Setting(tts={"refuses": DOWN})),
        ("stt", Setting(stt={"refuses": DOWN})),
    ],
)
def test_a_provider_that_fails_is_apologised_for(part: str, setting: Setting, can_transfer: bool) -> None:
    setting.can_transfer = can_transfer
    held = hold(ask_once(40), setting)
    assert held.outcome.kind == ("transfer" if can_transfer else "failed")
    assert part in held.outcome.text
    said = PERSONA.connecting if can_transfer else PERSONA.apology
    (failed,) = [report for report in held.reports if isinstance(report, ProviderFailed)]
    assert failed.part == part
    if part == "tts":
        assert len(held.line.played) > 20_000, "the recorded apology was played"
    else:
        assert held.tts.spoken[-1] == said
    assert held.turns[-1].heard == said


def test_stt_that_are_lost_in_mid_call_are_apologised_for() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        stt.heard.put_nowait(DOWN)
        await asyncio.sleep(30)

    held = hold(plan)
    assert held.outcome.kind == "failed"
    assert held.tts.spoken[-1] == PERSONA.apology


@pytest.mark.parametrize("after", [0.05, 0.5, 3.0, 3.9, 4.6, 5.0, 6.0, 8.0])
def test_the_caller_may_hang_up_at_any_moment(after: float) -> None:
    async def plan(caller, line, stt):
        asyncio.get_running_loop().call_later(after, caller.hang_up)
        await asyncio.sleep(3)
        await caller.say("Where is my order?", eager=True)
        await asyncio.sleep(20)

    held = hold(plan, Setting(script=by_last(TOOL_TABLE), tools=[lookup(seconds=2)]))
    assert held.outcome.kind == "caller_hung_up"


def test_an_observer_that_fails_disturbs_nothing() -> None:
    def observer(report: Report) -> None:
        raise RuntimeError("boom")

    assert hold(ask_once(4), Setting(observer=observer)).tts.spoken[-1] == "Sure."
