"""Each state of the turn machine is entered by a real conversation, and left when nothing happens any more."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agent.stt import Transcript
from agent.tools import tool
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.situation import LONGEST_PAUSE
from agent.turn_taking.table import State
from tests.agent.holding import LONG, PERSONA, Held, Setting, by_last, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, calls, now, says

ENDLESS = "so and so " * 270
"""Takes 189 s to say."""
Act = Callable[[FakeCaller], Awaitable[None]]
PATIENT = TurnOptions(reprompt_after=60)


@tool(timeout=1000.0)
async def look_up() -> str:
    """Never returns."""
    await asyncio.Event().wait()
    return ""


async def nothing(caller: FakeCaller) -> None:
    await asyncio.sleep(0)


def says_to(text: str) -> Act:
    async def act(caller: FakeCaller) -> None:
        await asyncio.sleep(3)
        await caller.say(text)

    return act


async def makes_a_sound_without_end(caller: FakeCaller) -> None:
    await asyncio.sleep(3)
    await caller.sound(45, loud=True)


async def makes_a_sound_into_the_reply(caller: FakeCaller) -> None:
    await asyncio.sleep(1)
    await caller.sound(45, loud=True)


async def probably_ends(caller: FakeCaller) -> None:
    await asyncio.sleep(3)
    await caller.sound(1.2, loud=True)
    caller._stt.heard.put_nowait(Transcript("Where is it?", final=False, eager=True, end=caller._given))
    await caller.sound(0.6, loud=False)


async def presses_a_key(caller: FakeCaller) -> None:
    await asyncio.sleep(3)
    caller.press("7")


def stays(setting: Setting, act: Act, seconds: float) -> tuple[Held, dict[State, float]]:
    """The call, and how long it was in each state at the longest."""
    longest: dict[State, float] = {}

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        async with asyncio.TaskGroup() as group:
            acting = group.create_task(act(caller))  # type: ignore[arg-type, var-annotated]
            until, state, entered = now() + seconds, None, now()
            while now() < until:
                found = caller.call_control.state
                if found is not state:
                    state, entered = found, now()
                longest[state] = max(longest.get(state, 0.0), now() - entered)
                await asyncio.sleep(0.02)
            acting.cancel()
        caller.hang_up()

    return hold(plan, setting), longest


ROWS: list[tuple[State, Setting, Act, float]] = [
    (State.LISTENING, Setting(options=TurnOptions(reprompts=0)), nothing, 8.0),
    (State.HEARING, Setting(options=PATIENT), makes_a_sound_without_end, 30.0),
    (State.DECIDING, Setting(options=PATIENT), probably_ends, 2.0),
    (State.THINKING, Setting(script=lambda _: [1000.0], persona=replace(PERSONA, filler="")), says_to("Hm, so."), 6.0),
    (
        State.RUNNING_TOOL,
        Setting(script=lambda _: [calls("look_up")], tools=[look_up], persona=replace(PERSONA, filler="")),
        says_to("Where is it?"),
        240.0,
    ),
    (State.SPEAKING, Setting(persona=replace(PERSONA, greeting=ENDLESS)), nothing, 180.0),
    (
        State.PAUSED,
        Setting(persona=replace(PERSONA, greeting=LONG), options=PATIENT),
        makes_a_sound_into_the_reply,
        LONGEST_PAUSE,
    ),
    (
        State.HOLDING,
        Setting(script=lambda _: [*says("Sure."), calls("wait")], paces=True, options=TurnOptions(wait_limit=100.0)),
        says_to("One moment."),
        100.0,
    ),
    (State.COLLECTING, Setting(), presses_a_key, 2.5),
    (State.ANNOUNCING, Setting(persona=replace(PERSONA, notice=ENDLESS)), nothing, 180.0),
    (
        State.TRANSFERRING,
        Setting(
            script=by_last({"person": [*says("I connect you."), calls("transfer_to_human", reason="asked")]}),
            can_transfer=True,
            ringing=2000.0,
        ),
        says_to("A person please."),
        900.0,
    ),
    (
        State.CLOSING,
        Setting(persona=replace(PERSONA, goodbye_silence=ENDLESS), options=TurnOptions(reprompts=0)),
        nothing,
        20.0,
    ),
]


def test_there_is_a_row_for_each_state_with_a_limit() -> None:
    """`TAKEN` lasts as long as the person likes who has the caller: see test_conversation_transfer.py."""
    assert [state for state, *_ in ROWS] == [state for state in State if state not in (State.TAKEN, State.ENDED)]


@pytest.mark.parametrize(("state", "setting", "act", "limit"), ROWS, ids=[state.name.lower() for state, *_ in ROWS])
def test_a_real_conversation_enters_each_state_and_leaves_it_at_its_limit(
    state: State, setting: Setting, act: Act, limit: float
) -> None:
    _, longest = stays(setting, act, limit + 40)
    assert longest[state] == pytest.approx(limit, abs=0.5)
