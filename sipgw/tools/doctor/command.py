"""The command `sipgw doctor`."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from agent.lookups import run_main
from sipgw.config.config import GatewayConfig, load
from sipgw.console import err, one_line_errors, out
from sipgw.tools.doctor.doctor_endpoint import DoctorTimeouts
from sipgw.tools.doctor.finding import Finding, status_of
from sipgw.tools.doctor.run import PROVIDERS, ExaminationOptions, examine

SIGNS = {"ok": "[green]✔[/]", "warn": "[yellow]![/]", "fail": "[red]✘[/]"}


def _made(folder: Path | None) -> Path | None:
    """Make the folder, or refuse it, before the requests, which cost money."""
    try:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{folder} cannot be made: {error.strerror}") from None
    if folder and not os.access(folder, os.W_OK):
        raise typer.BadParameter(f"{folder} cannot be written")
    return folder


def doctor(
    trunk: Annotated[
        str,
        typer.Argument(help="A trunk, or the word providers; default: this machine, all trunks and all providers."),
    ] = "",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.")] = None,
    call: Annotated[
        str, typer.Option("--call", help="Call this number, best one that plays an echo. The call may cost money.")
    ] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    providers: Annotated[bool, typer.Option(help="Ask each provider once; that costs fractions of a cent.")] = True,
    live: Annotated[
        Path | None,
        typer.Option(
            "--live",
            help="With the word providers: write their messages into this folder, without private content.",
            callback=_made,
        ),
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0.5, max=60, help="Seconds to wait for an answer.")] = 6.0,
) -> None:
    """Find out why a trunk or a provider does not work. Exit status 1 if something fails, 2 for bad input."""
    with one_line_errors(2):
        settings = load(config)
    names = [one.name for one in settings.trunks]
    if trunk and trunk not in (*names, PROVIDERS):
        err.print(f"there is no trunk {trunk!r}; there are: {', '.join(names) or 'none'}", soft_wrap=True)
        raise typer.Exit(2)
    if live and trunk != PROVIDERS:
        err.print("--live needs the word providers: sipgw doctor providers --live FOLDER")
        raise typer.Exit(2)
    if call and not trunk:
        err.print("--call needs the name of the trunk to call through")
        raise typer.Exit(2)
    wanted = ExaminationOptions(trunk, call, providers, live, DoctorTimeouts(answer=wait))
    with one_line_errors(2):
        found = run_main(_examined(settings, wanted, quiet=json_))
    if json_:
        out.print_json(json.dumps([one.as_dict() for one in found]))
    else:
        bad = {word: sum(one.verdict == word for one in found) for word in ("fail", "warn")}
        out.print(f"\n{len(found)} checks: {bad['fail']} fail, {bad['warn']} to look at")
    raise typer.Exit(status_of(found))


async def _examined(settings: GatewayConfig, wanted: ExaminationOptions, *, quiet: bool) -> list[Finding]:
    found: list[Finding] = []
    async for finding in examine(settings, wanted):
        if not quiet:
            show_finding(finding, new=not found or found[-1].about != finding.about)
        found.append(finding)
    return found


def show_finding(finding: Finding, *, new: bool) -> None:
    """Print a finding. If its subject is `new`, print the name of the subject above it."""
    if new:
        out.print(f"[bold]{escape(finding.about)}[/]")
    out.print(f"  {SIGNS[finding.verdict]} {finding.id}  [dim]{escape(finding.evidence)}[/]", soft_wrap=True)
    if finding.cause:
        out.print(f"      likely  {escape(finding.cause)}", soft_wrap=True)
        out.print(f"      change  [bold]{escape(finding.fix)}[/]", soft_wrap=True)
