"""One simulation: a gateway with faulty providers or a foreign gateway, a caller behind a bad network, and the
verdict."""

import asyncio
import contextlib
import random
import tempfile
from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path

from agent.line import SAMPLE_RATE
from agent.meter import UsageReport
from agent.providers.local.host import LocalSpeech, LocalSpeechOptions
from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed, Report, Used
from agent.ulaw import from_linear, level
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import Providers, opened
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.events import CallBegan, CallEnded, CallReported, Event, Watcher
from sipgw.gateway.gateway import Gateway
from sipgw.records.artifacts.wav import WavError, read_ulaw
from sipgw.sip.uri import Uri
from sipgw.tools.caller import AUDIBLE, Call, CallerPhone, with_noise
from sipgw.tools.simulate.acting import LETTER, CallerSpeech, acting
from sipgw.tools.simulate.expect import differs, missed, remembered
from sipgw.tools.simulate.faults import wrapped
from sipgw.tools.simulate.relay import NetworkRelay
from sipgw.tools.simulate.scenario import ProviderFaults, Scenario, ScenarioError, Step
from sipgw.tools.simulate.scenario_script import ScenarioScript
from sipgw.tools.simulate.verdict import CallVerdict, judge
from sipgw.tools.trial import trial

SLACK = 3.0
"""Factor for the expected answer times, because on a busy machine the whole call is late."""
OVER = 10.0
"""Seconds after the caller's hang-up within which the gateway must have ended the call, too."""
LOUD = 8000
"""The highest sample of a sound without words."""
WORDS = 2
"""Tolerance in words for an interrupted reply, because some packets are on the way."""

Tell = Callable[[str, str], None]
"""Takes the speaker (``caller``, ``agent``, ``fault``) and the words."""


@dataclass
class ScenarioRun:
    """The run of a scenario, over SIP or on another line."""

    scenario: Scenario
    folder: Path
    steps: ScenarioScript
    caller_speech: CallerSpeech
    memory: list[str] = field(default_factory=list)
    """Memory of the agent at the end."""
    ending: str = ""
    """How the conversation ended."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway knows that the conversation has ended."""

    @classmethod
    async def of(cls, scenario: Scenario, folder: Path) -> "ScenarioRun":
        """A run that has not begun; `folder` has the files of the scenario. Raises `ScenarioError`."""
        caller_speech = CallerSpeech()

        def speaks(step: Step, seconds: float) -> None:
            caller_speech.spoken.append((step.say or step.words, seconds))

        return cls(
            scenario, folder, ScenarioScript(scenario.steps, await sounds(scenario, folder), speaks), caller_speech
        )

    @property
    def config(self) -> GatewayConfig:
        """The configuration of the agent of a scenario with replies."""
        agent, tools = self.scenario.agent, self.scenario.agent.tools
        agent = replace(agent, tools=str(self.folder / tools) if tools else "", stt="local", llm="local")
        agent = replace(agent, tts="local", brain="")
        return GatewayConfig(agent=agent, turns=self.scenario.turns, languages=self.scenario.languages)

    def agent_of(self, config: GatewayConfig) -> GatewayConfig:
        """The configuration of the agent that answers, in a gateway with the configuration `config`."""
        if not self.scenario.replies:
            return replace(config)  # a separate object, because it is the key of its providers
        if self.scenario.speech:
            return replace(config, agent=replace(config.agent, stt="local", llm="local", tts="local", brain=""))
        return replace(config, agent=self.config.agent, turns=self.config.turns, languages=self.config.languages)

    def providers(self, real: Providers | None = None) -> Providers:
        """The providers with the faults of the scenario: the scripted ones, and the `real` ones for the other parts."""
        scripted = acting(self.scenario.replies, self.caller_speech)
        if real is not None and not self.scenario.replies:
            voiced = replace(real, stt=scripted.stt, tts=scripted.tts, speech=None)
            scripted = voiced if self.scenario.speech else real
        return wrapped(scripted, self.scenario.providers, self.scenario.seed)

    def judged(self, call: Call, slack: float = 1.0, words: int = 0) -> CallVerdict:
        """The verdict on `call`. Waits may be `slack` times as long as expected, and interrupted replies may differ by
        `words` words."""
        verdict, wanted = judge(call, self.steps.done, self.steps.left), self.scenario
        faults = missed(self.steps.done, self.steps.told, verdict.turns, slack)
        if wanted.memory and (fault := differs(wanted.memory, self.memory, words)):
            faults.append(fault)
        if wanted.ending and wanted.ending != self.ending:
            faults.append(f"the conversation ended with {self.ending!r}, not {wanted.ending!r}")
        return replace(verdict, missed=tuple(faults))


class SimulatedGateway(Gateway):
    """A gateway whose agents are those of the runs, by name, with the faulty providers of the scenarios."""

    def __init__(
        self, config: GatewayConfig, scenes: Mapping[str, ScenarioRun], tell: Tell, used: UsageReport | None = None
    ) -> None:
        others = {name: one.agent_of(config) for name, one in scenes.items() if name != DEFAULT}
        super().__init__(config, others)
        self._scenes = scenes
        self._tell = tell
        self._used = used
        self._agents: dict[str, str] = {}
        """The agent that took each call, by the call's identity."""
        self.watchers.add(self._note)

    def used(self, report: Used) -> None:
        """See `Gateway.used`."""
        if self._used:
            self._used(report)

    def open_providers(
        self, config: AgentConfig, choice: ProviderChoice, speech: LocalSpeech | None
    ) -> AbstractAsyncContextManager[Providers]:
        """See `Gateway.open_providers`."""
        name = next(name for name, one in self.agents.all.items() if one.config is config)
        scene = self._scenes.get(name) or next(iter(self._scenes.values()))

        @contextlib.asynccontextmanager
        async def faulty() -> AsyncIterator[Providers]:
            if scene.scenario.replies:
                yield scene.providers()
                return
            unused = LocalSpeech(config.table("local")) if scene.scenario.speech else None
            async with opened(config, choice, speech or unused) as providers:
                yield scene.providers(providers)

        return faulty()

    def _note(self, event: Event) -> None:
        if isinstance(event, CallBegan):
            self._agents[event.call] = event.agent
        scene = self._scenes.get(self._agents.get(event.call, ""))
        if scene is None:
            return
        if isinstance(event, CallReported):
            scene.steps.tell(event.report, asyncio.get_running_loop().time())
            _show(event.report, self._tell)
        elif isinstance(event, CallEnded):
            live = self.calls.get(event.call)
            talk = live.context.conversation if live else None
            scene.memory, scene.ending = remembered(talk.call_control.messages if talk else ()), event.ending.kind
            scene.over.set()


def _show(report: Report, tell: Tell) -> None:
    match report:
        case CallerSaid(text, final=True):
            tell("caller", text)
        case AgentSays(text):
            tell("agent", text)
        case Interrupted(heard):
            tell("fault", f"interrupted; heard: {heard}")
        case ProviderFailed(part, cause):
            tell("fault", f"{part}: {cause}")


async def simulate(
    scenario: Scenario,
    folder: Path,
    tell: Tell,
    *,
    config: GatewayConfig | None = None,
    target: Uri | None = None,
    watch: Watcher | None = None,
    used: UsageReport | None = None,
) -> tuple[CallVerdict, Call]:
    """Play `scenario`, whose files stand in `folder`, against `target` or a gateway that is started for it.

    `watch` gets the events of that gateway, and `used` what it uses. Raises `ScenarioError`, and the errors of the
    gateway and the call.
    """
    inside = scenario.speech or scenario.providers != ProviderFaults()
    if config and config.agent.realtime and not scenario.replies and inside:
        raise ScenarioError("[agent] realtime takes the place of stt, llm and tts: none can fail or be scripted")
    scene = await ScenarioRun.of(scenario, folder)
    async with contextlib.AsyncExitStack() as stack:
        host, own = "0.0.0.0", target is None
        if target is None:
            config = scene.config if scenario.replies else config
            gateway = await stack.enter_async_context(started(config, {DEFAULT: scene}, tell, watch, used))
            target, host = Uri("sip", DEFAULT, "127.0.0.1", gateway.endpoint.port), "127.0.0.1"
        phone = await stack.enter_async_context(CallerPhone(host))
        call = await dialled(phone, target, scene, host)
        if own:
            async with asyncio.timeout(OVER):
                await scene.over.wait()
    return scene.judged(call, SLACK, WORDS), call


@contextlib.asynccontextmanager
async def started(
    config: GatewayConfig | None,
    scenes: Mapping[str, ScenarioRun],
    tell: Tell,
    watch: Watcher | None = None,
    used: UsageReport | None = None,
) -> AsyncIterator[SimulatedGateway]:
    """A gateway for `scenes`; the agent of `config` takes the run with its name."""
    with tempfile.TemporaryDirectory() as store:
        gateway = SimulatedGateway(trial(config, Path(store)), scenes, tell, used)
        if watch:
            gateway.watchers.add(watch)
        async with gateway:
            yield gateway


async def dialled(phone: CallerPhone, target: Uri, scene: ScenarioRun, host: str = "127.0.0.1") -> Call:
    """Play a scene in a call to `target`."""
    wanted = scene.scenario
    async with NetworkRelay(wanted.network, wanted.seed, host) as relay:
        return await phone.call(target, scene.steps, wanted.limit, relay=relay)


def trimmed(ulaw: bytes) -> bytes:
    """`ulaw` without the inaudible sound at both ends."""
    frames = range(0, len(ulaw), 160)
    loud = [at for at in frames if level(ulaw[at : at + 160]) > AUDIBLE]
    return ulaw[loud[0] : loud[-1] + 160] if loud else ulaw


def rustling(seconds: float) -> bytes:
    """Mu-law sound like a cough or a slammed door: as loud as speech, and not periodic. It is the same every time."""
    source = random.Random(8000)
    linear = array("h", (source.randint(-LOUD, LOUD) for _ in range(round(seconds * SAMPLE_RATE))))
    return from_linear(linear.tobytes())


def _sound(step: Step, folder: Path) -> bytes:
    """The sound of a step for scripted STT, which knows its words."""
    if step.wav:
        return _recorded(step.wav, folder)
    if step.noise:
        return rustling(step.noise)
    return with_noise(LETTER * len(step.say))


async def sounds(scenario: Scenario, folder: Path) -> list[bytes]:
    """The sounds of the steps; empty for steps without sound. Raises `ScenarioError`."""
    if scenario.replies or scenario.speech:
        return [trimmed(_sound(step, folder)) for step in scenario.steps]
    heard = await spoken([(step.say, step.wav) for step in scenario.steps], folder)
    # The silence at the end of a recording belongs to the caller's pause: the agent may answer in it.
    return [
        _sound(step, folder) if step.noise else trimmed(sound)
        for step, sound in zip(scenario.steps, heard, strict=True)
    ]


async def spoken(lines: Sequence[tuple[str, str]], folder: Path) -> list[bytes]:
    """The sound of each line: a sentence, which the embedded voice speaks, or a file. Raises `ScenarioError`."""
    made: dict[str, bytes] = {}
    sentences = [sentence for sentence, _ in lines if sentence]
    if sentences:
        async with LocalSpeech(LocalSpeechOptions()) as speech:
            speech.require()
            tts = speech.tts()
            await tts.open()
            for sentence in dict.fromkeys(sentences):
                made[sentence] = with_noise(b"".join([piece async for piece in tts.speak(sentence)]))
            await tts.close()
    return [made[sentence] if sentence else _recorded(name, folder) for sentence, name in lines]


def _recorded(name: str, folder: Path) -> bytes:
    if not name:
        return b""
    own = folder / name
    try:
        if own.exists():
            return with_noise(read_ulaw(own))
        with as_file(files("sipgw") / "demo_voice" / Path(name).name) as path:
            return with_noise(read_ulaw(path))
    except (OSError, WavError) as error:
        raise ScenarioError(f"wav = {name!r}: {getattr(error, 'strerror', None) or error}") from None


def seeded(scenario: Scenario, seed: int | None) -> Scenario:
    """`scenario` with another seed: None keeps its own, 0 draws a random one."""
    if seed is None:
        return scenario
    return replace(scenario, seed=seed or random.SystemRandom().randrange(1, 10**6))
