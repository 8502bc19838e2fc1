"""Whole conversations on virtual time, asserted to the word: turns, interruptions, preparation."""

import asyncio
from dataclasses import replace

import pytest

from agent.llm import Text
from agent.records import AgentSays, CallerSaid, Interrupted, Outcome
from agent.stt import Transcript
from agent.tools import tool
from tests.agent.holding import LONG, PERSONA, Setting, by_last, hold, spoken_seconds
from tests.fakes.line import LETTER, calls, says, sound_of


def test_the_greeting_is_heard_and_the_caller_hangs_up() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan)
    assert held.outcome == Outcome("caller_hung_up", "the caller hung up")
    assert held.tts.spoken == ["Hello there."]
    assert bytes(held.line.played) == sound_of("Hello there.")
    assert held.turns[0].heard == "Hello there."


def test_a_turn_is_answered_sentence_by_sentence_and_remembered() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        await caller.say("And the other one?")
        await asyncio.sleep(6)
        caller.hang_up()

    table = by_last({"Where is my order": says("It is here. Anything else?"), "And the other": says("It is there.")})
    held = hold(plan, Setting(script=table))
    assert held.tts.spoken == ["Hello there.", "It is here.", "Anything else?", "It is there."]
    assert held.last_asked() == [
        {"role": "system", "content": "You are a test."},
        {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "Where is my order?"},
        {"role": "assistant", "content": "It is here. Anything else?"},
        {"role": "user", "content": "And the other one?"},
    ]
    assert "Anything else?" in held.stt.expected
    assert CallerSaid("Where is my order?", True) in held.reports
    assert AgentSays("It is here.") in held.reports


def test_the_latency_of_a_turn_is_taken_apart() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        line.reaches = 0.12
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: [0.3, *says("It is here.")], tts={"delay": 0.15}))
    parts = held.turns[1].times.parts_ms()
    assert parts["hearing"] == pytest.approx(420, abs=70)
    assert parts["thinking"] == 300
    assert parts["voicing"] == 150
    assert parts["sending"] <= 20
    assert parts["total"] == pytest.approx(890, abs=70)
    assert parts["reaching"] == 120, "an estimate of the line; the greeting had none"
    assert "reaching" not in held.turns[0].times.parts_ms()


# Interruptions


def test_an_interruption_cuts_the_memory_at_the_word_that_was_heard() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(0.1 + spoken_seconds("Your order is out for") - 0.1)
        await caller.say("Stop please, something else")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where is": says(LONG), "Stop": says("Yes?")})))
    (interrupted,) = [report for report in held.reports if isinstance(report, Interrupted)]
    cut = held.turns[1]
    assert cut.interrupted
    assert cut.said.startswith("Your order is out for delivery")
    assert cut.heard == interrupted.heard
    played = len(held.line.played) - LETTER * len("Hello there.") - LETTER * len("Yes?")
    letters = played // LETTER
    heard = cut.heard.removesuffix(" —")
    assert LONG.startswith(heard)
    assert heard.endswith(tuple(LONG.split()))
    assert letters - 12 < len(heard) <= letters + 1, "to the word, never more than was played"
    assert held.last_asked()[-2] == {"role": "assistant", "content": cut.heard}


def test_the_sound_stops_at_the_onset_before_any_word_is_known() -> None:
    silent: list[bool] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.sound(0.3, loud=True)
        await asyncio.sleep(0.05)
        silent.append(line.silent)
        await caller.say("Stop it now", seconds=0.6)
        await asyncio.sleep(5)
        caller.hang_up()

    hold(plan, Setting(script=by_last({"Where": says(LONG), "Stop": says("Yes?")})))
    assert silent == [True]


@pytest.mark.parametrize("words", ["Mm-hmm.", "Uh-huh", "Okay.", "yeah, right"])
def test_a_backchannel_does_not_interrupt(words: str) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.say(words, seconds=0.4)
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where": says(LONG)})))
    assert not any(isinstance(report, Interrupted) for report in held.reports)
    assert held.turns[1].heard == LONG
    assert sound_of(LONG) in held.line.played, "it went on where it had stopped"


def test_a_cough_makes_a_pause_and_nothing_is_lost() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.sound(0.36, loud=True)
        await caller.sound(3, loud=False)
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where": says(LONG)})))
    assert held.turns[1].heard == LONG
    assert not held.turns[1].interrupted
    assert sound_of(LONG) in held.line.played, "it went on where it had stopped"


def test_the_echo_of_the_agent_does_not_interrupt_it() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.say("order is out for delivery", seconds=0.6)
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Where": says(LONG)})))
    assert held.turns[1].heard == LONG


def test_a_yes_that_comes_before_the_end_of_the_question_answers_it() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Call me back.")
        await asyncio.sleep(0.2 + spoken_seconds("Is tomorrow ok"))
        await caller.say("Yes.", seconds=0.36, partial=False)
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=by_last({"Call me": says("Is tomorrow okay for you?"), "Yes": says("Done.")})))
    assert held.tts.spoken[-1] == "Done."


def test_words_while_the_agent_thinks_belong_to_the_same_turn() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("My order number is")
        await asyncio.sleep(0.2)
        await caller.say("seven three four six")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: [1.0, *says("Thank you.")]))
    assert held.last_asked()[-1] == {"role": "user", "content": "My order number is seven three four six"}
    assert held.tts.spoken == ["Hello there.", "Thank you."]
    assert held.turns[1].discarded == 1, "the reply to the first half"


def test_a_prepared_reply_is_used_when_the_words_stay_the_same() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?", eager=True)
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: [0.15, *says("It is here.")]))
    assert len(held.llm.asked) == 1
    assert held.turns[1].discarded == 0
    assert held.turns[1].times.parts_ms()["thinking"] == 0
    assert held.turns[1].heard == "It is here."


def test_words_that_are_final_in_the_moment_of_the_preparation_are_asked_once() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        for final in (False, True):
            stt.heard.put_nowait(Transcript("Seven three four six.", final=final, eager=not final, end=0))
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says("It is here.")))
    (asked,) = held.llm.asked
    assert str(asked).count("Seven three four six.") == 1


def test_a_prepared_reply_costs_nothing_more_when_the_caller_goes_on_in_the_moment_in_which_it_begins() -> None:
    thought: list[str] = []

    def script(messages):
        yield Text("At")
        yield 3.0
        thought.append(messages[-1]["content"])
        yield Text(" nine.")

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("When do you open?", eager=True)
        stt.heard.put_nowait(Transcript("I mean", final=False, eager=False, end=1.7))
        await caller.say("I mean tomorrow.")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=script))
    assert thought == ["When do you open? I mean tomorrow."]
    assert held.tts.spoken.count("At nine.") == 1


def test_its_first_sentence_is_synthesised_before_the_turn_is_final() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?", eager=True)
        await asyncio.sleep(6)
        caller.hang_up()

    setting = Setting(script=lambda messages: says("It is here. Look behind you."), tts={"delay": 0.17})
    held = hold(plan, setting)
    assert held.tts.spoken == ["Hello there.", "It is here.", "Look behind you."]
    assert held.turns[1].times.parts_ms()["voicing"] <= 1
    assert held.turns[1].heard == "It is here. Look behind you."
    assert sound_of("It is here.") in bytes(held.line.played)


def test_what_was_synthesised_for_other_words_is_never_played() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        stt.heard.put_nowait(Transcript("Where is it?", final=False, eager=True, end=0))
        await asyncio.sleep(1)
        stt.heard.put_nowait(Transcript("Where is it made?", final=True, eager=False, end=0))
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=lambda messages: says("In Rome." if "made" in str(messages[-1]) else "Here.")))
    assert held.tts.spoken == ["Hello there.", "Here.", "In Rome."]
    assert held.turns[1].heard == "In Rome."
    assert sound_of("Here.") not in bytes(held.line.played)


def test_a_prepared_reply_is_thrown_away_without_trace_when_they_change() -> None:
    ran: list[str] = []

    @tool(side_effect=True)
    async def order(item: str) -> str:
        """Order something."""
        ran.append(item)
        return "ordered"

    def script(messages):
        return [calls("order", item=messages[-1]["content"])] if "two" in messages[-1]["content"] else says("Hm.")

    async def changed(caller, line, stt):
        await asyncio.sleep(3)
        stt.heard.put_nowait(Transcript("I want two", final=False, eager=True, end=0))
        await asyncio.sleep(1)
        stt.heard.put_nowait(Transcript("I want nothing", final=True, eager=False, end=0))
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(changed, Setting(script=script, tools=[order]))
    assert ran == []
    assert held.turns[1].discarded == 1
    assert [message["content"] for message in held.last_asked() if message["role"] == "user"] == ["I want nothing"]


def test_a_number_said_in_pieces_is_one_turn() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(6)
        await caller.say("7 3")
        await asyncio.sleep(0.2)
        await caller.say("4 6")
        await asyncio.sleep(6)
        caller.hang_up()

    persona = replace(PERSONA, greeting="What is your order number?")
    held = hold(plan, Setting(script=lambda messages: says("Thank you."), persona=persona))
    assert [turn.caller for turn in held.turns[1:]] == ["7 3 4 6"]
    assert held.turns[1].heard == "Thank you."


def test_a_notice_is_heard_in_full_before_the_greeting_whatever_the_caller_says() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(0.5)
        await caller.say("No no no", 0.6)
        await asyncio.sleep(12)
        caller.hang_up()

    persona = replace(PERSONA, notice="This call is recorded for training.")
    held = hold(plan, Setting(script=lambda messages: says("Sorry."), persona=persona))
    assert held.turns[0].heard == "This call is recorded for training."
    assert not held.turns[0].interrupted
    assert (held.turns[1].caller, held.turns[1].heard) == ("No no no", "Sorry.")
    quiet = hold(lambda caller, line, stt: hang_up_after(caller, 12), Setting(persona=persona))
    assert [turn.heard for turn in quiet.turns] == ["This call is recorded for training.", "Hello there."]


async def hang_up_after(caller, seconds: float) -> None:
    await asyncio.sleep(seconds)
    caller.hang_up()


def test_the_line_is_attended_to_closely_while_the_caller_may_be_beginning_or_ending() -> None:
    seen: list[tuple[str, float]] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(2)
        seen.append(("before", line.order[0]))
        await caller.sound(0.06, loud=True)
        await asyncio.sleep(0.01)
        seen.append(("begins", line.order[0]))
        await caller.sound(0.6, loud=True)
        seen.append(("speaks", line.order[0]))
        await caller.sound(0.48, loud=False)
        seen.append(("pauses", line.order[0]))
        await caller.sound(0.48, loud=False)
        seen.append(("is silent", line.order[0]))
        caller.hang_up()

    hold(plan)
    assert seen == [
        ("before", 0.1), ("begins", 0.02), ("speaks", 0.04), ("pauses", 0.02), ("is silent", 0.1),
    ]  # fmt: skip
