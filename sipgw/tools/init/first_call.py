"""The first call: a built-in caller asks the agent of a configuration one thing, over SIP and RTP on the loopback."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.console import working
from sipgw.events import CallBegan, Event
from sipgw.gateway.gateway import Gateway
from sipgw.program import command
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.sip.uri import Uri
from sipgw.tools.caller import Action, AgentAudioMonitor, CallerPhone, HangUp, Say, with_noise
from sipgw.tools.demo.conversation import DemoPrinter
from sipgw.tools.trial import trial
from sipgw.web.server import Dashboard

LIMIT = 60.0
"""Seconds after which the call is given up."""
QUESTION = "ask_order.wav"
"""Of the demo's voice: "Hi, where is my order?"."""


class FirstCallScript:
    """Hears the greeting, asks, hears the answer, hangs up."""

    def __init__(self, question: bytes) -> None:
        self._todo: list[Action] = [Say(question), HangUp()]

    @property
    def heard(self) -> int:
        """How often the agent was heard to its end: 1 after the greeting, 2 after the answer."""
        return 2 - len(self._todo)

    def next(self, now: float, agent_audio: AgentAudioMonitor) -> Action | None:
        """See `sipgw.tools.caller.Script.next`."""
        ready = now > agent_audio.spoken_until and agent_audio.answered and not agent_audio.speaking(now)
        return self._todo.pop(0) if self._todo and ready else None


async def hold_first_call(config: GatewayConfig, agents: Mapping[str, AgentConfig], out: Console) -> str:
    """Call the agent of `config`, print the words, the fault and the address of the call's page, and serve that page
    until Enter is pressed, if there is a terminal. The reason why the call failed; empty if it did not. Raises the
    errors of a gateway that cannot start.

    The call stands in the records of `config`; trunks are neither registered with nor called. A gateway that runs with
    the same database is left alone: commands still find it, and what it has yet to write or send stays its own.
    """
    with as_file(files("sipgw") / "demo_voice" / QUESTION) as path:
        script = FirstCallScript(with_noise(read_ulaw(path)))
    show, began = DemoPrinter(out), list[str]()

    def watch(event: Event) -> None:
        if isinstance(event, CallBegan):
            began.append(event.call)
        show.watch(event)

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
        fault = ("the agent said nothing", "the agent gave no answer", "")[script.heard]
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
