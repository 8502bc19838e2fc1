"""Whole conversations on virtual time: a transfer that succeeds, fails, takes long, or is spoken into."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from agent.line import Away
from agent.records import Interrupted, Outcome, Report, TurnDecided, TurnEnded
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import DOWN, LONG, PERSONA, Setting, by_last, hold
from tests.fakes.line import calls, now, says

CONNECT = "I connect you."
TABLE = {
    "person": [*says(CONNECT), calls("transfer_to_human", reason="asked")],
    "already": says("One moment."),
    "my order": says("It is packed."),
    "bye": [*says("Goodbye then."), calls("hang_up")],
}
SETTING = Setting(script=by_last(TABLE), can_transfer=True)


def plan(*said: tuple[float, str]) -> Callable[..., Awaitable[None]]:
    """Say each sentence so many seconds after the one before."""

    async def carry_out(caller, line, stt) -> None:
        for pause, text in said:
            await asyncio.sleep(pause)
            await caller.say(text)
        await asyncio.sleep(40)
        caller.hang_up()

    return carry_out


def test_when_nobody_can_be_reached_the_caller_is_told_and_the_call_goes_on() -> None:
    held = hold(
        plan((3, "A person please"), (12, "Then where is my order"), (8, "bye")), replace(SETTING, connects=[False])
    )
    assert held.tts.spoken[1:4] == [CONNECT, PERSONA.not_connected, "It is packed."]
    assert held.outcome.kind == "agent_hung_up"
    told = [message["content"] for message in held.last_asked() if message["role"] == "assistant"]
    assert PERSONA.not_connected in told, "the model knows that it failed"


def test_another_try_may_succeed() -> None:
    held = hold(plan((3, "A person please"), (14, "Again a person please")), replace(SETTING, connects=[False, True]))
    assert held.outcome == Outcome("transfer", "asked")
    assert held.tts.spoken[-1] == CONNECT


def test_while_it_rings_at_the_person_nobody_is_asked_whether_they_are_there() -> None:
    held = hold(plan((3, "A person please")), replace(SETTING, ringing=25))
    assert held.tts.spoken[1:] == [CONNECT]
    assert held.outcome.kind == "transfer"


def test_the_agent_answers_while_it_rings_and_does_not_transfer_twice() -> None:
    held = hold(
        plan((3, "A person please"), (6, "Where is my order"), (6, "A person please")),
        replace(SETTING, ringing=25, connects=[True, False]),
    )
    assert held.outcome.kind == "transfer"
    assert "It is packed." in held.tts.spoken
    assert PERSONA.not_connected not in held.tts.spoken


def test_what_the_agent_is_saying_when_nobody_took_the_call_is_said_to_its_end() -> None:
    held = hold(
        plan((3, "A person please"), (7, "Tell me all"), (20, "bye")),
        replace(SETTING, connects=[False], ringing=9.6, script=by_last({**TABLE, "me all": says(LONG)})),
    )
    assert held.tts.spoken[1:4] == [CONNECT, LONG, PERSONA.not_connected]
    assert LONG in [turn.heard for turn in held.turns]


@pytest.mark.slow
def test_somebody_takes_the_agents_place_for_an_hour_and_gives_it_back() -> None:
    """What was being said is broken off for good; nobody is asked anything, nor does the time of the call run out."""

    async def taken(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order")
        await asyncio.sleep(0.5)
        line.incoming.put_nowait(Away(away=True, taken=True))
        await asyncio.sleep(3600)
        line.incoming.put_nowait(Away(away=False))
        await caller.say("Where is my order")
        await asyncio.sleep(10)
        caller.hang_up()

    script = by_last({"order": says(LONG)})
    held = hold(taken, Setting(script=script, options=TurnOptions(reprompt_after=8, max_duration=1800)))
    assert held.outcome.kind == "caller_hung_up"
    assert held.tts.spoken == [PERSONA.greeting, LONG, LONG]
    first, second = (turn for turn in held.turns if turn.caller)
    assert first.interrupted
    assert first.heard != LONG
    assert second.heard == LONG


@pytest.mark.parametrize("on_its_way", ["reprompt", "ask_again"])
def test_a_question_that_is_on_its_way_is_not_put_to_a_caller_whom_somebody_takes(on_its_way: str) -> None:
    lines, reports = [], []  # type: ignore[var-annotated]

    def observe(report: Report) -> None:
        reports.append(report)
        if isinstance(report, TurnDecided) and report.decision == on_its_way:
            lines[0].incoming.put_nowait(Away(away=True, taken=True))

    async def waits(caller, line, stt) -> None:
        lines.append(line)
        await asyncio.sleep(2)
        if on_its_way == "ask_again":
            await caller.sound(1.5, loud=True)
        await caller.sound(30, loud=False)
        caller.hang_up()

    hold(waits, Setting(options=TurnOptions(reprompt_after=8), observer=observe))
    assert len([report for report in reports if isinstance(report, Interrupted)]) == 1
    assert {report.turn.heard for report in reports if isinstance(report, TurnEnded)} == {PERSONA.greeting}


def test_the_name_that_the_model_gives_is_who_is_called() -> None:
    asked: list[str] = []
    table = {"billing": [*says(CONNECT), calls("transfer_to_human", to="Billing")], "tool:": says("Whom, please?"),
             "nobody": [*says("Wait."), calls("transfer_to_human", to="nobody")]}  # fmt: skip
    setting = Setting(
        script=by_last(table), can_transfer=True, people={"billing": "invoices"}, connected=asked.append
    )  # fmt: skip
    held = hold(plan((3, "I want nobody"), (12, "I want billing")), setting)
    assert asked == ["Billing"]
    assert held.outcome.kind == "transfer"


def test_who_hangs_up_while_it_rings_has_hung_up() -> None:
    async def impatient(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("A person please")
        await asyncio.sleep(6)
        caller.hang_up()

    assert hold(impatient, replace(SETTING, ringing=25)).outcome.kind == "caller_hung_up"


@pytest.mark.faults("H4")
@pytest.mark.parametrize(("connects", "kind"), [((True,), "transfer"), ((False,), "failed")])
def test_an_agent_that_breaks_down_hands_over_if_it_can(connects: tuple[bool, ...], kind: str) -> None:
    broken = Setting(script=lambda messages: [DOWN], can_transfer=True, connects=connects)
    held = hold(plan((3, "Where is my order")), broken)
    assert held.outcome.kind == kind
    assert held.outcome.text.startswith("llm failed")
    sorry = [PERSONA.connecting] if kind == "transfer" else [PERSONA.connecting, PERSONA.apology]
    assert held.tts.spoken[-len(sorry) :] == sorry
    assert kind == "failed" or PERSONA.apology not in held.tts.spoken


@pytest.mark.parametrize(("connects", "kind"), [((True,), "transfer"), ((False,), "failed")])
@pytest.mark.parametrize("ringing", [30, 120])
def test_who_is_handed_over_after_a_failure_is_waited_for_as_long_as_it_rings(
    connects: tuple[bool, ...], kind: str, ringing: float
) -> None:
    decided: list[float] = []

    async def waits(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is my order")
        try:
            await asyncio.sleep(300)
        finally:
            decided.append(now())

    rang: list[float] = []
    held = hold(
        waits,
        Setting(script=lambda messages: [DOWN], can_transfer=True, connects=connects, ringing=ringing,
                connected=lambda to: rang.append(now())),
    )  # fmt: skip
    assert held.outcome.kind == kind
    sorry = 0.0 if kind == "transfer" else 8.0  # then the caller is told that nobody could be reached
    assert ringing - 0.1 <= decided[0] - rang[0] <= ringing + 0.1 + sorry


@pytest.mark.parametrize(("connects", "rang", "kind"), [((True,), 1, "transfer"), ((False, True), 2, "transfer")])
def test_a_failure_while_it_rings_does_not_ring_at_two_people_at_once(
    connects: tuple[bool, ...], rang: int, kind: str
) -> None:
    began: list[float] = []

    async def loses_its_stt(caller, line, stt) -> None:
        await asyncio.sleep(3)
        await caller.say("A person please")
        await asyncio.sleep(4)
        stt.heard.put_nowait(DOWN)
        await asyncio.sleep(100)
        caller.hang_up()

    held = hold(
        loses_its_stt, replace(SETTING, ringing=15, connects=connects, connected=lambda to: began.append(now()))
    )
    assert held.outcome.kind == kind
    assert len(began) == rang
    assert all(later - earlier > 14.9 for earlier, later in pairwise(began))
