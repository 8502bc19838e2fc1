# mypy: disable-error-code="operator"
"""Conversations with a speech-to-speech provider on virtual time, asserted to the word."""

import asyncio
from dataclasses import replace

import pytest

from agent.errors import ProviderError
from agent.line import Digit
from agent.realtime import Reopened
from agent.realtime_conversation import AGAIN, GO_ON, RealtimeConversation
from agent.recorded import WORDS, recorded
from agent.records import AgentSays, Interrupted, Outcome, ProviderFailed
from agent.tools import tool
from agent.turn_taking.table import State
from tests.agent.holding import PERSONA
from tests.agent.realtime_holding import gone, hold
from tests.fakes.line import LETTER, now, sound_of

MOMENT = WORDS["moment"]

LONG = "Your order is out for delivery and it will be there today before six."
SECONDS = LETTER / 8000
"""That a letter takes."""


def test_the_greeting_is_there_when_the_call_is_answered() -> None:
    async def plan(caller, session):
        await asyncio.sleep(3)
        gone(caller.line)

    held = hold(plan)
    assert held.session.begun[0].greeting == "Hello there."
    assert bytes(held.line.played) == sound_of("Hello there.")
    assert held.turns[0].heard == "Hello there."
    assert held.outcome.kind == "caller_hung_up"


def test_a_turn_is_answered_remembered_and_measured() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.3)
        session.say("It is here. Anything else?")
        await asyncio.sleep(4)
        gone(caller.line)

    held = hold(plan)
    assert held.messages == [
        {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "Where is my order?"},
        {"role": "assistant", "content": "It is here. Anything else?"},
    ]
    assert [one.text for one in held.reports if isinstance(one, AgentSays)][1:] == ["It is here.", "Anything else?"]
    parts = held.turns[1].times.parts_ms()
    assert parts["hearing"] == pytest.approx(480, abs=70)
    assert parts["thinking"] == pytest.approx(300, abs=30)
    assert parts["total"] == pytest.approx(800, abs=90)


@pytest.mark.parametrize("ago", [0.9, 0.3])
def test_words_that_are_written_down_after_the_reply_has_begun_stand_before_it(ago) -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("")
        session.say("It is here.")
        await asyncio.sleep(ago)
        session.write("Where is my order?", ago=ago + 0.5)
        await asyncio.sleep(3)
        gone(caller.line)

    held = hold(plan)
    assert held.messages[1:] == [
        {"role": "user", "content": "Where is my order?"},
        {"role": "assistant", "content": "It is here."},
    ]
    assert (held.turns[1].caller, held.turns[1].heard) == ("Where is my order?", "It is here.")


@pytest.mark.parametrize("timed", [True, False])
def test_an_interruption_silences_the_wire_and_is_told_to_the_sample(timed) -> None:
    spoke: list[float] = []

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        session.say(LONG, timed=timed)
        await asyncio.sleep(2)
        spoke.append(now())
        await caller.say("Stop, please.")
        session.say("Yes?")
        await asyncio.sleep(2)
        gone(caller.line)

    held = hold(plan)
    (cut,) = [one for one in held.session.did if one[0] == "cut"]
    (heard,) = [one.heard for one in held.reports if isinstance(one, Interrupted)]
    assert heard.endswith(" —")
    words = heard.removesuffix(" —")
    assert LONG.startswith(words)
    assert cut[1] == "reply2"
    # 2 s and the 0.1 s that make an onset; sound comes in pieces of 60 ms.
    assert cut[2] == pytest.approx(8000 * 2.12, abs=8000 * 0.08)
    assert len(words) == pytest.approx(cut[2] / LETTER, abs=10)  # a word
    assert held.messages[-3:] == [
        {"role": "assistant", "content": heard},
        {"role": "user", "content": "Stop, please."},
        {"role": "assistant", "content": "Yes?"},
    ]


def test_a_cough_pauses_and_the_agent_goes_on_where_it_stopped() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        session.say(LONG)
        await asyncio.sleep(1)
        await caller.sound(0.24)
        await caller.sound(1.2, loud=False)
        await asyncio.sleep(7)
        gone(caller.line)

    held = hold(plan)
    assert bytes(held.line.played) == sound_of("Hello there.") + sound_of(LONG)
    assert held.turns[-1].heard == LONG
    assert not [one for one in held.session.did if one[0] == "cut"]


def test_tools_run_and_the_reply_goes_on() -> None:
    @tool
    async def lookup(order: str) -> dict[str, str]:
        """Look up an order."""
        return {"status": f"{order} is sent"}

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is 7346?")
        session.call("lookup", order="7346")
        await asyncio.sleep(0.1)
        session.say("It is sent.")
        await asyncio.sleep(2)
        session.call("lookup", call="c2", wrong=1)
        await asyncio.sleep(1)
        gone(caller.line)

    held = hold(plan, tools=[lookup])
    names = [schema["function"]["name"] for schema in held.session.begun[0].tools]
    assert names == ["lookup", "hang_up"]
    answers = [one for one in held.session.did if one[0] == "answer"]
    assert answers[0] == ("answer", "c1", {"status": "7346 is sent"}, False)
    assert answers[1][3]
    assert "wrong arguments" in answers[1][2]["error"]
    assert held.turns[1].tools[0].result == {"status": "7346 is sent"}
    called, result, said = held.messages[2:5]
    assert called["tool_calls"][0]["function"] == {"name": "lookup", "arguments": '{"order": "7346"}'}
    assert result["content"] == '{"status": "7346 is sent"}'
    assert said == {"role": "assistant", "content": "It is sent."}


def test_a_slow_tool_gets_a_filler_and_survives_an_interruption() -> None:
    @tool(filler="Let me look.", side_effect=True)
    async def order() -> str:
        """Order."""
        await asyncio.sleep(5)
        return "done"

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Order it.")
        session.call("order")
        await asyncio.sleep(3)
        await caller.say("And quickly.")
        await asyncio.sleep(5)
        gone(caller.line)

    held = hold(plan, tools=[order])
    assert ("aside", "Say exactly this, and nothing else: Let me look.") in held.session.did
    assert ("answer", "c1", "done", False) in held.session.did
    assert sound_of("Let me look.") in bytes(held.line.played)


def test_hanging_up_waits_for_the_goodbye() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Bye.")
        session.say("Goodbye and thank you.")
        session.call("hang_up", reason="all is said")
        await asyncio.sleep(60)

    held = hold(plan)
    assert held.outcome == Outcome("agent_hung_up", "all is said")
    assert bytes(held.line.played).endswith(sound_of("Goodbye and thank you."))
    assert not [one for one in held.session.did if one[0] == "answer"]


def test_a_transfer_that_fails_is_explained_and_the_next_one_ends_the_call() -> None:
    async def plan(caller, session):
        for _ in range(2):
            await asyncio.sleep(3)
            await caller.say("A human, please.")
            session.say("I connect you.")
            session.call("transfer_to_human")
            await asyncio.sleep(6)

    held = hold(plan, transfer=[False, True])
    assert held.outcome.kind == "transfer"
    assert sound_of(PERSONA.not_connected) in bytes(held.line.played)


def test_silence_is_asked_about_and_ends_the_call() -> None:
    async def plan(caller, session):
        await asyncio.sleep(60)

    held = hold(plan, reprompt_after=5)
    assert held.outcome.kind == "silence"
    said = [turn.said for turn in held.turns]
    assert said == [
        "Hello there.",
        PERSONA.reprompt,
        PERSONA.reprompt,
        "I cannot hear you, so I will hang up now. Goodbye.",
    ]


def test_a_goodbye_in_the_middle_of_a_reply_is_asked_for_after_that_is_broken_off() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        session.say(LONG)
        await asyncio.sleep(30)

    did = hold(plan, max_duration=5.0).session.did
    assert [kind for kind, *_ in did] == ["cut", "prompt"]


def test_the_longest_call_ends_with_a_goodbye() -> None:
    async def plan(caller, session):
        await asyncio.sleep(600)

    held = hold(plan, max_duration=30)
    assert held.outcome.kind == "max_duration"
    assert held.turns[-1].heard == PERSONA.goodbye_overtime


def test_keys_are_told() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.sound(0.36)
        await caller.sound(1.5, loud=False)
        for key in "12#":
            caller.line.incoming.put_nowait(Digit(key, now()))
        await asyncio.sleep(0.1)
        session.say("Sales it is.")
        await asyncio.sleep(3)
        gone(caller.line)

    held = hold(plan)
    assert ("tell", "[pressed 1 2]") in held.session.did
    assert held.turns[-1].times.caller_stopped == held.turns[-1].times.final, "the last key"
    assert held.messages[1:] == [
        {"role": "user", "content": "[pressed 1 2]"},
        {"role": "assistant", "content": "Sales it is."},
    ]


def test_nobody_interrupts_the_notice() -> None:
    async def plan(caller, session):
        await asyncio.sleep(0.5)
        await caller.sound(0.6)
        await caller.sound(4, loud=False)
        gone(caller.line)

    held = hold(plan, persona=replace(PERSONA, notice="This call is recorded."))
    assert bytes(held.line.played) == sound_of("This call is recorded.") + sound_of("Hello there.")
    assert b"\x10" not in held.session.heard, "the provider would have fallen silent"


def test_a_note_reaches_the_session() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        held_by[0].call_control.instruct("They are a good customer.")
        held_by[0].call_control.say("By the way.")
        await asyncio.sleep(3)
        assert held_by[0].call_control.state is State.LISTENING
        gone(caller.line)

    held_by: list[RealtimeConversation] = []
    original = RealtimeConversation.open

    async def opened(self: RealtimeConversation) -> None:
        held_by.append(self)
        await original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RealtimeConversation, "open", opened)
        held = hold(plan)
    (told,) = [one[1] for one in held.session.did if one[0] == "instruct"]
    assert told.endswith("They are a good customer.")
    assert held.turns[-1].heard == "By the way."


def test_a_session_that_cannot_begin_is_apologised_for() -> None:
    async def plan(caller, session):
        await asyncio.sleep(60)

    held = hold(plan, refuses=ProviderError("x", "refused"))
    assert held.outcome == Outcome("failed", "realtime failed: x: refused")
    assert len(held.line.played) > 8000
    assert [one.part for one in held.reports if isinstance(one, ProviderFailed)] == ["realtime"]


def test_a_session_that_is_lost_for_good_transfers_the_caller() -> None:
    async def plan(caller, session):
        await asyncio.sleep(3)
        session.came.put_nowait(ProviderError("x", "lost"))
        await asyncio.sleep(60)

    held = hold(plan, transfer=[True])
    assert held.outcome.kind == "transfer"
    assert held.turns[-1].said == PERSONA.connecting


def test_another_session_answers_what_the_lost_one_owed() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        session.say("It is", whole=False)
        await asyncio.sleep(1)
        session.begun.append(session.brief())
        session.came.put_nowait(Reopened())
        await asyncio.sleep(0.1)
        session.say("on its way.")
        await asyncio.sleep(2)
        gone(caller.line)

    held = hold(plan)
    again = held.session.begun[1]
    assert again.greeting == ""
    assert again.instructions.endswith("You: Hello there.\nCaller: Where is my order?\nYou: It is ")
    assert ("prompt", GO_ON) in held.session.did
    assert held.turns[-1].heard == "It is on its way."


def test_who_was_speaking_when_the_session_was_lost_is_asked_again() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        session.onset()
        await caller.sound(0.6)
        session.came.put_nowait(Reopened())
        await asyncio.sleep(1)
        gone(caller.line)

    assert ("prompt", AGAIN) in hold(plan).session.did


def test_a_session_that_says_nothing_is_covered_within_three_seconds_and_then_given_up() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        await asyncio.sleep(5)
        gone(caller.line)

    held = hold(plan)
    assert ("give_up", "nothing came for 4.0 s") in held.session.did
    turn = held.turns[-1]
    assert turn.said == MOMENT
    assert turn.times.first_packet - turn.times.caller_stopped < 3
    assert bytes(held.line.played).endswith(recorded("moment"))


def test_what_comes_after_all_follows_the_recorded_sentence() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        await asyncio.sleep(2.5)
        session.say("It is here.")
        await asyncio.sleep(4)
        gone(caller.line)

    held = hold(plan)
    assert held.messages[-1] == {"role": "assistant", "content": f"{MOMENT} It is here."}
    assert held.turns[-1].heard == f"{MOMENT} It is here."


def test_a_session_that_speaks_in_time_is_not_covered() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        session.say("It is here.")
        await asyncio.sleep(4)
        gone(caller.line)

    assert hold(plan).turns[-1].heard == "It is here."
