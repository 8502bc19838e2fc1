"""Speech-to-speech sessions in whose call a screen answers, or somebody takes the caller, on virtual time."""

import asyncio
from dataclasses import replace

import pytest

from agent.line import Away
from agent.realtime import Reopened
from agent.realtime_conversation import AGAIN
from agent.records import CallerSaid
from agent.tools import tool
from agent.turn_taking.table import State
from tests.agent.holding import PERSONA
from tests.agent.realtime_holding import gone, hold
from tests.fakes.line import sound_of


def test_a_call_screen_is_told_who_calls_and_then_not_answered_until_a_person_speaks() -> None:
    ran, callers = [], []

    @tool
    async def look() -> str:
        """Look."""
        ran.append("look")
        return "x"

    async def plan(caller, session):
        callers.append(caller)
        await asyncio.sleep(2)
        await caller.say("State your name and the reason for calling.")
        caller.call_control.wait("It is Acme.")
        session.onset()
        await caller.sound(3)
        await caller.say("Thanks, please stay on the line.")
        session.say("You are welcome, I will wait.")
        session.call("look")
        await asyncio.sleep(4)
        await caller.say("")
        session.say("I am still here.")
        session.write("Hello? Who is this?")
        await asyncio.sleep(1)
        session.say("It is Acme Store.")
        await asyncio.sleep(3)
        gone(caller.line)

    def observer(report):
        if isinstance(report, CallerSaid) and "Who is this" in report.text:
            callers[0].call_control.stop_waiting()

    held = hold(plan, tools=[look], observer=observer)
    said = [bytes(sound_of(text)) for text in ("Hello there.", "It is Acme.", "It is Acme Store.")]
    assert bytes(held.line.played) == b"".join(said), "and nothing has cut it"
    assert ("tell", "Hello? Who is this?") in held.session.did
    assert [one for one in held.session.did if one[0] == "cut" and one[2] == 0] and not ran
    assert held.messages[-2:] == [
        {"role": "user", "content": "Hello? Who is this?"},
        {"role": "assistant", "content": "It is Acme Store."},
    ]


def test_what_a_session_answers_to_a_caller_whom_somebody_has_taken_is_neither_said_nor_done() -> None:
    ran = []

    @tool
    async def look() -> str:
        """Look."""
        ran.append("look")
        return "x"

    async def plan(caller, session):
        await asyncio.sleep(3)
        session.onset()
        await caller.sound(1.5)
        caller.line.incoming.put_nowait(Away(True, taken=True))
        await asyncio.sleep(0.5)
        session.write("Where is my order?")
        session.call("look")
        session.say("It is packed.")
        await asyncio.sleep(8)
        caller.line.incoming.put_nowait(Away(False))
        await asyncio.sleep(1)
        assert caller.call_control.state is State.LISTENING
        session.came.put_nowait(Reopened())
        await caller.say("")
        session.say("I am.")
        await asyncio.sleep(1)
        session.write("Are you there?", ago=1)
        await asyncio.sleep(4)
        gone(caller.line)

    held = hold(plan, tools=[look])
    assert bytes(held.line.played) == b"".join(bytes(sound_of(text)) for text in ("Hello there.", "I am."))
    assert not ran
    assert [one for one in held.session.did if one[0] == "cut" and one[2] == 0]
    assert ("prompt", AGAIN) not in held.session.did, "what the caller was saying is over"
    assert [turn.caller for turn in held.turns if turn.caller] == ["Are you there?"]


@pytest.mark.parametrize("wish", ["", "One thing more."])
@pytest.mark.parametrize("taken", [False, True], ids=["on hold", "taken"])
def test_a_person_who_comes_while_nobody_hears_the_agent_is_told_the_notice_afterwards(taken: bool, wish: str) -> None:
    async def plan(caller, session):
        await asyncio.sleep(6)
        caller.call_control.wait()
        await asyncio.sleep(1)
        caller.line.incoming.put_nowait(Away(True, taken=taken))
        await asyncio.sleep(1)
        caller.call_control.stop_waiting()
        if wish:
            caller.call_control.say(wish)
        heard = len(caller.line.played)
        await asyncio.sleep(6)
        assert len(caller.line.played) == heard
        caller.line.incoming.put_nowait(Away(False))
        await asyncio.sleep(8)
        caller.line.incoming.put_nowait(Away(True))
        await asyncio.sleep(1)
        caller.line.incoming.put_nowait(Away(False))
        await asyncio.sleep(4)
        gone(caller.line)

    notice = "This call is recorded."
    held = hold(plan, persona=replace(PERSONA, notice=notice))
    after = [notice, PERSONA.greeting, *filter(None, [wish])]
    assert [turn.heard for turn in held.turns] == [notice, PERSONA.greeting, *after], "and once"


def test_a_person_is_told_no_notice_twice_because_the_line_was_on_hold_when_they_were_known() -> None:
    async def plan(caller, session):
        await asyncio.sleep(6)
        caller.line.incoming.put_nowait(Away(True))
        await asyncio.sleep(1)
        caller.call_control.stop_waiting()
        caller.line.incoming.put_nowait(Away(False))
        await asyncio.sleep(4)
        gone(caller.line)

    held = hold(plan, persona=replace(PERSONA, notice="This call is recorded."))
    assert [turn.heard for turn in held.turns] == ["This call is recorded.", PERSONA.greeting]


@pytest.mark.parametrize("over", [False, True], ids=["into the give-back", "to somebody else"])
def test_what_a_caller_begins_to_say_before_they_are_given_back_is_a_turn_of_its_own(over: bool) -> None:
    async def plan(caller, session):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        session.say("It is packed.")
        await asyncio.sleep(4)
        caller.line.incoming.put_nowait(Away(True, taken=True))
        await asyncio.sleep(6)
        session.onset()
        await asyncio.sleep(0.1)
        session.write("It came.", ago=0 if over else 3)
        await asyncio.sleep(0.1)
        caller.line.incoming.put_nowait(Away(False))
        await asyncio.sleep(0.1)
        if over:
            session.came.put_nowait(Reopened())
            await asyncio.sleep(0.1)
            session.onset()
        await asyncio.sleep(1)
        session.write("Are you there again?", ago=0.5)
        session.say("I am.")
        await asyncio.sleep(6)
        gone(caller.line)

    held = hold(plan)
    turns = [(turn.caller, turn.heard) for turn in held.turns if turn.caller]
    assert turns == [("Where is my order?", "It is packed."), ("Are you there again?", "I am.")]
    assert ("prompt", AGAIN) not in held.session.did
