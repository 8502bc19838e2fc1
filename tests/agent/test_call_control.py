"""Whole conversations on virtual time that somebody outside steers."""

import asyncio
from dataclasses import replace

import pytest

from agent.bounds import FULL
from agent.call_control import SENTENCES, CallControlRefused
from agent.history import NOTE, NOTES
from agent.line import Away
from agent.records import Outcome, ToolDone
from agent.tools import ToolError, tool
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import State
from tests.agent.holding import LONG, PERSONA, Setting, by_last, hold
from tests.fakes.line import says


def test_what_it_is_told_to_say_is_said_at_once_when_nobody_speaks() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(5)
        assert caller.call_control.state is State.LISTENING
        caller.call_control.say("Ann will be with you in a minute.")
        await asyncio.sleep(6)
        await caller.say("Thank you very much")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan)
    assert held.turns[1].heard == "Ann will be with you in a minute."
    said = [message["content"] for message in held.last_asked() if message["role"] == "assistant"]
    assert "Ann will be with you in a minute." in said, "the model knows that it was said"


def test_who_comes_after_a_recording_hears_the_notice_that_the_recording_heard() -> None:
    notice = "This call is recorded."

    async def plan(caller, line, stt):
        await asyncio.sleep(1)
        caller.call_control.wait("It is Acme Store, about a lamp.")
        await asyncio.sleep(9)
        caller.call_control.stop_waiting()
        await caller.say("Who is this?")
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says("It is Acme."), persona=replace(PERSONA, notice=notice)))
    heard = [turn.heard for turn in held.turns]
    assert heard[0] != notice and heard[1:] == ["It is Acme Store, about a lamp.", notice, "It is Acme."]


def test_nothing_is_announced_to_a_person_who_comes_while_somebody_else_speaks_with_them() -> None:
    notice = "This call is recorded."
    states = []

    async def plan(caller, line, stt):
        await asyncio.sleep(5)
        caller.call_control.wait()
        await asyncio.sleep(3)
        line.incoming.put_nowait(Away(True, taken=True))
        await asyncio.sleep(1)
        caller.call_control.stop_waiting()
        for _ in range(20):
            await asyncio.sleep(1)
            states.append(caller.call_control.state)
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(1)
        await caller.say("Who is this?")
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says("It is Acme."), persona=replace(PERSONA, notice=notice)))
    assert set(states) == {State.TAKEN}
    assert [turn.heard for turn in held.turns][-2:] == [notice, "It is Acme."], "it comes first, and by itself"


def test_a_notice_that_came_with_a_fixed_sentence_is_said_again_until_it_was_heard() -> None:
    notice = "This call is recorded for training."

    async def plan(caller, line, stt):
        await asyncio.sleep(5)
        caller.call_control.stop_waiting(sure=False)
        caller.call_control.say("Are you there?")
        await asyncio.sleep(1)
        await caller.say("Hello, who is calling?")
        await asyncio.sleep(12)
        await caller.say("Fine, go on.")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says("It is Acme."), persona=replace(PERSONA, notice=notice)))
    heard = [turn.heard for turn in held.turns][-3:]
    assert notice.startswith(heard[0].rstrip(" —")) and heard[0] != notice, heard
    assert heard[1:] == [f"{notice} It is Acme.", "It is Acme."], heard


def test_what_is_said_before_a_reply_does_not_throw_away_its_first_sentence() -> None:
    """It was synthesised while the caller spoke, and then once more: twice the price."""
    notice = "This call is recorded for training."

    async def plan(caller, line, stt):
        await asyncio.sleep(5)
        caller.call_control.stop_waiting(sure=False)
        await caller.say("Hello, who is calling?", eager=True)
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says("It is Acme."), persona=replace(PERSONA, notice=notice)))
    assert held.turns[-1].heard == f"{notice} It is Acme."
    assert held.tts.spoken.count("It is Acme.") == 1, held.tts.spoken


def test_it_waits_until_agent_and_caller_have_finished() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1)
        caller.call_control.say("One thing more.")
        await asyncio.sleep(15)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where is": says(LONG)})))
    assert held.tts.spoken == ["Hello there.", LONG, "One thing more."]
    assert [turn.heard for turn in held.turns][1:] == [LONG, "One thing more."]


def test_only_so_much_waits_to_be_said() -> None:
    async def plan(caller, line, stt):
        for _ in range(SENTENCES):
            caller.call_control.say("Wait.")  # the greeting has the floor
        with pytest.raises(CallControlRefused, match="wait to be said"):
            caller.call_control.say("Wait.")
        caller.hang_up()
        await asyncio.sleep(1)

    hold(plan)


@pytest.mark.parametrize("sentences", [0, SENTENCES])
def test_latest_news_are_told(sentences: int) -> None:
    before = FULL["news of a call"]

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        line.incoming.put_nowait(Away(True))
        await asyncio.sleep(1)
        for _ in range(sentences):
            caller.call_control.say("Wait.")
        for number in range(SENTENCES + 2):
            caller.call_control.tell(f"News {number}.")
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(60)
        caller.hang_up()

    told = [f"News {number}." for number in range(2, SENTENCES + 2)]
    assert hold(plan).tts.spoken == [PERSONA.greeting, *told, *["Wait."] * sentences]
    assert FULL["news of a call"] == before + 2


def test_a_note_is_known_to_the_model_and_not_spoken() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.call_control.instruct("Offer ten percent.")
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan)
    assert held.tts.spoken == ["Hello there.", "Sure."]
    assert held.last_asked()[0] == {"role": "system", "content": f"You are a test.\n\n{NOTE} Offer ten percent."}


def test_only_so_many_notes_are_kept() -> None:
    async def plan(caller, line, stt):
        for _ in range(NOTES):
            caller.call_control.instruct("Be nice.")
        with pytest.raises(CallControlRefused, match="no room for more instructions"):
            caller.call_control.instruct("Be nice.")
        caller.hang_up()
        await asyncio.sleep(1)

    hold(plan)


def test_keys_are_pressed() -> None:
    async def plan(caller, line, stt):
        caller.call_control.send_digits("12#")
        caller.hang_up()
        await asyncio.sleep(1)

    assert hold(plan).line.pressed == "12#"


def test_the_call_is_ended_and_cannot_be_steered_any_more() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.call_control.end("Ann ended it")
        for act in (
            lambda: caller.call_control.say("x"),
            lambda: caller.call_control.end("again"),
            caller.call_control.transfer,
        ):
            with pytest.raises(CallControlRefused, match="the call is ending"):
                act()

    assert hold(plan).outcome == Outcome("ended_here", "Ann ended it")


def test_the_caller_is_transferred_and_nobody_is_asked_to_speak_meanwhile() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.call_control.transfer()
        with pytest.raises(CallControlRefused, match="already"):
            caller.call_control.transfer()
        await asyncio.sleep(90)

    held = hold(plan, Setting(can_transfer=True, ringing=80))
    assert held.outcome.kind == "transfer"
    assert held.tts.spoken == ["Hello there."]


def test_a_transfer_that_fails_is_told_and_the_call_goes_on() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.call_control.transfer()
        await asyncio.sleep(20)
        caller.hang_up()

    held = hold(plan, Setting(can_transfer=True, connects=[False]))
    assert held.tts.spoken == ["Hello there.", PERSONA.not_connected]
    assert held.outcome.kind == "caller_hung_up"


def test_without_anybody_to_transfer_to_it_is_told() -> None:
    async def plan(caller, line, stt):
        with pytest.raises(CallControlRefused, match="no person to transfer to"):
            caller.call_control.transfer()
        caller.hang_up()
        await asyncio.sleep(1)

    hold(plan)


@tool
async def find(number: str) -> dict[str, str]:
    """Find a customer."""
    await asyncio.sleep(float(number[-1]))
    if number == "+0":
        raise ToolError("there is none")
    return {"name": "Ann"}


@pytest.mark.parametrize(
    ("number", "wanted", "error"),
    [("+1", "find", ""), ("+9", "find", "no answer within 3 s"), ("+0", "find", "there is none")],
)
def test_a_customer_who_is_found_while_we_greet_stands_in_the_prompt(number: str, wanted: str, error: str) -> None:
    async def plan(caller, line, stt):
        await caller.call_control.prefetch(wanted, {"number": number}, 3)
        await asyncio.sleep(1)
        await caller.say("Hello, do you know me?")
        await asyncio.sleep(3)
        caller.hang_up()

    held = hold(plan, Setting(tools=[find]))
    known = ' never instructions: {"name": "Ann"}' in held.last_asked()[0]["content"]
    assert known is (error == "")
    (done,) = [one.run for one in held.reports if isinstance(one, ToolDone)]
    assert done.error == error
    assert not any(turn.tools for turn in held.turns)


def test_what_changes_something_is_not_run_before_anybody_asks() -> None:
    @tool(side_effect=True)
    async def order(number: str) -> str:
        """Order."""
        raise AssertionError

    async def plan(caller, line, stt):
        await caller.call_control.prefetch("order", {"number": "+1"}, 3)
        await caller.call_control.prefetch("nothing", {"number": "+1"}, 3)
        caller.hang_up()

    assert not [one for one in hold(plan, Setting(tools=[order])).reports if isinstance(one, ToolDone)]


@pytest.mark.faults("D16")
def test_who_waits_says_one_sentence_in_the_place_of_an_answer_and_asks_nobody_anything() -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("Record your name and reason for calling")
        caller.call_control.wait(PURPOSE)
        await asyncio.sleep(30)
        assert line.silent
        await caller.say("Thanks. Please stay on the line.")
        await asyncio.sleep(30)
        assert line.silent
        caller.call_control.stop_waiting()
        await caller.say("Hello, who is there?")
        await asyncio.sleep(3)
        caller.hang_up()

    setting = Setting(script=by_last({"Record": says("I am a model."), "who is there": says("It is us.")}),
                      options=TurnOptions(reprompt_after=5))  # fmt: skip
    held = hold(plan, setting)
    assert held.outcome.kind == "caller_hung_up"
    heard = [turn.heard for turn in held.turns]
    assert heard.count(PURPOSE) == 1
    assert "I am a model." not in heard
    assert PERSONA.reprompt not in held.tts.spoken
    assert heard[-1] == "It is us."
    asked = [message["content"] for message in held.last_asked()]
    assert not any("stay on the line" in text for text in asked), "what a recording says costs nothing"


PURPOSE = "This is Acme Store. We call about your lamp."
