"""Runs the calls of a set whose steps stand in the set itself. One gateway runs them all, since only the model takes
time."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.meter import UsageReport
from sipgw.config.config import GatewayConfig
from sipgw.events import CallBegan, Event
from sipgw.sip.uri import Uri
from sipgw.tools.caller import CallerPhone
from sipgw.tools.evaluation.conversation import ConversationLog, ConversationResult, Judge, compared
from sipgw.tools.evaluation.eval_set import CallOptions, EvalError, EvalSet
from sipgw.tools.simulate.run import OVER, SLACK, WORDS, ScenarioRun, dialled, started
from sipgw.tools.simulate.scenario import Scenario

LOOPBACK = "127.0.0.1"


async def converse_scripted(
    calls: Sequence[CallOptions],
    folder: Path,
    config: GatewayConfig,
    wanted: EvalSet,
    at_once: int,
    judge: Judge | None,
    tell: Callable[[], None],
    used: UsageReport | None = None,
) -> list[ConversationResult]:
    """Run the `calls`, `at_once` at the same time; `tell` is called after each. Each has an agent of its own with its
    own tools. Raises `EvalError`, and the errors of the gateway and the calls.
    """
    if config.agent.realtime:
        raise EvalError("[agent] realtime takes the place of stt, llm and tts: 'steps' need these")
    names = [f"call{number}" for number in range(len(calls))]
    logs = {name: ConversationLog() for name in names}
    scenes = {
        name: await ScenarioRun.of(Scenario(one.steps, one.name, replies=one.replies, speech="scripted"), folder)
        for name, one in zip(names, calls, strict=True)
    }
    agents: dict[str, str] = {}

    def watch(event: Event) -> None:
        if isinstance(event, CallBegan):
            agents[event.call] = event.agent
        if log := logs.get(agents.get(getattr(event, "call", ""), "")):
            log.watch(event)

    free = asyncio.Semaphore(at_once)

    async def converse(name: str, options: CallOptions) -> ConversationResult:
        async with free:
            scene = scenes[name]
            call = await dialled(phone, Uri("sip", name, LOOPBACK, gateway.endpoint.port), scene, LOOPBACK)
            async with asyncio.timeout(OVER):
                await scene.over.wait()
            result = await compared(options, logs[name], scene.judged(call, SLACK, WORDS), call, wanted, judge)
            tell()
            return result

    async with started(config, scenes, lambda who, what: None, watch, used) as gateway, CallerPhone(LOOPBACK) as phone:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(converse(name, one)) for name, one in zip(names, calls, strict=True)]
        except ExceptionGroup as error:
            raise error.exceptions[0] from None
    return [task.result() for task in tasks]
