"""Whole conversations on virtual time in which somebody else has the call for a while, or the line is on hold."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agent.call_control import SENTENCES
from agent.ivr.options import IvrOptions
from agent.line import Away
from agent.llm import Message, ToolCall
from agent.records import ToolDone
from agent.stt import Transcript
from agent.tools import tool
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import State
from tests.agent.holding import PERSONA, Setting, by_last, hold
from tests.fakes.line import says

NOTICE = "This call is recorded."
PURPOSE = "It is Acme Store, about a lamp."


def test_late_words_of_a_caller_whom_somebody_has_given_back_are_not_answered() -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.sound(1.2, loud=True)
        end = caller._given
        line.incoming.put_nowait(Away(True, taken=True))
        await caller.sound(6, loud=False)
        line.incoming.put_nowait(Away(False))
        await caller.sound(0.3, loud=False)
        stt.heard.put_nowait(Transcript("I want to cancel my order.", True, False, end))
        await caller.sound(4, loud=False)
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where is": says("It is packed.")})))
    assert [turn.caller for turn in held.turns if turn.caller] == ["Where is my order?"]


def test_who_calls_and_why_is_not_said_while_somebody_else_speaks_nor_afterwards() -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        line.incoming.put_nowait(Away(True, taken=True))
        await asyncio.sleep(1)
        caller.call_control.wait(PURPOSE)
        await asyncio.sleep(6)
        assert caller.call_control.state is State.TAKEN and line.silent
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(60)
        caller.hang_up()

    held = hold(plan, Setting(options=TurnOptions(reprompt_after=5)))
    assert held.tts.spoken == [PERSONA.greeting], "and a recording is still there, which nobody asks anything"


def test_what_a_key_has_done_is_said_when_the_caller_is_given_back() -> None:
    @tool
    async def look() -> dict[str, str]:
        """Look."""
        await asyncio.sleep(2)
        return {"say": "Your order is packed."}

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        caller.press("9")
        await asyncio.sleep(0.5)
        line.incoming.put_nowait(Away(True, taken=True))
        heard = len(line.played)
        await asyncio.sleep(8)
        assert caller.call_control.state is State.TAKEN and len(line.played) == heard
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(tools=[look], persona=replace(PERSONA, keys={"9": "look"})))
    assert [turn.heard for turn in held.turns] == [PERSONA.greeting, "Your order is packed."]


def test_the_result_of_a_key_is_said_though_as_many_sentences_wait_as_may() -> None:
    @tool
    async def look() -> dict[str, str]:
        """Look."""
        return {"say": "Your order is packed."}

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        line.incoming.put_nowait(Away(True))
        await asyncio.sleep(0.5)
        for _ in range(SENTENCES):
            caller.call_control.say("Wait.")
        caller.press("9")
        await asyncio.sleep(0.5)
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(tools=[look], persona=replace(PERSONA, keys={"9": "look"})))
    assert held.tts.spoken[1] == "Your order is packed."


@pytest.mark.parametrize("side_effect", [True, False])
def test_who_hangs_up_after_a_key_breaks_nothing_off_that_changes_something(side_effect: bool) -> None:
    done: list[str] = []

    @tool(side_effect=side_effect)
    async def call_back() -> str:
        """Have them called back."""
        await asyncio.sleep(2)
        done.append("written down")
        return "noted"

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        caller.press("9")
        await asyncio.sleep(0.5)
        caller.hang_up()

    held = hold(plan, Setting(tools=[call_back], persona=replace(PERSONA, keys={"9": "call_back"})))
    told = [report.run.result for report in held.reports if isinstance(report, ToolDone)]
    assert (done, told) == ((["written down"], ["noted"]) if side_effect else ([], []))


@pytest.mark.parametrize("wish", ["", "One thing more."])
def test_the_notice_waits_for_a_person_who_comes_while_the_line_is_on_hold(wish: str) -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(5)
        caller.call_control.wait()
        await asyncio.sleep(1)
        line.incoming.put_nowait(Away(True))
        await asyncio.sleep(1)
        caller.call_control.stop_waiting()
        if wish:
            caller.call_control.say(wish)
        heard = len(line.played)
        await asyncio.sleep(60)
        assert len(line.played) == heard and caller.call_control.state is State.HOLDING
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(8)
        caller.hang_up()

    persona = replace(PERSONA, notice=NOTICE)
    held = hold(plan, Setting(persona=persona, options=TurnOptions(reprompt_after=10)))
    said = [NOTICE, PERSONA.greeting]
    assert [turn.heard for turn in held.turns] == [*said, *said, *filter(None, [wish])]


def test_a_menu_that_ends_while_somebody_else_has_the_call_is_waited_at_afterwards() -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(6)
        await caller.say("For sales, press 1.")
        line.incoming.put_nowait(Away(True, taken=True))
        await asyncio.sleep(20)
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(40)
        assert line.silent
        await caller.say("Hello, this is Ann.")
        await asyncio.sleep(6)
        caller.hang_up()

    setting = Setting(
        script=by_last({"Ann": says("It is Acme.")}), ivr=IvrOptions(press_keys=True),
        options=TurnOptions(reprompt_after=5), persona=replace(PERSONA, notice=NOTICE),
    )  # fmt: skip
    held = hold(plan, setting)
    assert PERSONA.reprompt not in held.tts.spoken
    assert [turn.heard for turn in held.turns][-1] == f"{NOTICE} It is Acme."


def test_a_person_who_speaks_while_a_key_is_chosen_is_answered() -> None:
    def script(messages: Sequence[Message]) -> Sequence[Any]:
        said = next(one["content"] for one in reversed(messages) if one["role"] == "user")
        key = [1.5, ToolCall("c1", "press_keys", '{"keys": "1"}')]
        return key if "[telephone menu" in said and "Ann" not in said else says("It is Acme.")

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(6)
        await caller.say("For sales, press 1.")
        while caller.call_control.state is not State.THINKING:
            await caller.sound(0.1, loud=False)
        await caller.sound(0.1, loud=False)
        await caller.sound(1.2, loud=True)
        end = caller._given
        while not line.pressed:
            await caller.sound(0.1, loud=False)
        await caller.sound(0.3, loud=False)
        stt.heard.put_nowait(Transcript("Hello, this is Ann.", True, False, end))
        await caller.sound(5, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(script=script, ivr=IvrOptions(press_keys=True)))
    assert [(turn.caller, turn.heard) for turn in held.turns][-1] == ("Hello, this is Ann.", "It is Acme.")
