"""Whole conversations with GPT-Live on virtual time: the model alone decides when it speaks and falls silent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.active_agent import AgentRole
from agent.line import Audio, Digit, Gone
from agent.persona import Persona
from agent.providers.failover import FailoverOptions
from agent.providers.failover_realtime import FailoverRealtime, RealtimeProviders
from agent.providers.openai_live import OpenAILiveOptions, OpenAILiveSession
from agent.providers.socket_realtime import SocketRealtime
from agent.realtime_conversation import RealtimeConversation
from agent.records import CallerSaid, Outcome, Report, Turn, TurnDecided, TurnEnded, Used
from agent.tools import Tool, tool
from agent.turn_taking.options import TurnOptions
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.line import FakeLine, now
from tests.fakes.openai_live import FakeLive
from tests.fakes.realtime_server import Say
from tests.fakes.wire import wired
from tests.virtual import run

GREETING = "Hello, this is Acme. How can I help you?"
ORDER = Said("Where is my order?", 4000, 5000)
LONG = "Your raincoat is out for delivery and it will be there today before six."
TONE, SILENCE = b"\x10\x90" * 240, b"\xff" * 480


@dataclass
class Held:
    outcome: Outcome
    line: FakeLine
    conversation: RealtimeConversation
    reports: list[Report] = field(default_factory=list)

    @property
    def turns(self) -> list[Turn]:
        return [report.turn for report in self.reports if isinstance(report, TurnEnded)]

    @property
    def decisions(self) -> list[str]:
        return [report.decision for report in self.reports if isinstance(report, TurnDecided)]


def hold(
    said: Sequence[Said],
    replies: Sequence[Say],
    seconds: float,
    *,
    tools: Sequence[Tool] = (),
    keys: str = "",
    agents: dict[str, AgentRole] | None = None,
    fakes: dict[str, FakeLive] | None = None,
    change: Callable[[Any], Any] = lambda role: role,
    **more: Any,
) -> Held:
    """The caller is loud while they say something; `keys` are pressed after 5 s."""
    fake = FakeLive(said, replies, key="k", **more)
    fakes = {"main": fake, **(fakes or {})}
    loud = list(said)

    async def call() -> Held:
        line, reports = FakeLine(), list[Report]()

        def providers(agent: str) -> RealtimeProviders:
            options = OpenAILiveOptions(api_key="k", url=f"ws://{agent}", voice_id="cedar")
            return RealtimeProviders([SocketRealtime.of(OpenAILiveSession)(options)], FailoverOptions())

        session = FailoverRealtime(providers, "main", reports.append)
        persona = Persona(prompt="Be brief.", greeting=GREETING)
        role = AgentRole(
            persona=persona, tools=list(tools), colleagues=dict.fromkeys(agents or {}, "bills"), name="main"
        )
        conversation = RealtimeConversation(
            line, session, role, find_agent=lambda name: (agents or {})[name],
            options=TurnOptions(reprompt_after=60), observer=reports.append,
        )  # fmt: skip

        async def speak() -> None:
            for at in range(0, round(seconds * 1000), 60):
                await asyncio.sleep(0.06)
                sounds = any(one.start_ms <= at < one.end_ms for one in loud)
                line.incoming.put_nowait(Audio(TONE if sounds else SILENCE, now()))
                if keys and at == 5040:
                    for key in keys:
                        line.incoming.put_nowait(Digit(key, now()))
            line.incoming.put_nowait(Gone("the caller hung up"))

        async with asyncio.TaskGroup() as group:
            clock = group.create_task(line.play())
            await conversation.open()
            person = group.create_task(speak())
            outcome = await conversation.run()
            clock.cancel()
            person.cancel()
        return Held(outcome, line, conversation, reports)

    with wired(**fakes):
        held = run(call())
    held.conversation.fake = fake  # type: ignore[attr-defined]
    return held


def fake_of(held: Held) -> FakeLive:
    return held.conversation.fake  # type: ignore[attr-defined, no-any-return]


def test_a_turn_is_what_the_caller_said_until_the_model_answers() -> None:
    held = hold([ORDER], [Say("It is on its way.")], 12)
    assert [(turn.caller, turn.said, turn.heard) for turn in held.turns] == [
        ("", GREETING, GREETING),
        (ORDER.text, "It is on its way.", "It is on its way."),
    ]
    assert not any(turn.interrupted for turn in held.turns)
    for text in (GREETING, "It is on its way."):
        assert sound_of(text).strip(b"\xff") in bytes(held.line.played)
    assert fake_of(held).told == [f"Say exactly this, and nothing else: {GREETING}"]


def test_a_caller_who_shows_that_they_listen_costs_no_pause() -> None:
    """The line would fall silent for the sound if it were not the model that decides."""
    held = hold([ORDER, Said("Mhm.", 8000, 8800)], [Say(LONG)], 16)
    assert held.turns[-1].heard == LONG
    assert not held.turns[-1].interrupted
    assert sound_of(LONG).strip(b"\xff") in bytes(held.line.played)
    assert not {"pause", "cut", "discard"} & set(held.decisions)
    assert CallerSaid("Mhm.", False) in held.reports


def test_the_model_falls_silent_for_a_caller_and_the_memory_has_what_was_heard() -> None:
    stop = Said("No, stop.", 8000, 9000)
    held = hold([ORDER, stop], [Say(LONG), Say("Yes?")], 16)
    cut, after = held.turns[-2:]
    assert cut.interrupted
    played = next(
        at for at in range(800, len(sound_of(LONG)), 800) if sound_of(LONG)[:at] not in bytes(held.line.played)
    )
    heard = cut.heard.removesuffix(" —")
    assert LONG.startswith(heard)
    assert len(heard) <= (played + 800) / 480
    assert len(heard) >= (played - 800) / 480 - 9
    assert (after.caller, after.heard) == (stop.text, "Yes?")
    said = [one["content"] for one in held.conversation.call_control.messages if one["role"] == "assistant"]
    assert said == [GREETING, cut.heard, "Yes?"]


@tool
async def get_status(order: str) -> dict[str, str]:
    """Look up an order. Only for its owner."""
    return {"status": f"order {order} is on its way"}


def test_the_backend_calls_tools_and_the_model_tells_of_them() -> None:
    calls = Say(calls=[("c1", "get_status", '{"order": "7"}'), ("c2", "get_status", '{"order": "8"}')])
    held = hold([ORDER], [calls, Say("Both are on their way.")], 14, tools=[get_status])
    fake = fake_of(held)
    assert [one["call"] for one in fake.results] == ["c1", "c2"]
    assert "order 8 is on its way" in fake.results[1]["result"]
    turn = held.turns[-1]
    assert (turn.caller, turn.heard) == (ORDER.text, "Both are on their way.")
    assert [run.name for run in turn.tools] == ["get_status", "get_status"]
    assert not [one for one in fake.sessions[0].sent if one["type"] == "error"]
    used = {(one.name, one.unit): one.amount for one in held.reports if isinstance(one, Used)}
    assert used["openai/gpt-6-luna", "tokens_in"] == 120
    assert used["openai/gpt-live-1", "seconds"] > 1
    config = fake.sessions[0].messages[0]["session"]
    assert "- get_status: Look up an order" in config["instructions"]
    assert config["audio"]["output"] == {"voice": "cedar"}


def test_the_model_ends_the_call_when_it_has_said_goodbye() -> None:
    bye = Said("That is all, bye.", 4000, 5000)
    held = hold([bye], [Say(calls=[("c1", "hang_up", "{}")]), Say("Goodbye, and thank you.")], 30)
    assert held.outcome.kind == "agent_hung_up"
    assert held.turns[-1].heard == "Goodbye, and thank you."
    assert fake_of(held).sessions[0].messages[-1] == {"type": "session.close"}


def test_keys_are_told_to_both_models() -> None:
    held = hold([], [Say("Seven it is.")], 16, keys="7#")
    fake = fake_of(held)
    assert fake.told[1] == "[pressed 7]"
    assert "[pressed 7] Answer it." in fake.told[2]
    assert (held.turns[-1].caller, held.turns[-1].heard) == ("[pressed 7]", "Seven it is.")


def test_another_agent_takes_the_call_over_in_a_session_of_its_own() -> None:
    handing = Say(calls=[("c1", "hand_over", '{"to": "billing", "reason": "an invoice"}')])
    billing = AgentRole(persona=Persona(prompt="You are billing.", greeting="Billing."), name="billing")
    second = FakeLive((), [Say("Which invoice?")], key="k")
    held = hold([ORDER], [handing], 20, agents={"billing": billing}, fakes={"billing": second})
    config = second.sessions[0].messages[0]["session"]
    assert config["instructions"].startswith("You are billing.")
    assert f"Caller: {ORDER.text}" in config["delegation"]["responses"]["instructions"]
    assert held.turns[-1].heard == "Which invoice?"
    assert fake_of(held).sessions[0].ended or fake_of(held).results == []
