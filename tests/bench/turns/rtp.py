"""The same calls over real SIP and RTP: a whole gateway, and what the caller's telephone really gets.

`OverRtp.place` takes the place of `held_call`. The caller's side is that of `line`: mouth, echo, background and noise
are mixed frame by frame, sent as RTP, and what comes back is looked up in what the voice has made, so that nothing of
the gateway is asked what was heard. With the embedded recogniser the voice is the embedded one, too.
"""

import asyncio
import contextlib
import tempfile
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from agent.providers.local.host import LocalSpeech, LocalSpeechOptions
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import Providers
from sipgw.config.agent import AgentOptions
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.events import CallBegan, CallEnded, Event
from sipgw.gateway.gateway import Gateway
from sipgw.sip.uri import Uri
from sipgw.tools.trial import trial
from tests.bench.turns.agent_side import Model, remembered, words_of
from tests.bench.turns.call import GREETING, THINKING, Caller, Held, Hold, RecordedVoice, Reply, Script, clip_for
from tests.bench.turns.corpus import FRAME, Clip
from tests.bench.turns.line import TICK, BenchLine, Room, Wire
from tests.bench.turns.recognisers import Embedded
from tests.phone import Phone, calling

SILENCE = b"\xff" * FRAME
LINES = 4
"""Calls at the same time."""
LAST = 60.0
"""Seconds after the caller's end in which the gateway has ended the call."""
LATE = 0.04
"""Seconds by which a frame that leaves later makes the agent look slow, or the caller's sound broken."""
GAVE_UP = 2.0
"""Seconds of silence after which the rest of a reply no longer comes."""


@dataclass
class Utterance:
    """A sentence that the voice was given, and what it has made of it so far."""

    text: str
    clip: Clip | None
    """The recording, if the voice speaks with those."""
    sound: bytearray = field(default_factory=bytearray)


class HeardPlayout:
    """What the caller hears, known again in what the voice made. Has the figures of `line.Playout`."""

    def __init__(self) -> None:
        self.spoken: list[Utterance] = []
        self.arrived: deque[bytes] = deque()
        self.reached: dict[int, int] = {}
        self.busy: list[bool] = []
        self._at = -1, 0
        self._silent = 0

    @property
    def left(self) -> int:
        """Samples of the present utterance that have not been heard."""
        number, offset = self._at
        return len(self.spoken[number].sound) - offset if number >= 0 else 0

    @property
    def idle(self) -> bool:
        """Nothing more comes, as far as a caller can tell."""
        return (self.left < FRAME and self._silent > 0) or self._silent * TICK > GAVE_UP

    def tick(self) -> tuple[bytes, int, int]:
        """See `line.Playout.tick`."""
        while len(self.arrived) > 4:  # this side was late
            self._take(self.arrived.popleft())
        ulaw = self.arrived.popleft() if self.arrived else SILENCE
        number, offset = self._take(ulaw)
        self._silent = 0 if number >= 0 else self._silent + 1
        self.busy.append(number >= 0)
        return ulaw, number, offset

    def _take(self, ulaw: bytes) -> tuple[int, int]:
        """Of which utterance this is, and where in it; -1 for silence between them."""
        number, offset = self._at
        if number >= 0 and ulaw == self.spoken[number].sound[offset : offset + FRAME]:
            return self._is(number, offset)
        if not ulaw.strip(b"\xff\x7f"):
            return -1, 0
        # At a pause its beginning is faded, and one frame may hold the end of a sentence and the next one's beginning.
        half = ulaw[FRAME // 2 :]
        if len(set(half)) > FRAME // 16:
            for other in range(max(0, number), len(self.spoken)):
                first = max(0, offset - FRAME) if other == number else 0
                if (found := self.spoken[other].sound.find(half, first)) >= 0:
                    return self._is(other, found - FRAME // 2)
        return max(0, number), offset

    def _is(self, number: int, offset: int) -> tuple[int, int]:
        self._at = number, offset + FRAME
        self.reached[number] = offset + FRAME
        return number, max(0, offset)


class RtpLine(BenchLine):
    """The caller's telephone."""

    playout: HeardPlayout  # type: ignore[assignment]

    def __init__(self, room: Room) -> None:
        super().__init__(room, {})
        self.playout = HeardPlayout()
        self.phone: Phone | None = None
        self.late = 0
        """Frames that left too late, because the machine was busy."""
        self._began = 0.0
        self._taken = 0
        self._sent = bytearray()
        self.wire.later = 0
        self._on_the_way = []
        self.enter()  # and a frame that waits in the telephone's buffer

    def frame(self) -> bytes:
        """The next 20 ms for the gateway."""
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        self.late += now - self._began - self.ticks * TICK > LATE
        if self.phone is not None:
            fresh = self.phone.received[self._taken :]
            self._taken += len(fresh)
            self.playout.arrived += [packet.payload for _, packet in fresh if packet.payload_type == 0]
        self._play()
        ulaw = self._hear()
        self._sent += ulaw
        self.ticks += 1
        return ulaw

    def aligned(self, ulaw: bytes, heard: int) -> bool:
        """Whether this sound, which the recogniser gets after `heard` samples, was found in what was sent.

        The words' places then count from the recogniser's first sample on.
        """
        found = self._sent.find(ulaw[:FRAME])
        if found < 0:
            return False
        ahead = (found - heard) // FRAME
        self.wire.later = -ahead
        self.wire.shift(ahead)
        return True

    def clip(self, utterance: int) -> Clip | None:
        return self.playout.spoken[utterance].clip if 0 <= utterance < len(self.playout.spoken) else None

    def said(self, utterance: int) -> tuple[str, int]:
        one = self.playout.spoken[utterance]
        return one.text, len(one.sound)


class Voice:
    """Notes what another voice says."""

    def __init__(self, inner: Any, playout: HeardPlayout, recorded: bool) -> None:
        self.name = inner.name
        self._inner, self._playout, self._recorded = inner, playout, recorded

    async def open(self) -> None:
        await self._inner.open()

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Any, None]:
        clip = clip_for(text) if self._recorded else None
        said = Utterance(clip.text if clip else " ".join(words_of(text)), clip)
        self._playout.spoken.append(said)
        async for piece in self._inner.speak(text, before):
            if isinstance(piece, bytes):
                said.sound += piece
            yield piece

    async def close(self) -> None:
        await self._inner.close()


class Recogniser:
    """Gives a fake its sound, and tells it where in the caller's that is."""

    def __init__(self, inner: Any, line: RtpLine) -> None:
        self._inner, self._line = inner, line
        self._aligned = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send_audio(self, ulaw: bytes) -> None:
        self._aligned = self._aligned or self._line.aligned(ulaw, self._inner.heard)
        self._inner.send_audio(ulaw)


@dataclass
class Slot:
    """One agent of the gateway, and the call that it has."""

    caller: Caller
    line: RtpLine
    kind: Callable[[Wire], Any]
    over: asyncio.Event = field(default_factory=asyncio.Event)


class BenchGateway(Gateway):
    """A gateway with an agent for each of the calls at the same time."""

    def __init__(self, config: GatewayConfig, speech: LocalSpeech) -> None:
        names = [f"line{number}" for number in range(LINES)]
        super().__init__(config, {name: AgentConfig(agent=config.agent) for name in names})
        self.slots: dict[str, Slot] = {}
        self.free: asyncio.Queue[str] = asyncio.Queue()
        for name in names:
            self.free.put_nowait(name)
        self.frames = self.late = 0
        self._speech = speech
        self._agents: dict[str, str] = {}
        self.watchers.add(self._note)

    def open_providers(
        self, config: AgentConfig, choice: ProviderChoice, speech: LocalSpeech | None
    ) -> AbstractAsyncContextManager[Providers]:
        """See `Gateway.open_providers`."""
        name = next(name for name, one in self.agents.all.items() if one.config is config)

        @contextlib.asynccontextmanager
        async def own() -> AsyncIterator[Providers]:
            model = Model(lambda: self._answer(name), lambda: asyncio.sleep(THINKING))
            yield Providers(lambda: self._stt(name), model, lambda language: self._tts(name), None, paces=True)

        return own()

    def _answer(self, name: str) -> str:
        caller = self.slots[name].caller
        caller.held.replies.append(Reply(caller.now, caller.reply))
        return caller.reply

    def _stt(self, name: str) -> Any:
        slot = self.slots[name]
        if slot.kind is Embedded:
            return self._speech.stt()
        slot.caller.held.recogniser = slot.kind(slot.line.wire)
        return Recogniser(slot.caller.held.recogniser, slot.line)

    def _tts(self, name: str) -> Voice:
        slot = self.slots[name]
        embedded = slot.kind is Embedded
        return Voice(self._speech.tts() if embedded else RecordedVoice(), slot.line.playout, not embedded)

    def _note(self, event: Event) -> None:
        if isinstance(event, CallBegan):
            self._agents[event.call] = event.agent
        elif isinstance(event, CallEnded) and (slot := self.slots.get(self._agents.pop(event.call, ""))):
            live, held = self.calls.get(event.call), slot.caller.held
            talk: Any = live.context.conversation if live else None
            held.memory = remembered(talk) if talk else []
            held.ended = "" if event.ending.kind == "caller_hung_up" else f"{event.ending.kind}: {event.ending.cause}"
            slot.over.set()

    async def hold(self, script: Script, kind: Callable[[Wire], Any], room: Room) -> Held:
        """One call."""
        name = await self.free.get()
        line = RtpLine(room)
        held = Held(line)
        slot = self.slots[name] = Slot(Caller(held), line, kind)
        try:
            target = Uri("sip", name, "127.0.0.1", self.endpoint.port)
            async with calling(target, lambda _: line.frame()) as line.phone:
                await slot.caller.answered()
                await script(slot.caller)
            async with asyncio.timeout(LAST):
                await slot.over.wait()
        finally:
            self.free.put_nowait(name)
            self.frames += line.ticks
            self.late += line.late
        return held


class OverRtp:
    """A gateway on a loop of its own; `place` may be called by several threads at the same time."""

    def __init__(self, *, embedded: bool) -> None:
        """`embedded` is whether the embedded parts are needed."""
        self._embedded = embedded
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = contextlib.AsyncExitStack()
        self._gateway: BenchGateway | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    async def _start(self) -> None:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        speech = LocalSpeech(LocalSpeechOptions())
        if self._embedded:
            await self._stack.enter_async_context(speech)
            speech.require()
        agent = AgentOptions(prompt="You are a test.", greeting=GREETING, stt="local", llm="local", tts="local")
        config = trial(GatewayConfig(agent=agent), Path(folder))
        self._gateway = await self._stack.enter_async_context(BenchGateway(config, speech))

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def late(self) -> float:
        """Per cent of the callers' frames that left too late: of more than a few, no figure is the agent's alone."""
        assert self._gateway is not None
        return 100 * self._gateway.late / max(1, self._gateway.frames)

    def place(self, script: Script, kind: Callable[[Wire], Any], room: Room | None, hold: Hold) -> Held:
        """See `call.held_call`; whose agent it is cannot be chosen."""
        assert self._gateway is not None
        call = self._gateway.hold(script, kind, room or Room())
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()
