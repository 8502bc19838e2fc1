"""Holds whole conversations on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from agent.active_agent import CascadeRole
from agent.conversation import Conversation
from agent.errors import ProviderError
from agent.forms.fields import FormSetting
from agent.ivr.options import IvrOptions
from agent.passages import Find, nothing
from agent.persona import Persona
from agent.records import (
    Outcome,
    Report,
    Turn,
    TurnEnded,
)
from agent.tools import Tool
from agent.tts import TextToSpeech
from agent.turn_taking.options import TurnOptions
from sipgw.tools.conformance.time_skipping_loop import TimeSkippingLoop
from tests.fakes.line import LETTER, FakeCaller, FakeLine, FakeLlm, FakeStt, FakeTts, Script, says
from tests.virtual import run

PERSONA = Persona(prompt="You are a test.", greeting="Hello there.")
LONG = "Your order is out for delivery and it will be there today before six."
DOWN = ProviderError("x", "down", temporary=False)


Serving = Callable[[], AbstractAsyncContextManager[Callable[[], TextToSpeech]]]


@dataclass
class Held:
    """What a conversation was."""

    outcome: Outcome
    line: FakeLine
    stt: FakeStt
    llm: FakeLlm
    tts: FakeTts
    reports: list[Report]

    @property
    def turns(self) -> list[Turn]:
        return [report.turn for report in self.reports if isinstance(report, TurnEnded)]

    def last_asked(self) -> list[dict[str, Any]]:
        return self.llm.asked[-1]


@dataclass
class Setting:
    script: Script = lambda messages: says("Sure.")
    tools: list[Tool] = field(default_factory=list)
    options: TurnOptions = field(default_factory=lambda: TurnOptions(reprompt_after=60))
    persona: Persona = PERSONA
    can_transfer: bool = False
    connects: Sequence[bool] = (True,)
    """Whether each transfer in turn succeeds; all later ones do not."""
    ringing: float = 0.0
    """Seconds that a transfer takes."""
    people: dict[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ("en",)
    collects: bool = False
    paces: bool = False
    form: FormSetting = field(default_factory=FormSetting)
    ivr: IvrOptions | None = None
    find: Find = nothing
    find_agent: dict[str, Any] = field(default_factory=dict)
    """What distinguishes each of the other agents: the fields of its `Role`, and its `script`."""
    connected: Callable[[str], None] = lambda to: None
    """Is told whom a transfer is to."""
    stt: dict[str, Any] = field(default_factory=dict)
    tts: dict[str, Any] = field(default_factory=dict)
    observer: Callable[[Report], None] | None = None
    serving: Serving | None = None
    """Makes real voices in place of the fake ones, and has their server run."""


def hold(plan: Callable[[FakeCaller, FakeLine, FakeStt], Awaitable[None]], setting: Setting | None = None) -> Held:
    setting = setting or Setting()

    async def call(voice: Callable[[], TextToSpeech] | None = None) -> Held:
        line, stt = FakeLine(), FakeStt(**setting.stt)
        llm, tts = FakeLlm(setting.script), FakeTts(**setting.tts)
        reports: list[Report] = []
        outcomes, tts_sessions = list(setting.connects), list[FakeTts]()

        async def transfer(to: str) -> bool:
            setting.connected(to)
            await asyncio.sleep(setting.ringing)
            return outcomes.pop(0) if outcomes else False

        def spoken(language: str) -> TextToSpeech:
            if voice is not None:
                return voice()
            tts_sessions.append(
                replace(tts, language=language if setting.languages != ("en",) or " " in language else "")
            )
            return tts_sessions[-1]

        def find_agent(name: str) -> CascadeRole:
            played = dict(setting.find_agent[name])
            other = replace(llm, script=played.pop("script", setting.script), name=name)
            return CascadeRole(llm=other, tts=lambda language: spoken(f"{name} {language}"), name=name, **played)

        role = CascadeRole(
            persona=setting.persona, llm=llm, tts=spoken, tools=setting.tools, languages=setting.languages,
            colleagues=dict.fromkeys(setting.find_agent, ""), collects=setting.collects, paces=setting.paces,
            find=setting.find, form=setting.form,
        )  # fmt: skip
        conversation = Conversation(
            line, stt, role, find_agent=find_agent if setting.find_agent else None, options=setting.options,
            ivr=setting.ivr, transfer=transfer if setting.can_transfer else None, people=setting.people,
            observer=setting.observer or reports.append,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            clock = group.create_task(line.play())
            await conversation.open()
            caller = FakeCaller(line, stt)
            caller.call_control = conversation.call_control
            person = group.create_task(plan(caller, line, stt))  # type: ignore[arg-type, var-annotated]
            outcome = await conversation.run()
            clock.cancel()
            person.cancel()
        held = Held(outcome, line, stt, llm, tts, reports)
        assert stt.closed
        assert all(one.closed for one in tts_sessions)
        assert not llm.open_streams + sum(one.open_streams for one in tts_sessions), "a generator was left open"
        return held

    return run(call()) if setting.serving is None else _served(setting.serving, call)


def _served(serving: Serving, call: Callable[[Callable[[], TextToSpeech]], Coroutine[Any, Any, Held]]) -> Held:
    async def held() -> Held:
        async with serving() as voice:
            return await call(voice)

    with asyncio.Runner(loop_factory=TimeSkippingLoop) as runner:
        return runner.run(held())


def spoken_seconds(text: str) -> float:
    return len(text) * LETTER / 8000


def by_last(table: dict[str, list[Any]]) -> Script:
    """Answer by what the last message is."""

    def script(messages):
        last = messages[-1]
        key = last["content"] if last["role"] == "user" else f"tool:{last['content']}"
        return next((pieces for wanted, pieces in table.items() if wanted in key), says("I do not know."))

    return script
