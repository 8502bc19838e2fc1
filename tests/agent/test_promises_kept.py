"""What the model is told of a decision about the call is true in the end; and what others raise ends nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.history import AssistantTurn, History
from agent.llm import ToolCall
from agent.records import Outcome
from tests.agent.holding import PERSONA, Setting, by_last, hold
from tests.agent.realtime_holding import gone
from tests.agent.realtime_holding import hold as hold_realtime
from tests.fakes.line import calls, says

FAREWELL = "I will connect you to a colleague right now, please stay on the line."
TABLE = {
    "person": [*says(FAREWELL), calls("transfer_to_human", reason="asked")],
    "bye": [*says("Thank you for calling us, goodbye and have a nice day."), calls("hang_up")],
    "Wait": says("Sure, what is it?"),
    "order": says("It is packed."),
}


def speaks_into_it(first: str) -> Any:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say(first)
        await asyncio.sleep(1.2)
        await caller.say("Wait, one more question")
        await asyncio.sleep(5)
        await caller.say("Where is my order")
        await asyncio.sleep(5)
        caller.hang_up()

    return plan


def results(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "tool"]


@pytest.mark.faults("D10")
@pytest.mark.parametrize("first", ["A person please", "bye"])
def test_a_decision_that_the_caller_speaks_into_is_told_as_not_done(first: str) -> None:
    held = hold(speaks_into_it(first), Setting(script=by_last(TABLE), can_transfer=True))
    assert held.outcome.kind == "caller_hung_up"
    (told,) = results(held.last_asked())
    assert "did not happen" in told


@pytest.mark.faults("D10")
def test_a_transfer_that_nobody_takes_is_told_as_such() -> None:
    rings: list[str] = []

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("A person please")
        await asyncio.sleep(7)
        await caller.say("Where is my order")  # while it rings
        await asyncio.sleep(3)
        rings.extend(results(held_llm[-1]))
        await asyncio.sleep(25)
        await caller.say("Where is my order")
        await asyncio.sleep(5)
        caller.hang_up()

    held_llm: list[Any] = []
    script = by_last(TABLE)

    def watched(messages: Any) -> Any:
        held_llm.append(messages)
        return script(messages)

    setting = Setting(script=watched, can_transfer=True, ringing=20, connects=[False])
    held = hold(plan, setting)
    assert ["rings" in one for one in rings] == [True]
    (told,) = results(held.last_asked())
    assert "nobody took the call" in told
    assert PERSONA.not_connected in held.tts.spoken


@pytest.mark.faults("D10")
def test_two_decisions_are_told_apart() -> None:
    """The caller speaks into a farewell while it rings at a person, who then does not take the call."""

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("A person please")
        await asyncio.sleep(7)
        await caller.say("bye")  # while it rings
        await asyncio.sleep(1.2)
        await caller.say("Wait, one more question")
        await asyncio.sleep(25)
        await caller.say("Where is my order")
        await asyncio.sleep(5)
        caller.hang_up()

    table = {
        "person": [*says(FAREWELL), ToolCall("t1", "transfer_to_human", "{}")],
        "bye": [*says("Thank you for calling us, goodbye and have a nice day."), ToolCall("h1", "hang_up", "{}")],
    }
    setting = Setting(script=by_last(TABLE | table), can_transfer=True, ringing=20, connects=[False])
    transfer, farewell = results(hold(plan, setting).last_asked())
    assert "nobody took the call" in transfer
    assert "did not happen" in farewell


@pytest.mark.faults("D10")
def test_a_session_is_not_made_to_speak_while_it_rings() -> None:
    async def plan(caller, session) -> None:
        await asyncio.sleep(2)
        await caller.say("A person please.")
        session.say(FAREWELL)
        session.call("transfer_to_human", "t1")
        await asyncio.sleep(15)
        told.extend(session.did)
        gone(caller.line)

    told: list[Any] = []
    hold_realtime(plan, transfer=[False])
    assert [("nobody" in str(one), one[3]) for one in told if one[0] == "answer"] == [(True, True)]
    rings = [at for at, one in enumerate(told) if "it rings there" in str(one)]
    assert rings, "it is told as an instruction"
    assert {told[at][0] for at in rings} == {"instruct"}
    assert "it rings there" not in [one[1] for one in told if one[0] == "instruct"][-1], "which then holds no longer"


def test_the_call_of_that_id_is_amended() -> None:
    history = History("")
    for number in (1, 2):
        said: AssistantTurn = history.say()
        said.calls, said.results = [ToolCall(str(number), "hang_up", "{}")], {str(number): "as told"}
    assert history.amend("2", "after all")
    assert results(history.messages()) == ["as told", "after all"]
    assert not history.amend("another", "x")


@pytest.mark.faults("A4")
def test_a_transfer_that_raises_has_reached_nobody() -> None:
    def broken(to: str) -> None:
        raise RuntimeError("a fault in the REFER")

    held = hold(speaks_later, Setting(script=by_last(TABLE), can_transfer=True, connected=broken))
    assert held.outcome.kind == "caller_hung_up"
    assert PERSONA.not_connected in held.tts.spoken
    assert "It is packed." in held.tts.spoken, "the conversation goes on"


async def speaks_later(caller, line, stt) -> None:
    await asyncio.sleep(3)
    await caller.say("A person please")
    await asyncio.sleep(15)
    await caller.say("Where is my order")
    await asyncio.sleep(5)
    caller.hang_up()


@pytest.mark.faults("A4")
@pytest.mark.parametrize("broken", ["pause", "stop", "say", "finish", "set_chunk_duration"])
def test_a_line_that_raises_ends_the_call_and_is_not_raised(broken: str) -> None:
    async def plan(caller, line, stt) -> None:
        def fails(*_: Any) -> None:
            raise RuntimeError(f"a fault in {broken}")

        await asyncio.sleep(3)
        await caller.say("Where is my order")
        await asyncio.sleep(0.8)
        setattr(line, broken, fails)
        await caller.say("Wait, one more question")
        await asyncio.sleep(60)
        caller.hang_up()

    held = hold(plan, replace(Setting(), script=by_last(TABLE)))
    assert isinstance(held.outcome, Outcome)
