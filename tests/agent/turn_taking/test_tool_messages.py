"""Whatever tools do and whenever the caller goes on: the messages of the tools tell the model what has happened."""

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.call_control import CallControlRefused
from agent.history import INTERRUPTED
from agent.line import Away
from agent.llm import ToolCall
from agent.tools import UNKNOWN, Tool, ToolError, tool
from tests.agent.holding import Setting, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, says

LIMIT = 3.0
"""Seconds that a tool may take."""
TOOLS = st.tuples(st.sampled_from(["look", "change", "ask"]), st.sampled_from([0.0, 0.3, 1.4, 2.5, 6.0]), st.booleans())
"""Which tool it is, how long it takes, and whether it fails then."""
TURNS = st.lists(
    st.tuples(
        st.lists(TOOLS, min_size=1, max_size=3),
        st.sampled_from([0.1, 0.8, 1.7, 3.0, 9.0]),
        st.sampled_from(["", "keys", "hold", "taken", "transfer", "recording"]),
    ),
    min_size=1,
    max_size=3,
)
"""The tools that the model calls for each turn of the caller, the seconds after which the caller goes on, and what else
happens in the middle of them and is over at their end."""
Turns = list[tuple[list[tuple[str, float, bool]], float, str]]


@dataclass
class World:
    """What the tools of a call really did, by the number of the call."""

    turns: Turns
    begun: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    @property
    def calls(self) -> list[tuple[int, tuple[str, float, bool]]]:
        """The calls with their turns, in the order of their numbers."""
        return [(turn, call) for turn, (some, *_) in enumerate(self.turns) for call in some]

    async def act(self, number: int) -> str:
        _, (_, seconds, fails) = self.calls[number]
        self.begun.add(number)
        await asyncio.sleep(seconds)
        if fails:
            self.failed.add(number)
            raise ToolError(f"failed{number}")
        self.done.add(number)
        return f"done{number}"

    def tools(self) -> list[Tool]:
        async def look(number: int) -> str:
            """Look it up."""
            return await self.act(number)

        async def change(number: int) -> str:
            """Change it."""
            return await self.act(number)

        async def ask(number: int) -> str:
            """Have the caller asked."""
            return await self.act(number)

        return [
            tool(timeout=LIMIT)(look), tool(timeout=LIMIT, side_effect=True)(change),
            tool(timeout=LIMIT, waits_for_caller=True)(ask),
        ]  # fmt: skip

    def reply(self, messages: Any) -> list[Any]:
        """The model calls the tools of the turn that it is asked to do, each once, and then says something."""
        last = messages[-1]
        made = {json.loads(call["function"]["arguments"])["number"] for one in messages for call in calls_in(one)}
        if last["role"] != "user" or "turn " not in last["content"]:
            return says("That is all that I know of it.")
        turn = int(re.findall(r"turn (\d+)", last["content"])[-1])
        return [
            ToolCall(f"call{number}", name, json.dumps({"number": number}))
            for number, (asked, (name, *_)) in enumerate(self.calls)
            if asked == turn and number not in made
        ] or says("It is being done.")

    async def talk(self, caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3.0)
        for turn, (_, after, event) in enumerate(self.turns):
            await caller.say(f"Do what belongs to turn {turn}.")
            await asyncio.sleep(after / 2)
            befall(event, caller, line)
            await asyncio.sleep(after / 2)
            if event in ("hold", "taken"):
                line.incoming.put_nowait(Away(False))
            elif event == "recording":
                caller.call_control.stop_waiting()
        await asyncio.sleep(20.0)
        await caller.say("Well, how did it go?")
        await asyncio.sleep(8.0)
        caller.hang_up()


def befall(event: str, caller: FakeCaller, line: FakeLine) -> None:
    """Let it happen to the call."""
    match event:
        case "keys":
            caller.press("12#")
        case "hold" | "taken":
            line.incoming.put_nowait(Away(True, taken=event == "taken"))
        case "transfer":
            with suppress(CallControlRefused):  # one rings already
                caller.call_control.transfer()
        case "recording":
            caller.call_control.wait()


def calls_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    return message.get("tool_calls") or []


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(TURNS)
@example([([("look", 2.5, False)], 0.8, ""), ([("look", 0.0, False)], 3.0, "")])
@example([([("ask", 2.5, False), ("change", 2.5, True)], 0.8, "")])
def test_every_tool_message_says_what_happened(turns: Turns) -> None:
    world = World(turns)
    setting = Setting(script=world.reply, tools=world.tools(), can_transfer=True, connects=(), ringing=2.0)
    held = hold(world.talk, setting)  # nobody takes a call to which the caller is transferred
    messages = held.last_asked()
    made = [call for message in messages for call in calls_in(message)]
    told = {one["tool_call_id"]: str(one["content"]) for one in messages if one["role"] == "tool"}
    assert [call["id"] for call in made] == list(told), "each call has one message, and in order"
    said: dict[int, list[str]] = {}
    for call in made:
        said.setdefault(json.loads(call["function"]["arguments"])["number"], []).append(told[call["id"]])
    assert world.begun <= said.keys(), "a tool ran of which the model knows nothing"
    for number, texts in said.items():
        last = texts[-1]
        assert (f"done{number}" in last) == (number in world.done), last
        assert (f"failed{number}" in last) == (number in world.failed), last
        if number not in world.done | world.failed:
            assert "error" in last, last
            _, (name, *_) = world.calls[number]
            assert UNKNOWN in last if name == "change" else number in world.begun or last == INTERRUPTED, last
