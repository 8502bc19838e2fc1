"""``sipgw campaign``: plans calls to everybody in a CSV file, and shows their progress. The gateway makes the calls."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from agent.lookups import run_main
from sipgw.cli.call import on_signal, unregistered
from sipgw.cli.database import database
from sipgw.cli.running import found
from sipgw.config.agent_files import DEFAULT, load_all
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.log import LogOptions
from sipgw.console import ConfigFile, err, one_line_errors, out
from sipgw.gateway.gateway import Gateway
from sipgw.outbound.campaign import FileError
from sipgw.outbound.job_dialer import LOOK, OutboundDialer
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.planning import CALLBACKS, CampaignRequest, Plan, begin, plan
from sipgw.outbound.retries import JobState
from sipgw.outbound.tables import CampaignState
from sipgw.telemetry import log

BROKEN_SHOWN = 20
"""How many broken rows of the file are shown one by one."""
LATE = 60.0
"""Seconds that a job may be overdue while its campaign has no calls. After them, no gateway seems to dial."""
NOBODY_DIALS = "no gateway dials it: start one with `sipgw serve`"
PRESSED: tuple[CampaignState, ...] = ("paused", "stopped")
"""The state of the campaign after the first and the second Ctrl-C."""

campaigns = typer.Typer(no_args_is_help=True, help="Call everybody in a CSV file.")


@campaigns.command()
def run(
    file: Annotated[Path, typer.Argument(help="CSV with a column 'number' and one for each variable of the agent.")],
    agent: Annotated[str, typer.Option("--agent", "-a", help="The agent: the name of a file of agents/.")] = DEFAULT,
    name: Annotated[str, typer.Option(help="Name of the campaign; default: that of the file.")] = "",
    trunk: Annotated[str, typer.Option(help="The trunk to call through; default: all, in their order.")] = "",
    concurrent: Annotated[int, typer.Option(min=1, max=500, help="Calls at the same time.")] = 5,
    per_second: Annotated[
        float, typer.Option(min=0.0, help="New calls a second; default: what the trunk allows.")
    ] = 0.0,
    attempts: Annotated[int, typer.Option(min=1, max=20, help="Calls to one number in all.")] = 3,
    busy: Annotated[float, typer.Option(min=10, help="Seconds until a busy number is called again.")] = 300,
    no_answer: Annotated[
        float, typer.Option(min=10, help="Seconds until a number that did not answer is called again.")
    ] = 1800,
    consent: Annotated[bool, typer.Option("--consent", help="These people have asked to be called.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Let the gateway make the calls, and do not show the progress.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Call every row of FILE. Run it again after Ctrl-C or a crash, and it goes on where it was.

    The gateways make the calls; if none runs on this machine, this process makes them. The first Ctrl-C pauses the
    campaign and waits until the running calls have ended. The second Ctrl-C ends these calls.
    """
    with one_line_errors():
        settings, agents = load_all(config)
        log.configure(LogOptions(level="warning"))
        try:
            wanted = CampaignRequest(
                name or file.stem, agent, trunk, consent, concurrent, per_second, attempts, busy, no_answer
            )
            planned = _planned(settings, agents, file, wanted)
        except FileError as error:
            err.print(f"[red]error:[/] {escape(f'{file}: {error}')}", soft_wrap=True)
            raise typer.Exit(2) from None
        run_main(_run(settings, agents, planned, follow=not detach))


Name = Annotated[str, typer.Argument(help="The campaign.")]


@campaigns.command()
def pause(name: Name, config: ConfigFile = None) -> None:
    """Start no more calls of a campaign; running calls go on."""
    _set(name, "paused", config)


@campaigns.command()
def resume(name: Name, config: ConfigFile = None) -> None:
    """Let the gateway go on with a campaign that was paused or stopped."""
    _set(name, "running", config)


@campaigns.command()
def stop(name: Name, config: ConfigFile = None) -> None:
    """Start no more calls of a campaign, and end its running calls."""
    _set(name, "stopped", config)


def _set(name: str, state: CampaignState, config: Path | None) -> None:
    with one_line_errors():
        settings, _ = load_all(config)

        async def write() -> bool:
            async with database(settings.store) as store:
                return await Jobs(store, "").set_state(name, state)

        there = run_main(write())
        if not there:
            raise _unknown(name)
        out.print(f"{escape(name)} is {state}")
        if state == "running" and not run_main(_running(settings)):
            err.print(NOBODY_DIALS, soft_wrap=True)


def _unknown(name: str) -> typer.Exit:
    err.print(f"[red]error:[/] there is no campaign {escape(repr(name))}", soft_wrap=True)
    return typer.Exit(1)


@campaigns.command()
def status(
    name: Annotated[str, typer.Argument(help=f"A campaign, or {CALLBACKS}; default: a line for each.")] = "",
    config: ConfigFile = None,
) -> None:
    """Show how far campaigns and callbacks are; with a name, every number of it that is not done."""
    with one_line_errors():
        settings, _ = load_all(config)
        table = run_main(_status(settings, name))
    if table is None:
        raise _unknown(name)
    out.print(table)


def _planned(settings: GatewayConfig, agents: Mapping[str, AgentConfig], file: Path, wanted: CampaignRequest) -> Plan:
    """The plan for `file`. Broken rows are printed. Raises `FileError` if the file cannot be used."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            planned = plan(settings, agents, lines, wanted, datetime.now(UTC))
    except OSError as error:
        raise FileError(error.strerror or str(error)) from None
    for column in planned.unused:
        err.print(f"[yellow]note[/]   the agent has no variable {escape(repr(column))}: not used", soft_wrap=True)
    for one in planned.broken[:BROKEN_SHOWN]:
        err.print(f"[yellow]left out[/] line {one.line}: {escape(one.problem)}", soft_wrap=True)
    if len(planned.broken) > BROKEN_SHOWN:
        err.print(f"[yellow]left out[/] {len(planned.broken) - BROKEN_SHOWN} more lines")
    if not planned.jobs:
        raise FileError("there is nobody to call in it")
    return planned


async def _run(
    config: GatewayConfig,
    agents: Mapping[str, AgentConfig],
    planned: Plan,
    *,
    follow: bool,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        jobs = Jobs(await stack.enter_async_context(database(config.store)), "")
        new, campaign = await begin(jobs, planned), planned.request.name
        name = escape(campaign)
        out.print(f"{name}: {new} new rows, {len(planned.jobs) - new} of an earlier run", soft_wrap=True)
        running = await _running(config)
        if running:
            err.print(f"dialled by the gateway that runs at {running}", soft_wrap=True)
        elif not follow:
            err.print(NOBODY_DIALS, soft_wrap=True)
        if follow and not running:
            gateway = await stack.enter_async_context(Gateway(unregistered(config), agents))
            await stack.enter_async_context(OutboundDialer(gateway, only=campaign))
        if follow:
            state = await _follow(jobs, campaign)
            counts = (await jobs.states()).get(campaign, {})
            out.print(f"{name}: " + ", ".join(f"{count} {one}" for one, count in sorted(counts.items())))
            if state != "running":
                out.print(f"{name} is {state}; `sipgw campaign resume {name}` goes on", soft_wrap=True)


async def _running(config: GatewayConfig) -> str:
    """The address of the gateway that runs here; empty if none runs."""
    async with found(config) as running:
        return running.url if running else ""


async def _follow(jobs: Jobs, campaign: str) -> str:
    """Show the progress until the campaign has ended, or until it is paused or stopped and has no calls. Returns its
    state.

    The first Ctrl-C pauses the campaign, the second one stops it, the third one only ends this command.
    """
    pressed, written, state = 0, 0, "running"
    changed = asyncio.Event()

    def press() -> None:
        nonlocal pressed
        pressed += 1
        changed.set()

    on_signal(press)
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*parts, TextColumn("{task.fields[told]}"), console=out, transient=True) as progress:
        bar = progress.add_task(escape(campaign), told="")
        while pressed <= len(PRESSED):
            with contextlib.suppress(SQLAlchemyError):  # the database may come back
                if written < pressed:
                    await jobs.set_state(campaign, PRESSED[pressed - 1])
                    written = pressed
                state, over, shown = await _progress(jobs, campaign)
                progress.update(bar, **shown)
                if over and written == pressed:
                    break
            changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await changed.wait()
    return state


async def _progress(jobs: Jobs, campaign: str) -> tuple[str, bool, dict[str, Any]]:
    """The state of the campaign, whether nothing more will happen in it, and the fields of the progress bar."""
    now = datetime.now(UTC)
    state = next((one.state for one in await jobs.campaigns() if one.name == campaign), "stopped")
    counts = (await jobs.states()).get(campaign, {})
    (waiting, first), calls = await jobs.open(campaign), await jobs.calls(campaign, now)
    told = f"{counts.get('failed', 0)} failed, {calls} calls"
    if waiting and not calls:
        late = state == "running" and now.timestamp() - first > LATE
        told += f"; {NOBODY_DIALS}" if late else f", next at {datetime.fromtimestamp(first, UTC).astimezone():%H:%M:%S}"
    finished = counts.get("done", 0) + counts.get("failed", 0)
    over = not calls and (not waiting or state != "running")
    return state, over, {"total": sum(counts.values()), "completed": finished, "told": told}


async def _status(settings: GatewayConfig, name: str) -> Table | None:
    async with database(settings.store) as store:
        jobs = Jobs(store, "")
        if not name:
            return _all_campaigns(await jobs.states(), {one.name: one.state for one in await jobs.campaigns()})
        found = await jobs.all("" if name == CALLBACKS else name)
    if not found and name != CALLBACKS:
        return None
    table = Table("line", "number", "state", "calls", "due", "how it went")
    for job in found:
        if job.state != "done" or name == CALLBACKS:
            waits = job.state in ("planned", "by_hand")
            due = f"{datetime.fromtimestamp(job.due, UTC).astimezone():%d %b %H:%M}" if waits else ""
            state = job.state.replace("_", " ")
            table.add_row(str(job.line or ""), job.number, state, str(job.attempts), due, escape(job.reason))
    return table


def _all_campaigns(counts: Mapping[str, Mapping[str, int]], states: Mapping[str, str]) -> Table:
    columns = get_args(JobState)
    table = Table("campaign", "is", *(column.replace("_", " ") for column in columns))
    for campaign, count in sorted(counts.items()):
        waits = count.get("planned", 0) + count.get("dialling", 0)
        state = states.get(campaign, "paused") if waits else "over"
        cells = [str(count.get(column, 0)) for column in columns]
        table.add_row(escape(campaign or CALLBACKS), state if campaign else "", *cells)
    return table
