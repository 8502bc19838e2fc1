"""Plays a scenario on virtual time: the same caller, agent and providers as over RTP, with a line in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent.active_agent import CascadeRole
from agent.conversation import Conversation
from agent.line import Audio, Digit, Gone
from agent.records import Report
from agent.tools import Tool, load_tools
from sipgw.agents.agents import call_variables
from sipgw.agents.orders import persona
from sipgw.sip.identity import Identity
from sipgw.tools.caller import Call, HangUp, Press, Say, SoundSpan
from sipgw.tools.simulate.expect import remembered
from sipgw.tools.simulate.run import ScenarioRun
from sipgw.tools.simulate.scenario import Scenario
from sipgw.tools.simulate.verdict import CallVerdict
from tests.fakes.line import FakeLine
from tests.virtual import run

STEP = 0.02
FRAME = 160
KEY = 0.2


class VirtualCaller:
    """Hears what the line plays, and does what the script says."""

    def __init__(self, line: FakeLine, scene: ScenarioRun, call: Call) -> None:
        self._line, self._scene, self._call = line, scene, call
        self._sound = bytearray()
        self._played = 0

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = bytearray()
        while True:
            await asyncio.sleep(STEP)
            now, agent_audio = loop.time(), self._call.agent_audio
            if len(self._line.played) > self._played:
                agent_audio.hear(bytes(self._line.played[self._played :]), now)
                self._played = len(self._line.played)
            match self._scene.steps.next(now, agent_audio):
                case Say(sound):
                    self._sound += sound
                    agent_audio.spoken_until = now + len(sound) / 8000
                    self._call.utterances.append(SoundSpan(now, agent_audio.spoken_until))
                case Press(keys):
                    for number, key in enumerate(keys):
                        loop.call_later(number * KEY, self._line.incoming.put_nowait, Digit(key, now + number * KEY))
                    agent_audio.spoken_until = now + KEY * len(keys)
                case HangUp():
                    self._line.incoming.put_nowait(Gone("the caller hung up"))
            waiting += bytes(self._sound[:FRAME]).ljust(FRAME, b"\xff")
            del self._sound[:FRAME]
            if len(waiting) >= round(self._line.order[0] * 8000):
                self._line.incoming.put_nowait(Audio(bytes(waiting), now))
                waiting.clear()


def play(
    scenario: Scenario,
    folder: Path,
    *,
    tools: Sequence[Tool] = (),
    transfer: Callable[[str], Awaitable[bool]] | None = None,
    watch: Callable[[Report], None] = lambda report: None,
) -> CallVerdict:
    """Hold the call of `scenario`, whose files stand in `folder`."""

    async def held() -> CallVerdict:
        loop = asyncio.get_running_loop()
        scene, line, call = await ScenarioRun.of(scenario, folder), FakeLine(), Call()
        config, parts = scene.config, scene.providers()
        values = call_variables(config.agent, Identity(), "", datetime(2026, 11, 21, tzinfo=UTC))
        own = load_tools(Path(config.agent.tools)) if config.agent.tools else []
        role = CascadeRole(
            persona=persona(config, values), llm=parts.llm, tts=parts.tts, tools=[*own, *tools],
            languages=config.codes, collects=config.agent.collect_digits, paces=parts.paces,
        )  # fmt: skip

        def report(told: Report) -> None:
            scene.steps.tell(told, loop.time())
            watch(told)

        conversation = Conversation(
            line,
            parts.stt(),
            role,
            options=config.turns,
            transfer=transfer,
            observer=report,
        )
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(line.play()), group.create_task(VirtualCaller(line, scene, call).live())]
            await conversation.open()
            call.dialled = call.answered = call.agent_audio.spoken_until = loop.time()
            async with asyncio.timeout(scenario.limit):
                outcome = await conversation.run()
            for task in others:
                task.cancel()
        call.ended, call.ending = loop.time(), outcome.text
        scene.memory, scene.ending = remembered(conversation.call_control.messages), outcome.kind
        return scene.judged(call)

    return run(held())
