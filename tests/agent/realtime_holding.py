"""Holds whole conversations with a speech-to-speech session on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.active_agent import AgentRole
from agent.consent import Judge
from agent.line import Gone
from agent.realtime_conversation import RealtimeConversation
from agent.records import Outcome, Report, Turn, TurnEnded
from agent.tools import Tool
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import PERSONA
from tests.fakes.line import FakeLine
from tests.fakes.session import FakeSession, SpeakingCaller
from tests.virtual import run


@dataclass
class Held:
    outcome: Outcome
    line: FakeLine
    session: FakeSession
    conversation: RealtimeConversation
    reports: list[Report] = field(default_factory=list)

    @property
    def turns(self) -> list[Turn]:
        return [report.turn for report in self.reports if isinstance(report, TurnEnded)]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.conversation.call_control.messages[1:]


def hold(
    plan: Callable[[SpeakingCaller, FakeSession], Awaitable[None]],
    *,
    tools: list[Tool] | None = None,
    persona=PERSONA,
    transfer: list[bool] | None = None,
    refuses: Exception | None = None,
    collects: bool = False,
    colleagues: Mapping[str, str] | None = None,
    find_agent: Callable[[str], AgentRole] | None = None,
    languages: tuple[str, ...] = ("en",),
    judge: Judge | None = None,
    observer: Callable[[Report], None] | None = None,
    **options: Any,
) -> Held:
    async def call() -> Held:
        line, session = FakeLine(), FakeSession()
        session.refuses = refuses
        reports: list[Report] = []

        async def connect(_to: str) -> bool:
            return transfer.pop(0) if transfer else False

        role = AgentRole(
            persona=persona, tools=tools or (), collects=collects, colleagues=colleagues or {}, languages=languages,
            judge=judge,
        )  # fmt: skip
        conversation = RealtimeConversation(
            line, session, role, find_agent=find_agent, observer=observer or reports.append,
            options=TurnOptions(**{"reprompt_after": 60, **options}), transfer=connect if transfer else None,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            clock = group.create_task(line.play())
            await conversation.open()
            caller = SpeakingCaller(line, session)
            caller.call_control = conversation.call_control
            person = group.create_task(plan(caller, session))  # type: ignore[arg-type, var-annotated]
            outcome = await conversation.run()
            clock.cancel()
            person.cancel()
        assert session.closed
        return Held(outcome, line, session, conversation, reports)

    return run(call())


def gone(line: FakeLine) -> None:
    line.incoming.put_nowait(Gone("the caller hung up"))
