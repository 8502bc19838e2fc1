"""The built-in caller: it calls a separate gateway over real SIP and RTP with a recorded human voice, and prints the
call."""

import contextlib
import re
import tempfile
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape

from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed, ToolDone, TurnEnded
from media.process.engine import MediaOptions
from sipgw.config.agent import AgentOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.outbound import CallbackOptions
from sipgw.config.records import StoreOptions
from sipgw.console import working
from sipgw.events import CallReported, Event
from sipgw.gateway.gateway import Gateway
from sipgw.records.artifacts.wav import read_ulaw, write_stereo
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.uri import Uri
from sipgw.tools.caller import Action, AgentAudioMonitor, CallerPhone, Say, with_noise

LIMIT = 120.0
"""Seconds after which the demo is given up."""
INTERRUPT_AFTER = 2.5
"""Seconds of the agent's speech after which the caller interrupts it."""


@dataclass(frozen=True)
class Cue:
    """The caller's words after the agent has said something that contains `hears`."""

    hears: str
    file: str
    interrupts: bool = False
    """Whether the caller says this while the agent is still speaking."""
    confirms: str = ""
    """Digits that the agent must have read back; otherwise the caller says them again."""


PHONE_NUMBER = "4155550123"
"""Number in ``phone_number.wav``."""
AGAIN = 2
"""How often the caller says a number again."""
SCRIPT = (
    Cue("how can i help", "ask_order.wav"),
    Cue("order number", "order_number.wav"),
    *(Cue("say the order number again", "order_number.wav"),) * AGAIN,
    Cue("raincoat", "interrupt.wav", interrupts=True),
    Cue("number", "phone_number.wav"),
    Cue("right?", "yes.wav", confirms=PHONE_NUMBER),
    Cue("correct?", "yes.wav", confirms=PHONE_NUMBER),
    Cue("anything else", "goodbye.wav"),
)


@dataclass
class DemoResult:
    """The course of the demo's call."""

    turns: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    caller: bytes = b""
    agent: bytes = b""
    ending: str = ""
    verdict: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the order was looked up and told, and a callback was arranged, as `judge` found."""
        return not self.verdict

    def as_dict(self) -> dict[str, Any]:
        """The result as a dictionary, for JSON."""
        return {"succeeded": self.succeeded, "verdict": self.verdict, "turns": self.turns}

    def write_wav(self, path: Path) -> None:
        """Write the call as a stereo WAV file: left the caller, right the agent."""
        write_stereo(path, self.caller, self.agent)

    def judge(self) -> None:
        """Set `verdict` to what the conversation failed to do; it stays empty if all went well."""
        runs = [run for turn in self.turns for run in turn["tools"] if not run["error"]]
        looked_up = [run for run in runs if run["name"] == "get_order_status"]
        if not looked_up:
            self.verdict = f"the order was never looked up ({self.ending})"
            return
        item = str(looked_up[0]["result"]["item"]).split()[-1]
        if not any(item in turn["heard"] or (turn["interrupted"] and item in turn["said"]) for turn in self.turns):
            self.verdict = f"the caller never heard of the {item}"
        elif not any(run["name"] == "schedule_callback" for run in runs):
            self.verdict = "no call back was arranged"


async def hold_demo(out: Console) -> DemoResult:
    """Run the gateway and the caller on loopback. Raises the errors of a gateway that cannot start."""
    with tempfile.TemporaryDirectory() as folder:
        config = GatewayConfig(
            agent=AgentOptions(stt="local", llm="local", tts="local"),
            callbacks=CallbackOptions(dial=False),  # the agent promises callbacks, but nobody is called
            sip=EndpointOptions(host="127.0.0.1", port=0),
            media=MediaOptions(bind_host="127.0.0.1"),
            store=StoreOptions(path=str(Path(folder) / "demo.db")),
        )
        show = DemoPrinter(out)
        gateway = Gateway(config)
        gateway.watchers.add(show.watch)
        async with contextlib.AsyncExitStack() as stack:
            with working("loading the embedded models"):
                await stack.enter_async_context(gateway)
                phone = await stack.enter_async_context(CallerPhone())
            target = Uri("sip", "agent", "127.0.0.1", gateway.endpoint.port)
            call = await phone.call(target, DemoScript(show), LIMIT)
        show.result.caller, show.result.agent = call.said, call.agent_audio.sound
        show.result.ending = call.ending
        show.result.judge()
        show.summary()
        return show.result


class DemoPrinter:
    """Prints the call as it goes on, and keeps it."""

    def __init__(self, out: Console) -> None:
        self.result = DemoResult()
        self.saying = ""
        """The agent's words since the caller last spoke."""
        self.said = ""
        """The part of `saying` that the caller has heard completely."""
        self._out = out

    def watch(self, event: Event) -> None:
        """Take an event of the call, and print it."""
        if not isinstance(event, CallReported):
            return
        match event.report:
            case CallerSaid(text, final=True):
                self._out.print(f"[cyan]caller[/]  {escape(text)}")
            case AgentSays(text):
                self.saying += f" {text}"
                self._out.print(f"[green]agent [/]  {escape(text)}")
            case ToolDone(run):
                came = run.error or run.result
                self._out.print(f"[magenta]tool  [/]  {run.name} {escape(f'{run.arguments} → {came}')}", style="dim")
            case Interrupted(heard):
                self._out.print(f"[yellow]        interrupted; heard: {escape(heard)}[/]")
            case ProviderFailed(part, cause):
                self._out.print(f"[red]failed[/]  {part}: {escape(cause)}")
            case TurnEnded(turn):
                self.said += f" {turn.heard}"
                self.result.turns.append(turn.as_dict())
                parts = turn.times.parts_ms()
                if "total" in parts:
                    bars = waterfall(parts, self._out.width - 8).splitlines()
                    self._out.print(*(f"        {bar}" for bar in bars), sep="\n", style="dim")

    def summary(self) -> None:
        """Print the latency of the turns."""
        totals = sorted(turn["latency_ms"]["total"] for turn in self.result.turns if "total" in turn["latency_ms"])
        if totals:
            figures = f"median {median(totals):.0f} ms, longest {totals[-1]} ms, {len(totals)} turns"
            self._out.print(f"\ncaller stops → agent starts: {figures}")


def waterfall(parts: dict[str, int], width: int) -> str:
    """Bars of the parts of a turn's latency in one line; one block is 50 ms. If that is wider than `width`, each part
    gets a line, and a block is scaled to fit.
    """
    shown = {name: took for name, took in parts.items() if name != "total"}
    bars = [f"{name} {'▇' * max(1, round(took / 50))} {took}" for name, took in shown.items()]
    line = f"{parts['total']} ms = " + "  ".join(bars)
    if len(line) <= width:
        return line
    names, most = max(map(len, shown)), max(shown.values())
    room = max(1, width - names - len(f"  {most}"))
    scaled = [f"{name:<{names}} {'▇' * max(1, round(took * room / most))} {took}" for name, took in shown.items()]
    return "\n".join([f"{parts['total']} ms =", *scaled])


class DemoScript:
    """The caller's script: each cue once, after the agent has said the awaited words."""

    def __init__(self, show: DemoPrinter) -> None:
        self._show = show
        self._todo = list(SCRIPT)
        self._again = 0

    def next(self, now: float, agent_audio: AgentAudioMonitor) -> Action | None:
        """See `sipgw.tools.caller.Script.next`."""
        show = self._show
        cue = next(
            (cue for cue in self._todo if cue.hears in (show.saying if cue.interrupts else show.said).lower()), None
        )
        if cue is None or now < agent_audio.spoken_until or not agent_audio.answered:
            return None
        speaking = agent_audio.speaking(now)
        if not ((speaking and now - agent_audio.began_at > INTERRUPT_AFTER) if cue.interrupts else not speaking):
            return None
        name = cue.file
        if cue.confirms not in re.sub(r"\D", "", show.said) and self._again < AGAIN:
            self._again, name = self._again + 1, "phone_number.wav"
        else:
            self._todo.remove(cue)
        show.saying = show.said = ""
        with as_file(files("sipgw") / "demo_voice" / name) as path:
            return Say(with_noise(read_ulaw(path)))
