"""The first call: a built-in caller asks the agent of a configuration one thing, over SIP and RTP on the loopback."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from agent.records import CallerSaid, ProviderFailed, Report, TurnEnded
from sipgw.agents.providers import choose
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.console import working
from sipgw.events import CallBegan, CallReported, Event
from sipgw.gateway.gateway import Gateway
from sipgw.program import command
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.sip.uri import Uri
from sipgw.tools.caller import Action, AgentAudioMonitor, CallerPhone, HangUp, Say, with_noise
from sipgw.tools.demo.conversation import DemoPrinter
from sipgw.tools.trial import trial
from sipgw.web.server import Dashboard

LIMIT = 90.0
"""Seconds after which the call is given up."""
QUESTION = "ask_order.wav"
"""Recording of the demo's voice: "Hi, I would like to know where my order is."."""
TIMES = 3
"""How often the caller asks the question at most."""
PATIENCE = 3.0
"""Seconds of silence after which the caller asks again, if the agent has not understood the question."""
ANSWER = 12.0
"""Seconds of silence after which the caller asks again, if the agent has understood the question but not answered."""


class FirstCallScript:
    """Hears the greeting, asks until the agent has understood and answered, hangs up. It watches the agent's reports.

    Any sound of the agent may be a request to say it again, or an apology. The question is understood once the agent
    reports words that contain `about`, and answered once a turn with words that were heard is over.
    """

    def __init__(self, question: bytes, about: str = "") -> None:
        self._question = Say(question)
        self._about = about
        self._reports: list[list[Report]] = [[]]  # after the greeting, and after each time that the question was asked
        self._over = False

    def watch(self, event: Event) -> None:
        """Take an event of the call, and keep the agent's reports."""
        if isinstance(event, CallReported):
            self._reports[-1].append(event.report)

    @property
    def understood(self) -> bool:
        """Whether the agent has heard the question."""
        said = " ".join(_words(self._reports[-1]))
        return len(self._reports) > 1 and bool(said) and self._about in said.lower()

    @property
    def answered(self) -> bool:
        """Whether the agent has heard the question and has answered it."""
        turns = [report.turn for report in self._reports[-1] if isinstance(report, TurnEnded)]
        spoken = any(turn.heard and turn.caller and self._about in turn.caller.lower() for turn in turns)
        return self.understood and spoken and not self._failure

    @property
    def fault(self) -> str:
        """Why the call failed; empty if it succeeded."""
        if self.answered:
            return ""
        if self._failure:
            return self._failure
        asked = len(self._reports) - 1
        if not asked:
            return "the agent said nothing"
        if self.understood:
            return "the agent gave no answer"
        heard = [words for reports in self._reports[1:] for words in _words(reports)]
        what = ", ".join(f'"{words}"' for words in heard) or "no words"
        return f"the agent did not understand the question, asked {asked} of {TIMES} times; it heard {what}"

    @property
    def _failure(self) -> str:
        failed = [report for report in self._reports[-1] if isinstance(report, ProviderFailed)]
        return f"{failed[-1].part} failed: {failed[-1].cause}" if failed else ""

    def next(self, now: float, agent_audio: AgentAudioMonitor) -> Action | None:
        """See `sipgw.tools.caller.Script.next`."""
        ready = now > agent_audio.spoken_until and agent_audio.answered and not agent_audio.speaking(now)
        if self._over or not ready:
            return None
        asked = len(self._reports) - 1
        if asked and not self.answered:
            comes = self.understood and not self._failure
            if now - agent_audio.sounds_at < (ANSWER if comes else PATIENCE):
                return None
        if self.answered or asked == TIMES:
            self._over = True
            return HangUp()
        self._reports.append([])
        return self._question


def _words(reports: Iterable[Report]) -> list[str]:
    """The texts that the agent has heard, one for each utterance."""
    return [report.text for report in reports if isinstance(report, CallerSaid) and report.final and report.text]


async def hold_first_call(config: GatewayConfig, agents: Mapping[str, AgentConfig], out: Console) -> str:
    """Call the agent of `config`, print the words, the fault and the address of the call's page, and serve that page
    until Enter is pressed, if there is a terminal. Returns why the call failed; empty if it succeeded. Raises the
    errors of a gateway that cannot start.

    The call gets a record in the database of `config`. The gateway of this call registers with no trunk and calls none.
    A gateway that runs with the same database is not disturbed: commands still find it, and its unwritten records and
    unsent webhooks stay with it.
    """
    choice = choose(config)
    demo = choice.llm[:1] == ("local",) and not (choice.realtime or config.agent.brain)
    with as_file(files("sipgw") / "demo_voice" / QUESTION) as path:
        # The demo model can answer nothing else. Other agents may be told what they hear in another language.
        script = FirstCallScript(with_noise(read_ulaw(path)), "order" if demo else "")
    show, began = DemoPrinter(out), list[str]()

    def watch(event: Event) -> None:
        if isinstance(event, CallBegan):
            began.append(event.call)
        show.watch(event)
        script.watch(event)

    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = replace(config.store, spool=str(Path(folder) / "spool"))
        gateway = Gateway(replace(trial(config, Path(folder)), store=store), agents=agents)
        gateway.watchers.add(watch)
        with working("starting the gateway"):
            await stack.enter_async_context(gateway)
            dashboard = await stack.enter_async_context(Dashboard(gateway, config.web))
            phone = await stack.enter_async_context(CallerPhone())
        target = Uri("sip", DEFAULT, "127.0.0.1", gateway.endpoint.port)
        call = await phone.call(target, script, LIMIT)
        fault = script.fault
        if fault:
            fault = f"{fault} ({call.ending})"
            out.print(f"[red]the call failed:[/] {escape(fault)}; {command()} doctor says more", soft_wrap=True)
        if dashboard.url and began:
            out.print(f"the call's page:  [bold]{dashboard.url}calls/{quote(began[0])}[/]", soft_wrap=True)
            if sys.stdin.isatty():
                out.print("look at it, then press Enter ...")
                await _enter()
    return fault


async def _enter() -> None:
    """Wait for a line on standard input."""
    pressed, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), pressed.set)
    try:
        await pressed.wait()
        sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin.fileno())
