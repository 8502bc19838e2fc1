"""What a speech-to-speech session is told and what its turns tell of the line. On virtual time."""

import asyncio

import pytest

from agent.hearing.caller import CallerSound
from agent.line import Away, Digit
from tests.agent.realtime_holding import gone, hold
from tests.fakes.line import now


def test_keys_that_follow_while_the_session_thinks_are_told_once() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        for keys in ("1#", "2#"):
            for key in keys:
                caller.line.incoming.put_nowait(Digit(key, now()))
            await asyncio.sleep(0.5)
        session.say("Sales it is.")
        await asyncio.sleep(3)
        gone(caller.line)

    held = hold(plan)
    assert [one[1] for one in held.session.did if one[0] == "tell"] == ["[pressed 1]", "[pressed 2]"]
    assert held.messages[1] == {"role": "user", "content": "[pressed 1] [pressed 2]"}


def test_a_turn_that_the_session_has_taken_is_the_voice_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a line that has cost false alarms stays slow to interrupt for the rest of the call."""
    confirmed: list[float] = []
    monkeypatch.setattr(CallerSound, "confirmed", lambda _: confirmed.append(now()))

    async def plan(caller, session):
        await asyncio.sleep(2)
        for words in ("Where is my order?", "Order seven."):
            await caller.say(words)
            session.say("It is here.")
            await asyncio.sleep(3)
        gone(caller.line)

    hold(plan)
    assert len(confirmed) == 2


@pytest.mark.parametrize("goes_on", [False, True])
def test_words_to_a_supervisor_that_are_written_down_late_are_no_part_of_the_turn_before(goes_on: bool) -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        session.say("It is packed.")
        await asyncio.sleep(3)
        caller.line.incoming.put_nowait(Away(True, taken=True))
        await caller.say("")
        session.say("I see.")
        await asyncio.sleep(1)
        caller.line.incoming.put_nowait(Away(False))
        await asyncio.sleep(0.2)
        if goes_on:
            session.onset()
        session.write("My card has the number four.", ago=1.5)
        if not goes_on:
            session.onset()
        await asyncio.sleep(0.5)
        session.write("Are you there again?")
        session.say("I am.")
        await asyncio.sleep(4)
        gone(caller.line)

    held = hold(plan)
    turns = [(turn.caller, turn.heard) for turn in held.turns if turn.caller]
    assert turns == [("Where is my order?", "It is packed."), ("Are you there again?", "I am.")]
    assert [one["content"] for one in held.messages if one["role"] == "user"] == [said for said, _ in turns]
