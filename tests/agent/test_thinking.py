"""When the line is told that the caller waits for the agent: from the end of their turn to the end of the reply."""

import asyncio

import pytest

from agent.tools import tool
from tests.agent.holding import Setting, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, calls, says


@tool
async def look_up() -> str:
    """Look it up."""
    await asyncio.sleep(3.0)
    return "found"


@tool(waits_for_caller=True)
async def ask() -> str:
    """Ask the caller."""
    await asyncio.sleep(3.0)
    return "answered"


@pytest.mark.parametrize(("name", "meanwhile"), [("look_up", True), ("ask", False)])
def test_the_caller_waits_while_a_tool_runs_unless_it_waits_for_them(name: str, meanwhile: bool) -> None:
    seen: dict[str, bool] = {}

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3.0)
        seen["before"] = line.thinks
        await caller.say("Where is it")
        await asyncio.sleep(2.0)
        seen["in the tool"] = line.thinks
        await asyncio.sleep(8.0)
        seen["behind the reply"] = line.thinks
        caller.hang_up()

    def script(messages):
        return says("It is here.") if messages[-1]["role"] == "tool" else [calls(name)]

    held = hold(plan, Setting(script, [look_up, ask]))
    assert held.turns[1].said.endswith("It is here.")
    assert seen == {"before": False, "in the tool": meanwhile, "behind the reply": False}


def test_a_reply_that_is_cut_makes_nobody_wait() -> None:
    seen: list[bool] = []

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3.0)
        await caller.say("Where is it")
        await asyncio.sleep(1.5)
        seen.append(line.thinks)
        await caller.sound(0.6, loud=True)
        caller.hear_interim("Stop, that is enough for me")
        await caller.sound(0.6, loud=True)
        seen.append(line.thinks)
        caller.hang_up()

    held = hold(plan, Setting(lambda messages: says("Your order is out and will be there today before six.")))
    assert held.turns[1].interrupted
    assert seen == [True, False]


def test_a_caller_who_speaks_while_the_agent_thinks_hears_no_sound_of_waiting() -> None:
    seen: list[bool] = []

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3.0)
        await caller.say("Where is it")
        await asyncio.sleep(1.5)
        seen.append(line.thinks)
        await caller.sound(0.6, loud=True)
        seen.append(line.thinks)
        caller.hang_up()

    hold(plan, Setting(lambda _: [6.0, *says("It is here.")]))
    assert seen == [True, False]
