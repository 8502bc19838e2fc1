"""Calls over real SIP and RTP with scripted providers and a scripted caller, kept as bundles."""

import asyncio
import contextlib
import random
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.llm import Message, Piece
from agent.stt import Onset, Transcript
from agent.turn_taking.table import State
from media.dtmf.events import KEYS
from media.g711 import ULAW_TO_ALAW
from media.rtp import packet as rtp
from sipgw.agents.providers import Providers, assembled
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import CallSession
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.people import PersonOptions
from sipgw.config.records import CaptureOptions
from sipgw.gateway.gateway import Gateway
from sipgw.records.bundles.bundle import Bundle, read_bundle
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.uri import Uri
from sipgw.tools.trial import EMBEDDED, trial
from tests.agent.hearing.mixing import at_level, to_ulaw, ulaw_clip
from tests.callee import Callee, callee
from tests.fakes.line import FakeLlm, FakeStt, FakeTts
from tests.gate_world import ALWAYS
from tests.phone import Phone, now
from tests.waiting import HANG

STARTING = asyncio.Lock()
"""Databases are made one after the other."""
NUMBER = "+14155550123"
SILENCE = b"\xff" * 160
PAUSE = 0.25
"""Seconds that a recogniser takes for its final words."""


SPEECH = to_ulaw(at_level(ulaw_clip("lv_0880.wav"), -20.0))
VOICED = [SPEECH[160 * number : 160 * number + 160] for number in range(74, 124)]
"""A second of speech without a pause, in frames of 20 ms."""


@dataclass
class ScriptedProviders:
    """The providers of the calls of one scene, and what is wrong with them."""

    answers: dict[str, Sequence[Piece | float | Exception]]
    """What the model answers by words of the last message, the first that fit; a tool's result fits ``tool``."""
    stt: list[Callable[[], FakeStt]] = field(default_factory=lambda: [FakeStt])
    llms: int = 1
    tts_sessions: list[Callable[[], FakeTts]] = field(default_factory=lambda: [FakeTts])
    refused: Exception | None = None
    """What the first model answers always."""
    heard: list[FakeStt] = field(default_factory=list)
    """All STT so far, the latest last."""

    def _think(self, messages: Sequence[Message]) -> Sequence[Piece | float | Exception]:
        last = messages[-1]
        text = f"tool {last['content']}" if last["role"] == "tool" else str(last["content"])
        return next(reply for words, reply in self.answers.items() if words.lower() in text.lower())

    def _refuse(self, messages: Sequence[Message]) -> Sequence[Piece | float | Exception]:
        assert self.refused
        return [0.05, self.refused]

    def providers(self, config: GatewayConfig) -> Providers:
        def listening(make: Callable[[], FakeStt]) -> Callable[[], FakeStt]:
            def made() -> FakeStt:
                self.heard.append(make())
                return self.heard[-1]

            return made

        llms = [FakeLlm(self._think, f"model {number}") for number in range(self.llms)]
        if self.refused:
            llms[0].script = self._refuse
        return assembled(list(map(listening, self.stt)), llms, self.tts_sessions, config.failover)


class ScriptedGateway(Gateway):
    """A gateway with the providers of a scene."""

    def __init__(self, config: GatewayConfig, scripted_providers: ScriptedProviders) -> None:
        super().__init__(config)
        self.scripted_providers = scripted_providers

    @contextlib.asynccontextmanager
    async def open_providers(self, config: GatewayConfig, choice: Any, speech: Any) -> AsyncIterator[Providers]:  # type: ignore[override]
        yield self.scripted_providers.providers(config)


class Caller(Phone):
    """A caller who speaks, presses keys and keeps quiet, over a network that may be bad."""

    scripted_providers: ScriptedProviders
    scripted: ScriptedGateway
    dtx = False
    """Whether nothing is sent while the caller is silent."""
    alaw = False

    def __init__(self) -> None:
        super().__init__()
        self.frames: deque[bytes] = deque()
        self.events: deque[bytes] = deque()
        self.network: Callable[[random.Random], float | None] = lambda chance: 0.0
        """The delay of a packet; None: it is lost."""

    async def talk(self) -> None:
        """Send 20 ms frames on absolute deadlines for ever."""
        start, chance, loop = now(), random.Random(7), asyncio.get_running_loop()
        frame = number = 0
        began = 0
        while True:
            await asyncio.sleep(max(0.0, start + frame * 0.02 - now()))
            stamp, kind, payload = 5000 + 160 * frame, 0, self.frames.popleft() if self.frames else SILENCE
            frame += 1
            if self.events:
                kind, payload = 101, self.events.popleft()
                began = stamp if payload[2:] == (160).to_bytes(2, "big") else began
                stamp = began
            elif self.dtx and payload is SILENCE:
                continue
            if not kind and self.alaw:
                kind, payload = 8, payload.translate(ULAW_TO_ALAW)
            packet = rtp.build(kind, number == 0, 1000 + number, stamp, 0x5EED, payload)
            number += 1
            delay = self.network(chance)
            if delay is not None:
                loop.call_later(delay, self._transport.sendto, packet, self.remote)

    @property
    def stt(self) -> FakeStt:
        return self.scripted_providers.heard[-1]

    @property
    def live(self) -> CallSession | None:
        return next(iter(self.scripted.calls.values()), None)

    async def until(self, state: State) -> None:
        """Wait until the conversation is in `state`."""
        async with asyncio.timeout(HANG):
            while not (self.live and self.live.row()["turn"] == state.value):
                await asyncio.sleep(0.01)

    async def listen(self) -> None:
        """Wait until the agent has begun to speak and has finished."""
        await self.until(State.SPEAKING)
        await self.until(State.LISTENING)

    async def noise(self, seconds: float) -> None:
        """Make a sound."""
        self.frames.extend(VOICED[number % len(VOICED)] for number in range(round(seconds / 0.02)))
        await asyncio.sleep(seconds)

    async def say(
        self, text: str, seconds: float = 1.2, *, eager: bool = False, partial: bool = True, final: bool = True
    ) -> None:
        """Speak; partial words come while speaking, the final ones a moment later."""
        words = text.split()
        await self.noise(seconds / 2)
        if partial:
            self.hear(" ".join(words[: len(words) // 2 + 1]))
        await self.noise(seconds / 2)
        await asyncio.sleep(0.15)
        end = self.stt.sound / 8000 - 0.15
        if eager:
            self.hear(text, eager=True, end=end)
        await asyncio.sleep(PAUSE)
        if final:
            self.hear(text, final=True, end=end)

    def hear(self, text: str, *, final: bool = False, eager: bool = False, end: float | None = None) -> None:
        """Have the STT report words."""
        end = self.stt.sound / 8000 if end is None else end
        self.stt.heard.put_nowait(Transcript(text, final, eager, round(end, 3)))

    def onset(self) -> None:
        """Have the STT notice a sound."""
        self.stt.heard.put_nowait(Onset(self.stt.sound / 8000))

    async def press(self, keys: str) -> None:
        """Press keys: telephone events of 100 ms (RFC 4733)."""
        for key in keys:
            code = KEYS.index(key)
            self.events.extend(
                bytes((code, 0x8A if beat > 4 else 0x0A)) + min(160 * (beat + 1), 800).to_bytes(2, "big")
                for beat in range(7)
            )
            await asyncio.sleep(0.3)

    async def hold(self, *, on: bool) -> None:
        """Put the agent on hold, or come back."""
        assert self.leg
        sdp = self.leg.local.decode()
        wanted = sdp.replace("a=sendrecv", "a=sendonly") if on else sdp.replace("a=sendonly", "a=sendrecv")
        origin = next(line for line in sdp.splitlines() if line.startswith("o="))
        parts = origin.split()
        await self.leg.reinvite(
            wanted.replace(origin, " ".join([*parts[:2], str(int(parts[2]) + 1), *parts[3:]])).encode()
        )

    def hang_up(self) -> None:
        assert self.leg
        self.leg.hangup()


Act = Callable[[Caller], Awaitable[None]]


Change = Callable[[GatewayConfig], GatewayConfig]


@dataclass(frozen=True)
class Scene:
    """One call: `act` is what the caller does, or `machine` is what a machine says that we call."""

    act: Act | None
    scripted_providers: ScriptedProviders
    change: Change = lambda config: config
    person: Callable[[Callee, Leg], None] | None = None
    """What a colleague does whom callers are transferred to."""
    machine: bytes = b""
    offer: Callable[[bytes], bytes] = lambda sdp: sdp


def _playing(sound: bytes) -> Callable[[int], bytes]:
    return lambda number: sound[160 * number : 160 * number + 160].ljust(160, b"\xff")


async def perform(scene: Scene, folder: Path) -> Bundle:
    """Hold the call; returns its bundle."""
    async with contextlib.AsyncExitStack() as stack:
        store = stack.enter_context(tempfile.TemporaryDirectory())
        person = await stack.enter_async_context(callee(scene.person or Callee.pick_up, _playing(scene.machine)))
        capture = CaptureOptions(bundles="always", bundle_folder=str(folder))
        config = replace(trial(GatewayConfig(agent=EMBEDDED), Path(store)), capture=capture)
        gate = GateOptions(countries=("US",), windows=ALWAYS)
        config = replace(
            config, trunks=(*config.trunks, person.trunk(networks=("127.0.0.3/32",), country="US")), gate=gate
        )
        if scene.person:
            config = replace(config, people=(PersonOptions("billing", NUMBER, trunk="carrier", ring_timeout=3.0),))
        async with STARTING:
            scripted = await stack.enter_async_context(ScriptedGateway(scene.change(config), scene.scripted_providers))
        if scene.act is None:
            await scripted.originate(OriginateRequest(NUMBER, "agent", trunk="carrier")).ended()
        else:
            await called(scene, scene.act, scripted)
        async with asyncio.timeout(HANG):
            while not (found := list(folder.glob("*.call.zip"))):
                await asyncio.sleep(0.05)
    return read_bundle(found[0])


async def called(scene: Scene, act: Act, scripted: ScriptedGateway) -> None:
    """Call the agent, act, and wait until the call is over."""
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(Caller, ("127.0.0.1", 0))
    phone.scripted_providers, phone.scripted = scene.scripted_providers, scripted
    options = EndpointOptions(host="127.0.0.1", port=0, tcp=False)
    async with Endpoint(options, lambda leg: leg.reject(603), lambda *_: DROP) as endpoint:
        local = LocalMedia("127.0.0.1", transport.get_extra_info("sockname")[1], tls=False)
        offer = scene.offer(make_offer(local))
        target = Uri("sip", "agent", "127.0.0.1", scripted.endpoint.port)
        phone.leg, reply = await endpoint.invite(target, "<sip:+14155550123@127.0.0.1>", offer)
        negotiated = accept_answer(offer, reply or b"", local)
        phone.alaw = negotiated.encoding == "PCMA"
        phone.remote = (negotiated.remote_address, negotiated.remote_port)
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            tasks = [group.create_task(phone.talk()), group.create_task(_follow(phone, phone.leg))]
            await act(phone)
            await tasks[1]
            tasks[0].cancel()
    transport.close()


async def _follow(phone: Caller, leg: Leg) -> None:
    async for _ in leg.events():
        pass
