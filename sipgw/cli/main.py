"""The command line: serve, demo, check, init."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from sipgw import __version__, log
from sipgw.agents.agents import DEFAULT, Agents
from sipgw.agents.providers import Choice
from sipgw.cli.call import call
from sipgw.cli.campaign import campaigns
from sipgw.cli.console import EXPECTED, ConfigFile, err, load_all, one_line_errors, out
from sipgw.cli.dnc import dnc
from sipgw.cli.records import records
from sipgw.cli.support import support
from sipgw.cli.web import web
from sipgw.config import DEFAULT_FILE, Config
from sipgw.demo import hold_demo
from sipgw.doctor.command import doctor
from sipgw.drain import drain
from sipgw.evaluation.command import eval_command
from sipgw.garbage import when_quiet
from sipgw.gateway import Gateway
from sipgw.load.command import load_command
from sipgw.outbound.callbacks import Callbacks
from sipgw.replay.command import replay_command
from sipgw.simulate.command import simulate_command
from sipgw.sip.handover import Offer
from sipgw.web.server import Dashboard

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A SIP/RTP gateway for AI phone agents.")
app.add_typer(records, name="records")
app.add_typer(web, name="web")
app.add_typer(dnc, name="dnc")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """A SIP/RTP gateway for AI phone agents."""
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def serve(
    config: ConfigFile = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take the place of the gateway that runs here; it ends with its last call."),
    ] = False,
) -> None:
    """Answer calls until Ctrl-C."""
    with one_line_errors():
        settings, agents = load_all(config)
        if take_over:
            settings = replace(settings, sip=replace(settings.sip, take_over=str(settings.store.handover)))
        log.configure(settings.log, settings.privacy.of("logs"))
        asyncio.run(_serve(settings, agents, config))


@app.command()
def check(config: ConfigFile = None) -> None:
    """Validate the configuration and say which providers will be used."""
    with one_line_errors():
        settings, agents = load_all(config)
        every = Agents(settings, agents)
        for one in every.all.values():
            tools = len(one.tools)
            out.print(f"agent  {one.name}: {_parts(one.choice)}" + (f", {tools} tools of its own" if tools else ""))
        notes = [note for one in every.all.values() for note in one.choice.notes]
        for note in dict.fromkeys((*notes, *every.unpriced())):
            out.print(f"[yellow]note[/]   {escape(note)}", soft_wrap=True)
        _say_who_may_call(settings)
        out.print("[green]the configuration is valid[/]")


@app.command()
def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the turns to this file.")] = None,
    wav_file: Annotated[
        Path | None, typer.Option("--wav", help="Write the call as stereo WAV: left the caller, right the agent.")
    ] = None,
) -> None:
    """Let a built-in caller hold a conversation with the embedded agent over real SIP and RTP."""
    with one_line_errors():
        log.configure(log.LogOptions(level="warning"))
        result = asyncio.run(hold_demo(out))
    if json_file:
        json_file.write_text(json.dumps(result.as_dict(), indent=2, ensure_ascii=False) + "\n")
        out.print(f"turns written to {json_file}")
    if wav_file:
        result.write_wav(wav_file)
        out.print(f"call written to {wav_file}")
    if not result.succeeded:
        err.print(f"[red]the demo failed:[/] {result.verdict}")
        raise typer.Exit(1)


app.command()(call)
app.command()(doctor)
app.add_typer(campaigns, name="campaign")
app.command()(support)
app.command("simulate")(simulate_command)
app.command("replay")(replay_command)
app.command("load")(load_command)
app.command("eval")(eval_command)

RECIPES = tuple(sorted(entry.name.removesuffix(".toml") for entry in (files("sipgw") / "recipes").iterdir()))


@app.command()
def init(
    recipe: Annotated[str, typer.Argument(help=f"One of: {', '.join(RECIPES)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = DEFAULT_FILE,
) -> None:
    """Write a configuration for a carrier or PBX, with the portal fields to set beside it."""
    if recipe not in RECIPES:
        err.print(f"there is no recipe {recipe!r}; there are: {', '.join(RECIPES)}")
        raise typer.Exit(2)
    if output.exists():
        err.print(f"{output} exists; move it away or name another file with --output")
        raise typer.Exit(1)
    output.write_text((files("sipgw") / "recipes" / f"{recipe}.toml").read_text())
    out.print(f"wrote {output}: follow the steps at its top, then run [bold]sipgw check[/]")


def _say_who_may_call(settings: Config) -> None:
    for trunk in settings.trunks:
        proof = " and a password" if trunk.proof == "digest" else ""
        where = trunk.registrar or ", ".join(trunk.networks) or "the networks of its accounts"
        out.print(f"trunk  {trunk.name}: {trunk.mode} {where}{proof}", soft_wrap=True)
        if trunk.domain_uri is not None and not trunk.caller_id and trunk.number_format != "as_dialled":
            out.print(f"[yellow]note[/]   calls out through {trunk.name} need 'caller_id', a number of yours there")
        if trunk.transfer_uri is not None:
            out.print(f"       callers are transferred to {escape(str(trunk.transfer_uri))}", soft_wrap=True)
    for account in settings.accounts:
        out.print(f"phone  {account.user}: with its password from {', '.join(account.networks)}", soft_wrap=True)
    if not settings.trunks and not settings.accounts:
        out.print("trunk  local: loopback and private networks")


async def _serve(settings: Config, agents: dict[str, Config], file: Path | None) -> None:
    stop, hurry, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    err.print("starting ...")
    async with (
        Gateway(settings, agents=agents) as gateway,
        Dashboard(gateway, settings.web) as dashboard,
        Callbacks(gateway) as callbacks,
        Offer(settings.store.handover, stop.set) as offer,
        when_quiet(lambda: gateway.calls),
    ):
        _say_how_to_call(gateway, dashboard)
        async with asyncio.TaskGroup() as group:
            reloading = group.create_task(_reload(gateway, file, reload))
            await stop.wait()
            reloading.cancel()
        callbacks.finish()
        if offer.link is not None:
            await dashboard.close()  # its port is wanted too
            gateway.hand_over(offer.link)
            err.print("the next gateway has taken over")
        limit = settings.drain.limit

        def say(calls: int) -> None:
            err.print(f"{calls} calls go on, for {limit:g} s at most; a second Ctrl-C or SIGTERM hangs up now")

        left = await drain(gateway, limit, hurry, say)
        err.print(f"stopping, {left} calls are hung up ..." if left else "stopping ...")
        await gateway.hang_up()  # before all that may wait for the database


async def _reload(gateway: Gateway, file: Path | None, asked: asyncio.Event) -> None:
    """Whenever it is asked for take the configuration as it is now, and print what has changed."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            found = await gateway.reload(*load_all(file))
        except EXPECTED as error:
            err.print(f"[red]not reloaded:[/] {escape(str(error))}", soft_wrap=True)
            continue
        except Exception:  # noqa: BLE001  the boundary: calls go on, whatever stands in a file
            structlog.get_logger().exception("not reloaded")
            continue
        for change in found:
            note = "  [yellow](after a restart)[/]" if change.needs_restart else ""
            err.print(f"  {escape(str(change))}{note}", soft_wrap=True)
        err.print(f"reloaded: {len(found)} changes" if found else "reloaded: nothing has changed")


def _parts(choice: Choice) -> str:
    return ", ".join(f"{part} {choice.of(part)}" for part in choice.parts)


def _say_how_to_call(gateway: Gateway, dashboard: Dashboard) -> None:
    choice, port = gateway.agents.all[DEFAULT].choice, gateway.endpoint.port
    parts = _parts(choice)
    out.print(f"[bold green]sipgw {__version__} answers[/]  {parts}")
    for note in (*choice.notes, *gateway.agents.unpriced()):
        out.print(f"  [yellow]note[/] {escape(note)}", soft_wrap=True)
    suffix = "" if port == 5060 else f":{port}"
    address = gateway.config.sip.public_address or _own_address()
    out.print(f"  call it from Linphone or another softphone:  [bold]sip:agent@{address}{suffix}[/]")
    for name in gateway.agents.all.keys() - {DEFAULT}:
        out.print(f"  another agent:                               [bold]sip:{name}@{address}{suffix}[/]")
    out.print("  no phone? a call with a gateway of its own:  [bold]sipgw demo[/]   (in another terminal)")
    if dashboard.setup_url:
        out.print(f"  set the dashboard's first password, once:    [bold]{dashboard.setup_url}[/]", soft_wrap=True)
    elif dashboard.url:
        out.print(f"  see it in the browser:                       [bold]{dashboard.url}[/]")
        out.print(f"  call it from the browser:                    [bold]{dashboard.url}phone[/]")
    for name, registration in gateway.watch.registrations.items():
        out.print(f"  registering trunk {name}: {registration.options.registrar}")
    out.print("  stop with Ctrl-C", soft_wrap=True)


def _own_address() -> str:
    """The address of the interface that leads outside."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def main() -> None:
    """The console script."""
    app(prog_name="sipgw", args=sys.argv[1:])
