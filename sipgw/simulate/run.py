"""One simulation: a gateway with faulty providers, or somebody else's; a caller behind a bad network; the verdict."""

import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from agent.providers.local.host import LocalSpeech, LocalSpeechOptions
from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed
from sipgw.caller import Call, Phone, with_noise
from sipgw.config import Config
from sipgw.events import CallReported, Event, Watcher
from sipgw.gateway import Gateway
from sipgw.providers import Choice, Providers, opened
from sipgw.simulate.faults import wrapped
from sipgw.simulate.follow import Steps
from sipgw.simulate.relay import NetworkRelay
from sipgw.simulate.scenario import ProviderOptions, Scenario, ScenarioError
from sipgw.simulate.verdict import Verdict, judge
from sipgw.sip.uri import Uri
from sipgw.trial import trial
from sipgw.wav import WavError, read_ulaw

Tell = Callable[[str, str], None]
"""Takes who (``caller``, ``agent``, ``fault``) and what was said."""


class SimulatedGateway(Gateway):
    """A gateway whose providers fail as the scenario says."""

    def __init__(self, config: Config, faults: ProviderOptions, seed: int) -> None:
        super().__init__(config)
        self._faults = (faults, seed)

    def open_providers(
        self, config: Config, choice: Choice, speech: LocalSpeech | None
    ) -> AbstractAsyncContextManager[Providers]:
        """See `Gateway.open_providers`."""

        @contextlib.asynccontextmanager
        async def faulty() -> AsyncIterator[Providers]:
            async with opened(config, choice, speech) as providers:
                yield wrapped(providers, *self._faults)

        return faulty()


async def simulate(
    scenario: Scenario,
    folder: Path,
    tell: Tell,
    *,
    config: Config | None = None,
    target: Uri | None = None,
    watch: Watcher | None = None,
) -> tuple[Verdict, Call]:
    """Play `scenario`, whose files stand in `folder`, against `target` or a gateway that is started for it.

    `watch` is told what happens in that gateway.

    Raises `ScenarioError`, and what the gateway and the call raise.
    """
    steps = Steps(scenario.steps, await sounds(scenario, folder))
    async with contextlib.AsyncExitStack() as stack:
        if target is None:
            store = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            gateway = SimulatedGateway(trial(config, store), scenario.providers, scenario.seed)
            gateway.watchers.add(lambda event: _watch(event, steps, tell))
            if watch:
                gateway.watchers.add(watch)
            await stack.enter_async_context(gateway)
            target = Uri("sip", "agent", "127.0.0.1", gateway.endpoint.port)
            host = "127.0.0.1"
        else:
            host = "0.0.0.0"
        phone = await stack.enter_async_context(Phone(host))
        relay = await stack.enter_async_context(NetworkRelay(scenario.network, scenario.seed, host))
        call = await phone.call(target, steps, scenario.limit, relay=relay)
    return judge(call, steps.done, steps.left), call


def _watch(event: Event, steps: Steps, tell: Tell) -> None:
    if not isinstance(event, CallReported):
        return
    match event.report:
        case CallerSaid(text, final=True):
            tell("caller", text)
        case AgentSays(text):
            steps.words += f" {text}"
            tell("agent", text)
        case Interrupted(heard):
            tell("fault", f"interrupted; heard: {heard}")
        case ProviderFailed(part, cause):
            tell("fault", f"{part}: {cause}")


async def sounds(scenario: Scenario, folder: Path) -> list[bytes]:
    """What the steps sound like; nothing for those that make no sound. Raises `ScenarioError`."""
    return await spoken([(step.say, step.wav) for step in scenario.steps], folder)


async def spoken(lines: Sequence[tuple[str, str]], folder: Path) -> list[bytes]:
    """The sound of each line: a sentence, which the embedded voice speaks, or a file. Raises `ScenarioError`."""
    made: dict[str, bytes] = {}
    sentences = [sentence for sentence, _ in lines if sentence]
    if sentences:
        async with LocalSpeech(LocalSpeechOptions()) as speech:
            speech.require()
            voice = speech.voice()
            await voice.open()
            for sentence in dict.fromkeys(sentences):
                made[sentence] = with_noise(b"".join([piece async for piece in voice.speak(sentence)]))
            await voice.close()
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
    """`scenario` with another seed; 0 draws one."""
    if seed is None:
        return scenario
    return replace(scenario, seed=seed or random.SystemRandom().randrange(1, 10**6))
