"""The built-in caller: a recorded human voice calls a gateway of its own over real SIP and RTP, and shows the call."""

import asyncio
import random
import re
import tempfile
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed, ToolDone, TurnEnded
from agent.ulaw import from_linear, level, to_linear
from media import channel as media
from media.engine import MediaEngine, MediaOptions
from media.session import Format
from sipgw.config import AgentOptions, Config
from sipgw.events import CallReported, Event
from sipgw.gateway import Gateway
from sipgw.sip.endpoint import DROP, Endpoint, EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.uri import Uri
from sipgw.store import StoreOptions
from sipgw.wav import read_ulaw, write_stereo

LIMIT = 120.0
"""Seconds after which the demo is given up."""
QUIET = 0.8
"""Seconds of silence after which the caller takes it that the agent has finished."""
INTERRUPT_AFTER = 2.5
"""Seconds that the agent has been speaking when the caller interrupts it."""
AUDIBLE = 120.0
"""Root mean square of the agent's sound above which the caller hears it."""
NOISE = 60
"""Amplitude of the line noise under the caller's voice (16-bit scale)."""


@dataclass(frozen=True)
class Cue:
    """What the caller says when the agent has said something that holds `hears`."""

    hears: str
    file: str
    interrupts: bool = False
    """Said while the agent is still speaking."""
    confirms: str = ""
    """Digits that the agent has to have read back; if it misheard them the caller says them again instead."""


PHONE_NUMBER = "4155550123"
"""What ``phone_number.wav`` says."""
AGAIN = 2
"""How often the caller says the number again."""
SCRIPT = (
    Cue("how can i help", "ask_order.wav"),
    Cue("order number", "order_number.wav"),
    Cue("raincoat", "interrupt.wav", interrupts=True),
    Cue("number", "phone_number.wav"),
    Cue("right?", "yes.wav", confirms=PHONE_NUMBER),
    Cue("correct?", "yes.wav", confirms=PHONE_NUMBER),
    Cue("anything else", "goodbye.wav"),
)


@dataclass
class Result:
    """The call as it was."""

    turns: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    caller: bytes = b""
    agent: bytes = b""
    verdict: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the tool was called and its answer was spoken."""
        return not self.verdict

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"succeeded": self.succeeded, "verdict": self.verdict, "turns": self.turns}

    def write_wav(self, path: Path) -> None:
        """Left the caller, right the agent."""
        write_stereo(path, self.caller, self.agent)

    def judge(self) -> None:
        """Find out whether the conversation did what it should."""
        runs = [run for turn in self.turns for run in turn["tools"] if not run["error"]]
        looked_up = [run for run in runs if run["name"] == "get_order_status"]
        if not looked_up:
            self.verdict = "the order was never looked up"
            return
        item = str(looked_up[0]["result"]["item"]).split()[-1]
        if not any(item in turn["heard"] or (turn["interrupted"] and item in turn["said"]) for turn in self.turns):
            self.verdict = f"the caller never heard of the {item}"
        elif not any(run["name"] == "schedule_callback" for run in runs):
            self.verdict = "no call back was arranged"


async def hold_demo(out: Console) -> Result:
    """Run the gateway and the caller on loopback. Raises what the gateway raises when it cannot start."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            agent=AgentOptions(ears="local", model="local", voice="local"),
            sip=EndpointOptions(host="127.0.0.1", port=0),
            media=MediaOptions(bind_host="127.0.0.1"),
            store=StoreOptions(path=str(Path(folder) / "demo.db")),
        )
        show = Show(out)
        out.print("loading the embedded models ...", style="dim")
        gateway = Gateway(config)
        gateway.watchers.add(show.watch)
        async with gateway, Caller(show) as caller:
            target = Uri("sip", "agent", "127.0.0.1", gateway.endpoint.port)
            await caller.call(target)
        show.result.judge()
        show.summary()
        return show.result


class Show:
    """Prints the call as it goes on, and keeps it."""

    def __init__(self, out: Console) -> None:
        self.result = Result()
        self.heard_of = ""
        """What the agent has said since the caller last spoke."""
        self._out = out

    def watch(self, event: Event) -> None:
        """Take what happens in the call."""
        if not isinstance(event, CallReported):
            return
        match event.report:
            case CallerSaid(text, final=True):
                self._out.print(f"[cyan]caller[/]  {escape(text)}")
            case AgentSays(text):
                self.heard_of += f" {text}"
                self._out.print(f"[green]agent [/]  {escape(text)}")
            case ToolDone(run):
                came = run.error or run.result
                self._out.print(f"[magenta]tool  [/]  {run.name} {escape(f'{run.arguments} → {came}')}", style="dim")
            case Interrupted(heard):
                self._out.print(f"[yellow]        interrupted; heard: {escape(heard)}[/]")
            case ProviderFailed(part, cause):
                self._out.print(f"[red]failed[/]  {part}: {escape(cause)}")
            case TurnEnded(turn):
                self.result.turns.append(turn.as_dict())
                parts = turn.times.parts_ms()
                if "total" in parts:
                    self._out.print(f"        {waterfall(parts)}", style="dim")

    def summary(self) -> None:
        """Print what the turns took."""
        totals = sorted(turn["latency_ms"]["total"] for turn in self.result.turns if "total" in turn["latency_ms"])
        if totals:
            middle = totals[len(totals) // 2]
            figures = f"median {middle} ms, longest {totals[-1]} ms, {len(totals)} turns"
            self._out.print(f"\ncaller stops → agent starts: {figures}")


def waterfall(parts: dict[str, int]) -> str:
    """One line of bars: what each part of a turn's latency took; one block is 50 ms."""
    bars = [f"{name} {'▇' * max(1, round(took / 50))} {took}" for name, took in parts.items() if name != "total"]
    return f"{parts['total']} ms = " + "  ".join(bars)


class Caller:
    """The caller: a SIP user agent and RTP of its own, and a script. Use it as an async context manager."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._endpoint = Endpoint(EndpointOptions(host="127.0.0.1", port=0, tcp=False), _refuse, lambda *_: DROP)
        self._engine = MediaEngine(MediaOptions(bind_host="127.0.0.1", port_range=(40000, 44000)))
        self._sounds_at = 0.0
        self._began_at = 0.0
        self._next = 1
        self._spoken_until = 0.0
        self._start = 0.0

    async def __aenter__(self) -> "Caller":
        await self._endpoint.__aenter__()
        await self._engine.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._engine.__aexit__(None, None, None)
        await self._endpoint.__aexit__(None, None, None)

    async def call(self, target: Uri) -> None:
        """Hold the conversation."""
        channel = await self._engine.open(self._hear)
        local = LocalMedia("127.0.0.1", channel.port)
        offer = make_offer(local)
        leg, reply = await self._endpoint.invite(target, "<sip:caller@127.0.0.1>", offer)
        negotiated = accept_answer(offer, reply or b"", local)
        form = Format(negotiated.encoding, negotiated.payload_type, negotiated.dtmf_payload_type)
        self._start = self._spoken_until = self._now()
        channel.connect(form, (negotiated.remote_address, negotiated.remote_port))
        try:
            async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
                script = group.create_task(self._follow_script(channel))
                async for _ in leg.events():
                    pass  # until the gateway hangs up
                script.cancel()
        except TimeoutError:
            self._show.result.verdict = f"the call did not end within {LIMIT:g} s"
        finally:
            leg.hangup()
            channel.close()

    async def _follow_script(self, channel: media.Channel) -> None:
        todo, again = list(SCRIPT), 0
        while todo:
            await asyncio.sleep(0.02)
            now, heard = self._now(), self._show.heard_of.lower()
            cue = next((cue for cue in todo if cue.hears in heard), None)
            if cue is None or now < self._spoken_until:
                continue
            if self._sounds_at < self._spoken_until:
                continue  # the agent is not heard yet
            speaking = now - self._sounds_at < QUIET
            if (speaking and now - self._began_at > INTERRUPT_AFTER) if cue.interrupts else not speaking:
                if cue.confirms not in re.sub(r"\D", "", heard) and again < AGAIN:
                    again += 1
                    await self._say(channel, "phone_number.wav")
                    continue
                todo.remove(cue)
                await self._say(channel, cue.file)

    async def _say(self, channel: media.Channel, name: str) -> None:
        with as_file(files("sipgw") / "demo_voice" / name) as path:
            sound = with_noise(read_ulaw(path))
        now = self._now()
        self._spoken_until = now + len(sound) / 8000
        self._show.heard_of = ""
        silence = b"\xff" * max(0, int((now - self._start) * 8000) - len(self._show.result.caller))
        self._show.result.caller += silence + sound
        channel.say(self._next, sound)
        channel.finish(self._next)
        self._next += 1

    def _hear(self, event: media.MediaEvent) -> None:
        if not isinstance(event, media.Frames):
            return
        self._show.result.agent += event.ulaw
        if level(event.ulaw) > AUDIBLE:
            if event.at - self._sounds_at > QUIET or self._sounds_at < self._spoken_until:
                self._began_at = event.at
            self._sounds_at = event.at

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def with_noise(ulaw: bytes) -> bytes:
    """The sound with the noise of a telephone line, the same every time."""
    source = random.Random(8000)
    linear = memoryview(bytearray(to_linear(ulaw))).cast("h")
    for at, sample in enumerate(linear):
        linear[at] = max(-32768, min(32767, sample + source.randint(-NOISE, NOISE)))
    return from_linear(linear.tobytes())


def _refuse(leg: Leg) -> None:
    leg.reject(403)
