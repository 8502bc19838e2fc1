"""With speech to speech, a model by itself judges whether the caller has agreed."""

import asyncio
from typing import Any

import pytest

from agent.active_agent import AgentRole
from agent.realtime import Reopened
from tests.agent.holding import PERSONA
from tests.agent.realtime_holding import gone, hold
from tests.agent.test_consent import QUESTION, cancelling


def cancelled(answer: str, verdict: bool, before: float = 4.0, **options: Any) -> tuple[list[str], list[str]]:
    """What ran after such an answer, so many seconds after the question, and what was put to whoever judges."""
    ran: list[str] = []
    seen: list[str] = []

    async def judge(action: str, before: str, answer: str) -> bool:
        seen.append(f"{action} | {before} | {answer}")
        return verdict

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Cancel order 7346.")
        session.call("cancel_order", "c1", number="7346")
        await asyncio.sleep(0.1)
        session.say(QUESTION)
        await asyncio.sleep(before)
        if before > 10:
            session.say(PERSONA.reprompt)
            await asyncio.sleep(3)
        await caller.say(answer)
        session.call("cancel_order", "c2", number="7346")
        await asyncio.sleep(4)
        gone(caller.line)

    hold(plan, tools=[cancelling(ran)], judge=judge, **options)
    return ran, seen


@pytest.mark.faults("D9")
@pytest.mark.parametrize("answer", ["Well, I suppose so.", "Yes."])
def test_what_is_no_plain_no_is_judged(answer: str) -> None:
    asked = f'cancel_order {{"number": "7346"}} | Agent: {QUESTION} | {answer}'
    assert cancelled(answer, True) == (["7346"], [asked])
    assert cancelled(answer, False) == ([], [asked])
    assert cancelled("No.", True) == ([], [])


@pytest.mark.faults("D9")
def test_a_yes_after_are_you_still_there_is_judged() -> None:
    ran, (asked,) = cancelled("Yes.", True, 14.0, reprompt_after=10)
    assert ran == ["7346"]
    assert PERSONA.reprompt in asked


@pytest.mark.faults("D9")
def test_the_model_of_the_agent_that_has_taken_over_judges() -> None:
    ran: list[str] = []
    judged: list[str] = []

    async def judge(action: str, before: str, answer: str) -> bool:
        judged.append(answer)
        return True

    def find_agent(name: str) -> AgentRole:
        return AgentRole(name=name, persona=PERSONA, tools=[cancelling(ran)], judge=judge)

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Cancel order 7346.")
        session.call("hand_over", to="billing")
        await asyncio.sleep(0.5)
        session.came.put_nowait(Reopened())
        session.call("cancel_order", "c1", number="7346")
        await asyncio.sleep(0.1)
        session.say(QUESTION)
        await asyncio.sleep(4)
        await caller.say("Well, I suppose so.")
        session.call("cancel_order", "c2", number="7346")
        await asyncio.sleep(4)
        gone(caller.line)

    hold(plan, colleagues={"billing": "orders"}, find_agent=find_agent)
    assert (ran, judged) == (["7346"], ["Well, I suppose so."])


@pytest.mark.faults("D9")
def test_a_yes_to_what_a_tool_asks_is_none() -> None:
    ran: list[str] = []

    async def judge(action: str, before: str, answer: str) -> bool:
        return True

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("Cancel order 7346.")
        session.call("cancel_order", "c1", number="7346")
        await asyncio.sleep(0.1)
        session.call("collect_digits", "c2", question="Your number, please.")
        await asyncio.sleep(4)
        assert "Your number, please." in str(session.did)
        await caller.say("Yes.")
        session.call("cancel_order", "c3", number="7346")
        await asyncio.sleep(4)
        gone(caller.line)

    hold(plan, tools=[cancelling(ran)], judge=judge, collects=True)
    assert ran == []
