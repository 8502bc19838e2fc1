# mypy: disable-error-code="attr-defined"
"""What cannot be undone is done after a yes of the caller to a question that they have heard, and only then."""

import asyncio
import json
from dataclasses import replace

import pytest

from agent.consent import JUDGED_WITHIN, REPORT, judged, plain_answer
from agent.llm import ToolCall
from agent.phrases import PHRASES, phrases_of
from agent.providers.local.brain.llm import LocalLlm
from agent.tools import Tool, tool
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import PERSONA, Setting, hold, spoken_seconds
from tests.agent.realtime_holding import gone
from tests.agent.realtime_holding import hold as hold_realtime
from tests.fakes.line import calls, says
from tests.virtual import run as on_virtual_time

QUESTION = "Cancel order 7346, is that right?"
DONE = "It is cancelled."
QUIET = TurnOptions(reprompt_after=60)

YES: dict[str, tuple[str, ...]] = {
    "en": (
        "Yes.",
        "um, yes please",
        "Do it.",
        "That's right.",
        "Correct.",
        "Okay, go ahead",
        "Sounds good.",
        "Yup.",
        "That works.",
        "Perfect, thank you.",
    ),
    "es": ("Sí.", "eso es", "Vale, hágalo"),
    "fr": ("Oui.", "C'est ça.", "D'accord", "Bien sûr"),
    "de": ("Ja.", "ja bitte", "Genau.", "Das stimmt."),
    "pt": ("Sim.", "isso mesmo", "pode fazer"),
    "it": ("Sì.", "va bene", "Esatto."),
    "hi": ("हाँ।", "haan ji", "ठीक है, कर दो"),
}
NO = {
    "en": ("", "No.", "hello?", "[pressed 1]", "yes but not that one", "Okay, wait", "That isn't right.", "Right?",
           "What does it cost?", "cancel order 7346", "yes, 7 4 3 6 instead", "mm-hmm", "no, wait",
           "Okay so tell me the price first", "Right, and what does it cost"),
    "es": ("No.", "¿Sí?", "sí pero mañana", "hola", "espera"),
    "fr": ("Non.", "Ce n'est pas ça.", "d'accord mais demain", "Attendez", "allô"),
    "de": ("Nein.", "ja aber später", "Wie bitte?", "Moment, warte", "hallo"),
    "pt": ("Não.", "isso não", "sim mas amanhã", "alô"),
    "it": ("No.", "va bene ma domani", "Aspetti", "pronto"),
    "hi": ("नहीं।", "haan lekin kal", "रुकिए", "नमस्ते"),
}  # fmt: skip


@pytest.mark.faults("D9")
@pytest.mark.parametrize("language", PHRASES)
def test_a_plain_yes_is_known_at_once_and_nothing_else_is_one(language: str) -> None:
    phrases = phrases_of((language,))
    assert [text for text in YES[language] if plain_answer(text, phrases) is not True] == []
    assert [text for text in NO[language] if plain_answer(text, phrases)] == []


def cancelling(ran: list[str]) -> Tool:
    @tool(confirm=True)
    async def cancel_order(number: str) -> str:
        """Cancel an order for good."""
        ran.append(number)
        return "cancelled"

    return cancel_order


def eager(messages):
    """Calls it whatever the caller says, and finds that they agree if they say nothing but that."""
    if "You judge" in messages[0]["content"]:
        answer = json.loads(messages[-1]["content"])["caller_answered"]
        return [verdict("yes" if plain_answer(answer, phrases_of(("en",))) else "unclear")]
    last = messages[-1]
    if last["role"] == "user":
        return [calls("cancel_order", number="7346")]
    return [0.4, *says(QUESTION if "Not done" in last["content"] else DONE)]


def ran_after(*answers: tuple[float, str], script=eager, options=QUIET, persona=PERSONA) -> list[str]:
    """What ran in a call in which the caller wants it, and goes on so many seconds after their last words."""
    ran: list[str] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("cancel order 7346")
        for pause, answer in answers:
            await asyncio.sleep(pause)
            if answer.startswith("#"):
                caller.press(f"{answer[1:]}#")
            else:
                await caller.say(answer)
        await asyncio.sleep(8)
        caller.hang_up()

    hold(plan, Setting(script=script, tools=[cancelling(ran)], options=options, persona=persona))
    return ran


def test_what_was_said_before_the_question_was_heard_is_no_yes() -> None:
    assert ran_after((0.2, "yes do it")) == []
    assert ran_after((0.2, "yes do it"), (6, "yes")) == ["7346"]


@pytest.mark.parametrize("answer", ["no wait not that one", "hello there", "#1"])
def test_what_is_no_yes_is_asked_again(answer: str) -> None:
    assert ran_after((6, answer)) == []
    assert ran_after((6, answer), (6, "yes")) == ["7346"]


def test_a_yes_may_come_before_the_end_of_the_question() -> None:
    assert ran_after((0.5 + spoken_seconds("Cancel order 7346, is"), "yes do it")) == ["7346"]


def test_an_okay_to_one_moment_please_is_no_yes() -> None:
    """The model is slow to ask, so that the caller only hears that it takes a moment."""

    def slow(messages):
        asked = [message for message in messages if message["role"] == "tool"]
        late = [8.0] if len(asked) == 1 and messages[-1]["role"] == "tool" else []
        return [*late, *eager(messages)]

    assert ran_after((4.5, "okay thank you then"), script=slow) == []


def judging(*reported: object):
    """`eager`, and to the question whether an answer is a yes this."""

    def script(messages):
        if "You judge" in messages[0]["content"]:
            seen.append(messages[-1]["content"])
            return reported
        return eager(messages)

    seen: list[str] = []
    script.seen = seen
    return script


def verdict(word: str) -> ToolCall:
    return calls(REPORT, verdict=word)


@pytest.mark.faults("D9")
@pytest.mark.parametrize("answer", ["No.", "No, thanks", "Don't"])
def test_what_means_nothing_but_no_needs_nobody_to_judge_it(answer: str) -> None:
    script = judging(verdict("yes"))
    assert ran_after((6, answer), script=script) == []
    assert script.seen == []


@pytest.mark.faults("D9")
@pytest.mark.parametrize("answer", ["Yeah go on then mate", "por mí, encantado", "well I suppose so", "Yup", "Yes."])
def test_what_is_no_plain_no_is_judged_by_the_model(answer: str) -> None:
    script = judging(verdict("yes"))
    assert ran_after((6, answer), script=script) == ["7346"]
    assert json.loads(script.seen[0]) == {
        "action": 'cancel_order {"number": "7346"}', "said_before": f"Agent: {QUESTION}", "caller_answered": answer
    }  # fmt: skip


@pytest.mark.faults("D9")
@pytest.mark.parametrize(
    "reported",
    [
        (verdict("no"),),
        (verdict("unclear"),),
        (verdict("maybe"),),
        (verdict("yes"), verdict("no")),
        (calls(REPORT, verdict="yes", sure=True),),
        (calls("cancel_order", verdict="yes"),),
        (ToolCall("c", REPORT, "yes"),),
        tuple(says("yes")),
        (RuntimeError("broken"),),
        (JUDGED_WITHIN + 1.0, verdict("yes")),
        (),
    ],
)
@pytest.mark.parametrize("answer", ["Okay so tell me the price first"])
def test_a_judgement_that_is_not_exactly_a_yes_in_time_is_none(answer: str, reported: tuple[object, ...]) -> None:
    assert ran_after((6, answer), script=judging(*reported)) == []


@pytest.mark.faults("D9")
def test_who_takes_it_back_while_it_is_judged_has_not_said_yes() -> None:
    slow = judging(3.0, verdict("yes"))
    assert ran_after((6, "I suppose so then"), (0.7, "no no not"), script=slow) == []


@pytest.mark.faults("D9")
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("Actually don't.", []),
        ("Not that.", []),
        ("Start over.", []),
        ("Hello?", []),
        ("Okay.", ["7346"]),
        ("Um, yes please.", ["7346"]),
    ],
)
def test_a_few_words_into_one_moment_please_take_a_yes_back_unless_they_agree(more: str, expected: list[str]) -> None:
    """The agent goes on over so few words, and nothing of them enters the memory before the tool would run."""
    script = judging(3.5, verdict("yes"))
    replied = replace(PERSONA, filler="One moment, please, while I look at that for you.")
    assert ran_after((6, "I suppose so then"), (1.4, more), script=script, persona=replied) == expected


@pytest.mark.faults("D9")
def test_the_embedded_brain_judges_plain_answers_only() -> None:
    async def asked(answer: str) -> bool:
        return await judged(LocalLlm(), "cancel_order {}", QUESTION, answer)

    for answer, expected in (("Sounds good", True), ("Okay so tell me the price first", False), ("no, wait", False)):
        assert on_virtual_time(asked(answer)) is expected


def later(messages):
    """Asks what it is to ask, answers other things by itself, and calls the tool again at the second thing said."""
    said = [message for message in messages if message["role"] == "user"]
    last = messages[-1]
    if last["role"] == "tool":
        return [0.4, *says(QUESTION if "Not done" in last["content"] else DONE)]
    if "cost" in last["content"]:
        return [0.4, *says("It is free. Shall I tell you about our newsletter?")]
    return [calls("cancel_order", number="7346")] if len(said) != 1 or "cancel" in last["content"] else says("Well.")


def with_verdict(script, *reported):
    def judging_it(messages):
        if "You judge" in messages[0]["content"]:
            judging_it.seen.append(json.loads(messages[-1]["content"]))
            return reported
        return script(messages)

    judging_it.seen = []
    return judging_it


@pytest.mark.faults("D9")
def test_a_yes_to_another_question_is_judged_with_all_that_was_said() -> None:
    script = with_verdict(later, verdict("unclear"))
    assert ran_after((6, "What does it cost?"), (7, "Sure."), script=script) == []
    assert script.seen == [
        {
            "action": 'cancel_order {"number": "7346"}',
            "said_before": f"Agent: {QUESTION}\nCaller: What does it cost?\n"
            "Agent: It is free. Shall I tell you about our newsletter?",
            "caller_answered": "Sure.",
        }
    ]
    agreeing = with_verdict(later, verdict("yes"))
    assert ran_after((6, "What does it cost?"), (7, "Sure."), script=agreeing) == ["7346"]


@pytest.mark.faults("D9")
@pytest.mark.parametrize(("reported", "expected"), [("unclear", []), ("yes", ["7346"])])
def test_a_yes_to_are_you_still_there_is_judged(reported: str, expected: list[str]) -> None:
    script = with_verdict(eager, verdict(reported))
    assert ran_after((16, "Yes."), script=script, options=TurnOptions(reprompt_after=8)) == expected
    assert script.seen[0]["said_before"] == f"Agent: {QUESTION}\nAgent: {PERSONA.reprompt}"


@pytest.mark.faults("D9")
def test_a_key_carries_out_nothing_that_has_to_be_agreed_to() -> None:
    ran: list[str] = []

    @tool(confirm=True)
    async def cancel_all() -> str:
        """Cancel all orders."""
        ran.append("all")
        return "cancelled"

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.press("9")
        await asyncio.sleep(6)
        await caller.say("Yes.")
        await asyncio.sleep(6)
        caller.hang_up()

    def script(messages):
        return says("Bye.") if messages[-1]["role"] == "tool" else [calls("cancel_all")]

    held = hold(plan, Setting(script=script, tools=[cancel_all], persona=replace(PERSONA, keys={"9": "cancel_all"})))
    assert ran == []
    assert PERSONA.not_done in held.tts.spoken


@pytest.mark.faults("D9")
def test_a_yes_to_a_fixed_sentence_of_a_session_is_none() -> None:
    ran: list[str] = []

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Cancel order 7346.")
        session.call("cancel_order", "c1", number="7346")
        await asyncio.sleep(0.1)
        session.say(QUESTION)
        await asyncio.sleep(14)
        assert PERSONA.reprompt in str(session.did)
        session.say(PERSONA.reprompt)
        await asyncio.sleep(3)
        await caller.say("Yes.")
        session.call("cancel_order", "c2", number="7346")
        await asyncio.sleep(4)
        results.append(session.did[-1][2])
        gone(caller.line)

    results: list[object] = []
    hold_realtime(plan, tools=[cancelling(ran)], reprompt_after=10)
    assert ran == []
    assert "Not done" in str(results[0])


@pytest.mark.faults("D9")
def test_a_yes_to_the_filler_of_a_session_is_none_and_the_question_after_it_counts() -> None:
    ran: list[str] = []

    @tool(filler="Let me look that up.")
    async def look() -> str:
        """Take long."""
        await asyncio.sleep(8)
        return "found"

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Cancel order 7346.")
        session.call("cancel_order", "c1", number="7346")
        await asyncio.sleep(0.1)
        session.call("look", "c2")
        await asyncio.sleep(4)
        assert "Let me look that up." in str(session.did)
        await caller.say("Yes.")
        session.call("cancel_order", "c3", number="7346")
        await asyncio.sleep(0.5)
        assert ran == [], "that answers no question"
        session.say(QUESTION)
        await asyncio.sleep(5)
        await caller.say("Yes.")
        session.call("cancel_order", "c4", number="7346")
        await asyncio.sleep(4)
        gone(caller.line)

    hold_realtime(plan, tools=[cancelling(ran), look])
    assert ran == ["7346"]


def test_a_session_waits_for_the_words_of_the_answer() -> None:
    """They are written down by another model, and may come after the call of the tool."""
    ran: list[str] = []

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Cancel order 7346.")
        session.call("cancel_order", "c1", number="7346")
        await asyncio.sleep(0.1)
        session.say(QUESTION)
        await asyncio.sleep(4)
        for number, words in enumerate(("No.", "Yes."), start=2):
            await caller.say("")
            session.call("cancel_order", f"c{number}", number="7346")
            await asyncio.sleep(0.5)
            session.write(words, ago=0.98)
            await asyncio.sleep(0.1)
            results.append(session.did[-1][2])
            session.say(QUESTION)
            await asyncio.sleep(4)
        gone(caller.line)

    results: list[object] = []
    hold_realtime(plan, tools=[cancelling(ran)])
    assert "Not done" in str(results[0])
    assert results[1] == "cancelled"
    assert ran == ["7346"]
