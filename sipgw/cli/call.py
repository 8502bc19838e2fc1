"""``sipgw call``: makes one call and prints its events. The gateway on this machine makes the call, or this process."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated

import typer
from rich.markup import escape

from agent.lookups import run_main
from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed, ToolDone
from sipgw.agents.agents import VariableError
from sipgw.calls.request import RING_TIMEOUT, OriginateRequest
from sipgw.cli.database import tell_if_new
from sipgw.cli.running import call_by, found
from sipgw.config.agent_files import DEFAULT, load_all
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.log import LogOptions
from sipgw.console import ConfigFile, err, one_line_errors, out, say_error
from sipgw.events import AnsweredBy, CallAnswered, CallBegan, CallEnded, CallReported, CallRinging, Disposition, Event
from sipgw.gateway.gateway import Gateway
from sipgw.records.store.store import Store
from sipgw.telemetry import log
from sipgw.trunks.route_selector import NotDialled

EXIT = {"busy": 10, "no_answer": 11, "declined": 12, "wrong_number": 13, "not_permitted": 14, "machine": 15,
        "fax": 16, "cancelled": 17, "message_left": 18, "screened": 19, "no_person": 19,
        "failed": 20, "line_lost": 20}  # fmt: skip
"""Exit statuses for endings of calls in which nobody spoke, or that failed. The status of every other ending is 0."""


def call(
    number: Annotated[str, typer.Argument(help="Telephone number, best with + and country code.")],
    agent: Annotated[str, typer.Option("--agent", "-a", help="The agent: the name of a file of agents/.")] = DEFAULT,
    var: Annotated[
        list[str] | None, typer.Option("--var", help="A variable of the agent, for example name=Ann.")
    ] = None,
    trunk: Annotated[str, typer.Option(help="The trunk to call through; default: all, in their order.")] = "",
    caller_id: Annotated[str, typer.Option(help="The number to show; one of the trunk's.")] = "",
    consent: Annotated[bool, typer.Option("--consent", help="The person has asked to be called.")] = False,
    ring: Annotated[float, typer.Option(min=1, max=300, help="Seconds that the phone may ring.")] = RING_TIMEOUT,
    alone: Annotated[
        bool, typer.Option("--alone", help="Dial from this process, also if a gateway runs here.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Call somebody and let the agent talk with them.

    The gateway that runs on this machine makes the call; if none runs, this process makes it.

    Exit status: 0 if somebody spoke, 10 busy, 11 no answer, 12 declined, 13 wrong number, 14 not permitted,
    15 answering machine, 16 fax, 17 cancelled, 18 message left, 19 a call screen or menus and no person, 20 failed,
    1 the configuration, 2 the command.
    """
    with one_line_errors(2, ValueError):
        request = OriginateRequest(
            number, agent, pairs(var or ()), trunk, caller_id, consent=consent, ring_timeout=ring
        )
    with one_line_errors():
        settings, agents = load_all(config)
        log.configure(LogOptions(level="warning"))
        ending = run_main(_call(settings, agents, request, alone=alone))
    raise typer.Exit(2 if ending is None else EXIT.get(ending.kind, 0))


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """``name=value`` as a dictionary. Raises `ValueError`."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--var {text[:60]!r}: write it as name=value")
        values[name.strip()] = value.strip()
    return values


def unregistered(config: GatewayConfig) -> GatewayConfig:
    """`config` for a process beside the running gateway, with a SIP port of its own and without registration.

    A second registration would take calls away from the gateway. Outgoing calls need no registration: they carry the
    password.
    """
    trunks = tuple(
        replace(
            trunk, mode="peer", registrar="", domain=trunk.domain or trunk.registrar, options_every=0,
            proof="network", networks=trunk.networks or ("192.0.2.0/24",),
        )
        for trunk in config.trunks
    )  # fmt: skip
    return replace(
        config, trunks=trunks, accounts=(), sip=replace(config.sip, port=0, tls=replace(config.sip.tls, port=0))
    )


async def _call(
    config: GatewayConfig, agents: Mapping[str, AgentConfig], request: OriginateRequest, *, alone: bool
) -> Disposition | None:
    """How the call ended; None if it could not be made."""
    tell_if_new(config.store)
    try:
        async with found(config) as running:
            if running is not None and not alone:
                err.print(f"by the gateway that runs at {running.url}", soft_wrap=True)
                stop = asyncio.Event()
                on_signal(stop.set)
                async with Store(config.store) as store:
                    return await call_by(running, store, request, show, stop)
        async with Gateway(unregistered(config), agents) as gateway:
            gateway.watchers.add(show)
            placed = gateway.originate(request)
            on_signal(placed.stop)
            return await placed.ended()
    except (NotDialled, VariableError) as error:
        say_error(error)
        return None


def on_signal(act: Callable[[], None]) -> None:
    """Let Ctrl-C and SIGTERM call `act`, instead of ending the process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, act)


def show(event: Event) -> None:
    """Print one event of a call."""
    match event:
        case CallBegan(called=number, trunk=trunk):
            out.print(f"[bold]calling[/]   {escape(number)} through {escape(trunk)}", soft_wrap=True)
        case CallRinging():
            out.print("[bold]ringing[/]")
        case CallAnswered():
            out.print("[bold green]answered[/]")
        case AnsweredBy(who=who, why=why):
            out.print(f"[bold]it is[/]     a {who}: {escape(why)}", soft_wrap=True)
        case CallReported(report=CallerSaid(text, final=True)):
            out.print(f"[cyan]person[/]    {escape(text)}", soft_wrap=True)
        case CallReported(report=AgentSays(text)):
            out.print(f"[green]agent[/]     {escape(text)}", soft_wrap=True)
        case CallReported(report=ToolDone(run)):
            came = run.error or run.result
            out.print(f"[magenta]tool[/]      {run.name} {escape(f'{run.arguments} → {came}')}", soft_wrap=True)
        case CallReported(report=Interrupted(heard)):
            out.print(f"[yellow]          interrupted; heard: {escape(heard)}[/]", soft_wrap=True)
        case CallReported(report=ProviderFailed(part, cause)):
            out.print(f"[red]failed[/]    {part}: {escape(cause)}", soft_wrap=True)
        case CallEnded(ending=ending):
            cause = f": {escape(ending.cause)}" if ending.cause else ""
            out.print(f"[bold]ended[/]     {ending.kind.replace('_', ' ')}{cause}", soft_wrap=True)
