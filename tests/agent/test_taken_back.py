"""What cost the agent its reply and was nothing: words that the STT takes back, and an "mm-hmm" while it thinks."""

import asyncio

import pytest

from agent.stt import Transcript
from tests.agent.holding import LONG, PERSONA, Setting, by_last, hold
from tests.fakes.line import calls, now, says

QUESTION = "Where is my order?"


@pytest.mark.parametrize("tool", [False, True])
def test_the_caller_hears_the_answer_all_the_same(tool: bool) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say(QUESTION)
        await asyncio.sleep(0.2)
        stt.heard.put_nowait(Transcript("but on", False, False, 2.0))
        await asyncio.sleep(0.4)
        stt.heard.put_nowait(Transcript("", True, False, 2.0))
        await asyncio.sleep(8)
        caller.hang_up()

    def script(messages):
        if tool and messages[-1]["role"] == "user":
            return [calls("nope")]
        return [0.8, *says("It is here.")]

    held = hold(plan, Setting(script=script))
    assert held.turns[-1].heard == "It is here."
    assert [message["content"] for message in held.last_asked() if message["role"] == "user"] == [QUESTION]


def test_the_caller_who_cut_the_agent_short_is_asked() -> None:
    at: list[float] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say(QUESTION)
        await asyncio.sleep(1.5)
        stt.heard.put_nowait(Transcript("but on", False, False, 2.0))
        await asyncio.sleep(0.4)
        stt.heard.put_nowait(Transcript("", True, False, 2.0))
        at.append(now())
        await asyncio.sleep(6)
        caller.hang_up()

    turns = hold(plan, Setting(script=by_last({"Where": says(LONG)}))).turns
    assert turns[-2].interrupted
    assert turns[-1].heard == PERSONA.again
    assert turns[-1].times.first_packet - at[0] < 1.0  # type: ignore[operator]
