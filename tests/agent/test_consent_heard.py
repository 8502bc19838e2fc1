"""A yes counts for what the caller has heard, and for nothing else that they were asked."""

import asyncio
from typing import Any

import pytest

from agent.consent import Consent, names_one
from agent.history import History, Sentence
from agent.providers.local.brain.llm import LocalLlm
from tests.agent.holding import Setting, hold, spoken_seconds
from tests.agent.test_consent import QUESTION, QUIET, cancelling, judged, later, ran_after, verdict, with_verdict
from tests.fakes.line import calls, says
from tests.virtual import run as on_virtual_time

LONG = "Just to be sure, I cancel order 7346, is that right?"
OTHER = "One more thing first: is your phone number still 555 0123?"
ORDER = {"number": "7346"}


def agreed(*said: Sentence, answer: str = "Yes.", arguments: Any = ORDER, judge: bool | None = None) -> bool:
    """Whether such an answer is a yes, after this was said; `judge` is what whoever judges it finds."""

    async def judging(action: str, before: str, answer: str) -> bool:
        return bool(judge)

    history = History("")
    consent = Consent(history, None if judge is None else judging)
    consent.ask("k")
    history.say().sentences.extend(said)
    history.ask(answer)
    return on_virtual_time(consent.given("k", "cancel_order", arguments)) is not None


@pytest.mark.faults("D9")
@pytest.mark.parametrize("heard", ["", "Just —", "Just to be sure, I cancel order 7346, is —"])
def test_a_yes_to_a_question_that_was_broken_off_is_none_by_itself(heard: str) -> None:
    assert agreed(Sentence(1, LONG))
    assert not agreed(Sentence(1, LONG, heard=heard))
    assert not agreed(Sentence(1, "Well."), Sentence(2, LONG, heard=heard))
    assert agreed(Sentence(1, "One moment.", heard="One —", aside=True), Sentence(2, LONG)), "it asks nothing"


@pytest.mark.faults("D9")
def test_a_yes_to_another_question_is_none_by_itself() -> None:
    assert not agreed(Sentence(1, OTHER))
    assert not agreed(Sentence(1, OTHER), arguments={"amount": 5})
    assert agreed(Sentence(1, "Everything, is that right?"), arguments={"sure": True}), "nothing to be named"


@pytest.mark.faults("D9")
def test_a_plain_yes_is_judged_too_where_there_is_somebody_to_judge() -> None:
    for said in (Sentence(1, LONG), Sentence(1, LONG, heard="Just —"), Sentence(1, OTHER)):
        assert not agreed(said, judge=False)
    assert agreed(Sentence(1, "Shall I?"), judge=True)
    assert not agreed(Sentence(1, LONG), answer="No.", judge=True)


@pytest.mark.faults("D9")
def test_a_call_in_which_the_question_is_broken_off_asks_whether_the_yes_is_one() -> None:
    script = with_verdict(later, verdict("unclear"))
    assert ran_after((0.5 + spoken_seconds("Cancel order"), "Okay."), script=script) == []
    assert script.seen[0]["said_before"] == "Agent: Cancel order —"


@pytest.mark.faults("D9")
@pytest.mark.parametrize("before", ["Agent: Just —", f"Agent: {OTHER}"])
def test_the_embedded_brain_takes_no_yes_to_what_was_not_heard_or_not_named(before: str) -> None:
    async def asked(before: str) -> bool:
        return await judged(LocalLlm(), 'cancel_order {"number": "7346"}', before, "Yes.")

    assert on_virtual_time(asked(before)) is False
    assert on_virtual_time(asked(f"Agent: {QUESTION}")) is True


@pytest.mark.parametrize(
    ("arguments", "said", "named"),
    [
        ({"number": "7346"}, "Order 73 46, yes?", True),
        ({"number": 7346}, "Order 17346, yes?", False),
        ({"amount": 5.0}, "5 dollars?", True),
        ({"to": {"name": "Ann-Marie"}}, "for ann marie?", True),
        ({"sure": True, "note": None, "items": []}, "anything", True),
        ({"items": ["tea", "milk"]}, "Milk and so on?", True),
        ({"items": ["tea"]}, "Teas and steak?", True),
        ({"items": ["tea"]}, "A steak?", False),
    ],
)
def test_whether_an_argument_was_named(arguments: Any, said: str, named: bool) -> None:
    assert names_one(arguments, said) is named


@pytest.mark.faults("D9")
def test_a_yes_to_what_a_tool_asks_is_none() -> None:
    """The model has the caller key something in, in the place of asking them."""

    def keying(messages):
        last = messages[-1]
        if last["role"] == "tool" and "Not done" in last["content"]:
            return [calls("collect_digits", question="Your number, please.")]
        return [calls("cancel_order", number="7346")] if last["role"] == "user" else says("Well.")

    script, ran = with_verdict(keying, verdict("yes")), list[str]()

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("cancel order 7346")
        await asyncio.sleep(4)
        await caller.say("yes do it")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=script, tools=[cancelling(ran)], options=QUIET, collects=True))
    assert "Your number, please." in held.tts.spoken
    assert (ran, script.seen) == ([], [])
