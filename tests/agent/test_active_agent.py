"""One agent hands the call over to another: prompt, voice, tools and model change, the memory stays."""

import asyncio
import json
from dataclasses import replace

from agent.persona import Persona
from agent.records import HandedOver
from agent.tools import tool
from tests.agent.holding import PERSONA, Held, Setting, hold
from tests.fakes.line import calls, says

BILLING = Persona("You are billing.", "Billing, hello.")


@tool
async def refund(amount: int) -> str:
    """Pay back."""
    return f"{amount} paid back"


def hands_over(to: str = "billing", before: str = ""):
    """A script that hands every call over at once."""

    def script(messages):
        if messages[-1]["role"] == "tool":
            return says(f"I stay. {messages[-1]['content'][:200]}")
        return [*says(before), calls("hand_over", to=to, reason="wants money back")]

    return script


async def asks(caller, line, stt):
    await asyncio.sleep(3)
    await caller.say("I want my money back.")
    await asyncio.sleep(20)
    caller.hang_up()


def told(held: Held) -> list[HandedOver]:
    return [report for report in held.reports if isinstance(report, HandedOver)]


def test_the_other_agent_goes_on_with_its_own_prompt_voice_and_tools_and_all_that_was_said() -> None:
    billing = {"persona": BILLING, "tools": [refund], "script": lambda messages: says("How much was it?")}
    held = hold(asks, Setting(script=hands_over(), find_agent={"billing": billing}))
    assert held.tts.in_languages == [("", "Hello there."), ("billing en", "How much was it?")]
    asked = held.last_asked()
    assert asked[0] == {"role": "system", "content": "You are billing."}
    assert asked[1:3] == [
        {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "I want my money back."},
    ]
    assert "You are billing now" in asked[-1]["content"]
    assert "wants money back" in asked[-1]["content"]
    assert held.llm.offered == [2, 2], "hang_up and hand_over; then hang_up and refund"
    assert told(held) == [HandedOver("billing", "agent", "wants money back")]
    assert [turn.agent for turn in held.turns] == ["agent", "billing"]


def test_an_announced_hand_over_is_heard_in_both_voices() -> None:
    billing = {"persona": replace(BILLING, opening="Billing here."), "script": lambda messages: says("How much?")}
    held = hold(asks, Setting(script=hands_over(before="I pass you on. "), find_agent={"billing": billing}))
    assert held.tts.in_languages == [
        ("", "Hello there."),
        ("", "I pass you on."),
        ("billing en", "Billing here."),
        ("billing en", "How much?"),
    ]
    assert held.turns[-1].heard == "I pass you on. Billing here. How much?"


def test_only_those_of_the_list_take_over() -> None:
    held = hold(asks, Setting(script=hands_over("admin"), find_agent={"billing": {"persona": BILLING}}))
    assert told(held) == []
    assert held.turns[-1].agent == "agent"
    assert "you cannot hand over to that; there are: billing" in held.turns[-1].tools[0].error


def test_the_tools_of_the_agent_before_cannot_be_called_any_more() -> None:
    def old_tool(messages):
        return says("No.") if "there is no tool" in messages[-1]["content"] else [calls("refund", amount=5)]

    setting = Setting(
        script=hands_over(), tools=[refund], find_agent={"billing": {"persona": BILLING, "script": old_tool}}
    )
    runs = hold(asks, setting).turns[-1].tools
    assert [(run.name, run.error) for run in runs] == [("hand_over", ""), ("refund", "there is no tool 'refund'")]


def test_two_agents_cannot_play_ball_with_the_caller() -> None:
    """In one turn a call is handed over once, in all of it `MOST` times."""
    back = {"persona": BILLING, "colleagues": {"agent": ""}, "script": hands_over("agent")}
    forth = {"persona": PERSONA, "colleagues": {"billing": ""}}

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        for _ in range(8):
            await caller.say("I want my money back.")
            await asyncio.sleep(30)
        caller.hang_up()

    held = hold(plan, Setting(script=hands_over(), find_agent={"billing": back, "agent": forth}))
    assert len(told(held)) == 5
    assert [one.agent for one in told(held)] == ["billing", "agent", "billing", "agent", "billing"]
    assert all(sum(run.name == "hand_over" and not run.error for run in turn.tools) <= 1 for turn in held.turns)


def test_who_takes_over_has_words_of_its_own_listened_for() -> None:
    billing = {"persona": BILLING, "keyterms": ("Rasheed",), "script": lambda messages: says("How much?")}
    held = hold(asks, Setting(script=hands_over(), find_agent={"billing": billing}))
    assert (held.stt.languages, held.stt.keyterms) == (["en"], [("Rasheed",)])


def test_who_takes_over_speaks_its_own_language() -> None:
    german = {"persona": BILLING, "languages": ("de",), "script": lambda messages: says("Wie viel?")}
    held = hold(asks, Setting(script=hands_over(), find_agent={"billing": german}))
    assert held.tts.in_languages[-1] == ("billing de", "Wie viel?")
    assert "answer in German" in held.last_asked()[0]["content"]
    assert held.turns[-1].language == "de"
    assert held.stt.languages == ["de"]


def test_an_agent_with_a_sentence_for_emergencies_has_the_tool_that_says_it() -> None:
    sentence = "I cannot call them. Hang up and call 1 1 2."

    def script(messages):
        last = messages[-1]
        if last["role"] == "tool":
            return says(json.loads(last["content"])["say"])
        return [calls("emergency")]

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Call me an ambulance.")
        await asyncio.sleep(20)
        caller.hang_up()

    held = hold(plan, Setting(script=script, persona=replace(PERSONA, emergency=sentence)))
    assert [text for _, text in held.tts.in_languages][-2:] == ["I cannot call them.", "Hang up and call 1 1 2."]
    (run,) = [run for turn in held.turns for run in turn.tools]
    assert (run.name, run.result["say"]) == ("emergency", sentence), "the record has it"
