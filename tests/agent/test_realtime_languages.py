"""Speech to speech in several languages, on virtual time."""

import asyncio
from dataclasses import replace

from agent.records import LanguageChanged
from agent.stock import STOCK
from tests.agent.holding import PERSONA
from tests.agent.realtime_holding import gone, hold

BOTH = {code: STOCK[code] for code in ("es", "en")}
SPOKEN = replace(PERSONA, translations=BOTH)


def test_it_begins_in_the_first_and_changes_when_the_session_says_so() -> None:
    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("I would rather speak English.")
        session.call("switch_language", language="en")
        await asyncio.sleep(0.5)
        session.say("Of course.")
        await asyncio.sleep(9)
        gone(caller.line)

    held = hold(plan, persona=SPOKEN, languages=("es", "en"), reprompt_after=3)
    brief = held.session.begun[0]
    assert "You are speaking Spanish with the caller" in brief.instructions
    assert "call switch_language" in brief.instructions
    assert "switch_language" in {each["function"]["name"] for each in brief.tools}
    (told,) = [what for kind, what, *_ in held.session.did if kind == "instruct"]
    assert "You are speaking English with the caller" in told
    assert "call switch_language" in told
    order = [kind for kind, *_ in held.session.did]
    assert order.index("instruct") < order.index("answer"), "else the answer to the tool would be in Spanish"
    assert [report.language for report in held.reports if isinstance(report, LanguageChanged)] == ["en"]
    greeting, answer, reprompt, *_ = held.turns
    assert [turn.language for turn in (greeting, answer, reprompt)] == ["es", "en", "en"]
    assert reprompt.heard == STOCK["en"]["reprompt"]


def test_its_own_sentences_are_in_the_language_of_an_agent_that_speaks_only_that() -> None:
    async def plan(caller, session):
        await asyncio.sleep(10)
        gone(caller.line)

    held = hold(plan, persona=SPOKEN, languages=("es",), reprompt_after=3)
    assert STOCK["es"]["reprompt"] in [turn.heard for turn in held.turns]
    brief = held.session.begun[0]
    assert "You are speaking Spanish with the caller" in brief.instructions
    assert "switch_language" not in brief.instructions
    assert "switch_language" not in {each["function"]["name"] for each in brief.tools}
