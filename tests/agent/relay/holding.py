# mypy: disable-error-code="arg-type"
"""Holds whole conversations with an agent's own server on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.active_agent import CascadeRole
from agent.persona import Persona
from agent.records import Outcome, Report, Turn, TurnEnded
from agent.relay.call import RelayCall
from agent.relay.conversation import RelayConversation
from agent.relay.session import Relay
from agent.turn_taking.options import TurnOptions
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, FakeTts
from tests.fakes.relay import FakeRelay, Script
from tests.virtual import run

CALL = {
    "accountSid": "", "parentCallSid": "", "callSid": "CA" + 32 * "0", "from": "+15550100", "to": "+15550101",
    "forwardedFrom": "", "callType": "PSTN", "callerName": "", "direction": "inbound", "callStatus": "RINGING",
}  # fmt: skip


@dataclass
class Held:
    """What a conversation was."""

    outcome: Outcome
    line: FakeLine
    server: FakeRelay
    spoken: list[str]
    in_languages: list[tuple[str, str]]
    reports: list[Report]
    transferred: list[str]
    brain: Relay

    @property
    def turns(self) -> list[Turn]:
        return [report.turn for report in self.reports if isinstance(report, TurnEnded)]


@dataclass
class Setting:
    persona: Persona = field(default_factory=lambda: Persona(prompt="", greeting="", filler=""))
    languages: tuple[str, ...] = ("en",)
    can_transfer: bool = False
    connects: Sequence[bool] = (True,)
    people: dict[str, str] = field(default_factory=dict)
    stops: bool = True
    lingers: float = 0.0
    """Seconds that the voice takes to close a sentence that is broken off."""
    partial_prompts: bool = False
    refuses: list[Any] = field(default_factory=list)
    told: RelayCall = field(default_factory=lambda: RelayCall("wss://brain.test/relay", CALL, {"shop": "7"}))
    options: TurnOptions = field(default_factory=lambda: TurnOptions(reprompt_after=60))


Plan = Callable[[FakeCaller, FakeLine, FakeRelay], Awaitable[None]]


def hold(plan: Plan, script: Script, setting: Setting | None = None) -> Held:
    setting = setting or Setting()

    async def call() -> Held:
        line, stt, server = FakeLine(), FakeStt(), FakeRelay(script, stops=setting.stops)
        server.refuses = list(setting.refuses)
        voices: list[FakeTts] = []
        reports: list[Report] = []
        transferred: list[str] = []
        connects = list(setting.connects)

        def tts(language: str) -> FakeTts:
            voice = FakeTts(language=language, spoken=spoken, in_languages=in_languages, lingers=setting.lingers)
            voices.append(voice)
            return voices[-1]

        async def transfer(to: str) -> bool:
            transferred.append(to)
            await asyncio.sleep(1.0)
            return connects.pop(0) if connects else False

        spoken: list[str] = []
        in_languages: list[tuple[str, str]] = []
        brain = Relay(setting.told, server.dial)
        role = CascadeRole(persona=setting.persona, llm=brain, tts=tts, languages=setting.languages)
        conversation = RelayConversation(
            line, stt, role, brain, partial_prompts=setting.partial_prompts, options=setting.options,
            transfer=transfer if setting.can_transfer else None, people=setting.people, observer=reports.append,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            clock = group.create_task(line.play())
            await conversation.open()
            caller = FakeCaller(line, stt)
            caller.call_control = conversation.call_control
            person = group.create_task(plan(caller, line, server))  # type: ignore[var-annotated]
            outcome = await conversation.run()
            clock.cancel()
            person.cancel()
        assert all(session.closed for session in server.sessions), "a session was left open"
        assert not sum(one.open_streams for one in voices), "a generator was left open"
        return Held(outcome, line, server, spoken, in_languages, reports, transferred, brain)

    return run(call())
