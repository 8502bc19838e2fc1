"""One agent of speech to speech hands the call over to another, on virtual time."""

import asyncio
from dataclasses import replace

from agent.active_agent import AgentRole
from agent.realtime import Reopened
from agent.records import HandedOver
from agent.tools import tool
from tests.agent.holding import PERSONA
from tests.agent.realtime_holding import gone, hold


def test_another_agent_takes_the_call_over_in_a_session_of_its_own() -> None:
    @tool
    async def refund() -> str:
        """Give the money back."""
        return "done"

    def find_agent(name: str) -> AgentRole:
        persona = replace(PERSONA, prompt=f"You are {name}.", opening="Billing, good morning.")
        return AgentRole(name=name, persona=persona, tools=[refund])

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("I want my money back.")
        session.call("hand_over", to="billing", reason="wants money back")
        await asyncio.sleep(0.5)
        session.begun.append(session.brief())
        session.came.put_nowait(Reopened())
        await asyncio.sleep(0.1)
        session.say("Billing, good morning. It is on its way.")
        await asyncio.sleep(4)
        gone(caller.line)

    held = hold(plan, colleagues={"billing": "invoices"}, find_agent=find_agent)
    assert ("renew", "billing") in held.session.did
    brief = held.session.begun[1]
    assert brief.instructions.startswith("You are billing.\n")
    assert 'Caller: I want my money back.\nYou:  [called hand_over({"to": "billing"' in brief.instructions
    assert "You are billing now and have taken the call over from agent." in brief.instructions.splitlines()[-1]
    assert {each["function"]["name"] for each in brief.tools} == {"refund", "hang_up"}
    (prompt,) = [what for kind, what, *_ in held.session.did if kind == "prompt"]
    assert 'Begin with exactly this: "Billing, good morning."' in prompt
    turn = held.turns[-1]
    assert (turn.agent, turn.heard) == ("billing", "Billing, good morning. It is on its way.")
    assert [report.agent for report in held.reports if isinstance(report, HandedOver)] == ["billing"]
