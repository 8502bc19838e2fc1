"""Speech-to-speech sessions that notice the caller and then do nothing, or nothing sensible. On virtual time."""

import asyncio

from agent.realtime_reply import MOST_CALLS
from agent.recorded import WORDS, recorded
from agent.reply import CALLS
from tests.agent.holding import PERSONA
from tests.agent.realtime_holding import gone, hold
from tests.fakes.line import LETTER, now, sound_of

MOMENT = WORDS["moment"]


def test_a_session_that_noticed_the_caller_and_does_not_answer_is_covered_and_then_prompted() -> None:
    waits: list[float] = []

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.sound(0.3)
        session.onset()
        await caller.sound(0.9)
        end, played = now(), len(caller.line.played)
        while len(caller.line.played) == played:
            await caller.sound(0.06, loud=False)
        waits.append(now() - end)
        await caller.sound(8, loud=False)
        gone(caller.line)

    held = hold(plan)
    assert 2.3 < waits[0] < 3.0
    assert bytes(held.line.played) == sound_of(PERSONA.greeting) + recorded("moment") + sound_of(PERSONA.again)
    assert [message["content"] for message in held.messages] == [PERSONA.greeting, MOMENT, PERSONA.again]


def test_a_session_that_answers_after_all_is_not_prompted() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.sound(0.3)
        session.onset()
        await caller.sound(0.9)
        await caller.sound(3.6, loud=False)
        session.write("Where is it?", ago=3.6)
        session.say("It is here.")
        await caller.sound(6, loud=False)
        gone(caller.line)

    held = hold(plan)
    assert bytes(held.line.played).endswith(recorded("moment") + sound_of("It is here."))
    assert not [one for one in held.session.did if one[0] == "prompt"]


def test_a_session_that_does_not_notice_the_caller_is_prompted_and_a_dead_one_covered() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        session.mute = True
        await caller.sound(1.2)
        end, played = now(), len(caller.line.played)
        while len(caller.line.played) == played:
            await caller.sound(0.06, loud=False)
        assert now() - end < 3.0
        await caller.sound(5, loud=False)
        gone(caller.line)

    held = hold(plan)
    assert held.session.did[0] == ("prompt", f"Say exactly this, and nothing else: {PERSONA.again}")
    assert held.session.did[1] == ("give_up", "nothing came for 4.0 s")
    assert len(held.line.played) == LETTER * len(PERSONA.greeting) + len(recorded("moment"))


def test_a_session_that_calls_tools_without_end_is_given_up() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        for number in range(MOST_CALLS + CALLS + 1):
            session.call("nope", call=f"c{number}")
        await asyncio.sleep(1)
        gone(caller.line)

    held = hold(plan)
    answers = [one for one in held.session.did if one[0] == "answer"]
    assert len(answers) == MOST_CALLS + CALLS
    assert [one for one in held.session.did if one[0] == "give_up"] == [("give_up", "it calls tools without end")]
