"""``sipgw campaign``: calls everybody in a CSV file, and tells how far campaigns are."""

import asyncio
import contextlib
import re
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from sipgw.cli.call import Alone, placing, unregistered
from sipgw.config.agent_files import DEFAULT, load_all
from sipgw.config.config import Config
from sipgw.config.log import LogOptions
from sipgw.config.outbound import RetryOptions
from sipgw.console import ConfigFile, err, one_line_errors, out
from sipgw.outbound.campaign import Broken, FileError, Row, columns, read, unused
from sipgw.outbound.dialler import LOOK, Dialler, Pace, new_holder
from sipgw.outbound.jobs import Job, Jobs
from sipgw.outbound.settled import State
from sipgw.records.store import Store
from sipgw.telemetry import log

CALLBACKS = "callbacks"
"""The name under which the callbacks are shown."""
BROKEN_SHOWN = 20
"""Broken rows that are told one by one."""
NAME = re.compile(r"[\w .@+-]{1,64}")

campaigns = typer.Typer(no_args_is_help=True, help="Call everybody in a CSV file.")


@campaigns.command()
def run(
    file: Annotated[Path, typer.Argument(help="CSV with a column 'number' and one for each variable of the agent.")],
    agent: Annotated[str, typer.Option("--agent", "-a", help="Who speaks: the name of a file of agents/.")] = DEFAULT,
    name: Annotated[str, typer.Option(help="Name of the campaign; default: that of the file.")] = "",
    trunk: Annotated[str, typer.Option(help="The trunk to call through; default: all, in their order.")] = "",
    concurrent: Annotated[int, typer.Option(min=1, max=500, help="Calls at the same time.")] = 5,
    per_second: Annotated[float, typer.Option(min=0.0, help="New calls; default: what the trunk allows.")] = 0.0,
    attempts: Annotated[int, typer.Option(min=1, max=20, help="Calls to one number in all.")] = 3,
    busy: Annotated[float, typer.Option(min=10, help="Seconds until a busy number is called again.")] = 300,
    no_answer: Annotated[float, typer.Option(min=10, help="Seconds until one that did not answer is.")] = 1800,
    consent: Annotated[bool, typer.Option("--consent", help="They have asked to be called.")] = False,
    alone: Alone = False,
    config: ConfigFile = None,
) -> None:
    """Call every row of FILE; run it again after Ctrl-C or a crash, and it goes on where it was.

    The gateway that runs on this machine makes the calls; where none does, this process. The first Ctrl-C lets
    the calls that are up come to their end, the second ends them.
    """
    with one_line_errors():
        settings, agents = load_all(config)
        log.configure(LogOptions(level="warning"))
        retry = RetryOptions(attempts, busy, no_answer)
        try:
            name = _name(name or file.stem)
            planned = plan(settings, agents, file, name, agent, trunk, consent=consent)
            if not planned:
                raise FileError("there is nobody to call in it")
        except FileError as error:
            err.print(f"[red]error:[/] {escape(f'{file}: {error}')}", soft_wrap=True)
            raise typer.Exit(2) from None
        rate = per_second or next((one.calls_per_second for one in settings.trunks if trunk in ("", one.name)), 1.0)
        asyncio.run(_run(settings, agents, name, planned, Pace(retry, concurrent, rate), alone=alone))


@campaigns.command()
def status(
    name: Annotated[str, typer.Argument(help=f"A campaign, or {CALLBACKS}; default: a line for each.")] = "",
    config: ConfigFile = None,
) -> None:
    """Tell how far campaigns and callbacks are; of one with a name, every number that is not done."""
    with one_line_errors():
        settings, _ = load_all(config)
        table = asyncio.run(_status(settings, name))
    if table is None:
        err.print(f"[red]error:[/] there is no campaign {escape(repr(name))}", soft_wrap=True)
        raise typer.Exit(1)
    out.print(table)


def _name(text: str) -> str:
    if not NAME.fullmatch(text) or text == CALLBACKS:
        raise FileError(f"{text[:80]!r} is no name for a campaign; give it one with --name")
    return text


def plan(
    config: Config, agents: Mapping[str, Config], file: Path, campaign: str, agent: str, trunk: str, *, consent: bool
) -> list[Job]:
    """Read `file`, tell what is wrong with it, and return the rest as jobs. Raises `FileError`."""
    definition = {**agents, DEFAULT: config}.get(agent)
    if definition is None:
        raise FileError(f"there is no agent {agent!r}; there are {', '.join(sorted({*agents, DEFAULT}))}")
    ways = [one for one in unregistered(config).trunks if one.domain_uri is not None and trunk in ("", one.name)]
    if not ways:
        raise FileError(f"there is no trunk {trunk!r}" if trunk else "there is no trunk to call through")
    options = definition.agent
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            names, _ = columns(lines.readline().rstrip("\r\n"))
            for column in unused(names, options):
                err.print(
                    f"[yellow]note[/]   the agent has no variable {escape(repr(column))}: not used", soft_wrap=True
                )
            lines.seek(0)
            found = list(read(lines, options, ways[0]))
    except OSError as error:
        raise FileError(error.strerror or str(error)) from None
    broken = [one for one in found if isinstance(one, Broken)]
    for one in broken[:BROKEN_SHOWN]:
        err.print(f"[yellow]left out[/] line {one.line}: {escape(one.problem)}", soft_wrap=True)
    if len(broken) > BROKEN_SHOWN:
        err.print(f"[yellow]left out[/] {len(broken) - BROKEN_SHOWN} more lines")
    due = datetime.now(UTC).timestamp()
    return [
        Job(
            campaign=campaign, key=row.number, line=row.line, number=row.number, agent=agent, trunk=trunk,
            variables=dict(row.variables), consent=consent, due=due,
        )
        for row in found if isinstance(row, Row)
    ]  # fmt: skip


async def _run(
    config: Config, agents: Mapping[str, Config], campaign: str, planned: Sequence[Job], pace: Pace, *, alone: bool
) -> None:
    async with (
        placing(config, agents, alone=alone) as places,
        Store(config.store) as store,
        asyncio.TaskGroup() as group,
    ):
        jobs = Jobs(store, new_holder())
        try:
            new = await jobs.add_all(campaign, planned)
        except IntegrityError:  # another process has just planned the same
            new = await jobs.add_all(campaign, planned)
        out.print(f"{escape(campaign)}: {new} new rows, {len(planned) - new} of an earlier run", soft_wrap=True)
        dialler = Dialler(jobs, places, campaign, pace)
        dialling = group.create_task(dialler.run(until_done=True))
        showing = group.create_task(_show(jobs, campaign))

        def interrupted() -> None:
            dialling.cancel() if dialler.finishing else dialler.finish()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, interrupted)
        await asyncio.wait({dialling})
        showing.cancel()
        counts = (await jobs.states()).get(campaign, {})
    out.print(f"{escape(campaign)}: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


async def _show(jobs: Jobs, campaign: str) -> None:
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*parts, TextColumn("{task.fields[told]}"), console=out, transient=True) as progress:
        bar = progress.add_task(escape(campaign), told="")
        while True:
            with contextlib.suppress(SQLAlchemyError):  # the dialler tells of it
                progress.update(bar, **await _progress(jobs, campaign))
            await asyncio.sleep(LOOK)


async def _progress(jobs: Jobs, campaign: str) -> dict[str, Any]:
    counts = (await jobs.states()).get(campaign, {})
    told = f"{counts.get('failed', 0)} failed, {counts.get('dialling', 0)} dialling"
    if counts.get("planned", 0) and not counts.get("dialling", 0):
        _, first = await jobs.open(campaign)
        told += f", next at {datetime.fromtimestamp(first, UTC).astimezone():%H:%M:%S}"
    over = counts.get("done", 0) + counts.get("failed", 0)
    return {"total": sum(counts.values()), "completed": over, "told": told}


async def _status(settings: Config, name: str) -> Table | None:
    async with Store(settings.store) as store:
        jobs = Jobs(store, "")
        if not name:
            states = get_args(State)
            table = Table("campaign", *(state.replace("_", " ") for state in states))
            for campaign, counts in sorted((await jobs.states()).items()):
                cells = [str(counts.get(state, 0)) for state in states]
                table.add_row(escape(campaign or CALLBACKS), *cells)
            return table
        table = Table("line", "number", "state", "calls", "due", "how it went")
        found = await jobs.all("" if name == CALLBACKS else name)
        if not found and name != CALLBACKS:
            return None
        for job in found:
            if job.state != "done" or name == CALLBACKS:
                due = (
                    f"{datetime.fromtimestamp(job.due, UTC).astimezone():%d %b %H:%M}"
                    if job.state in ("planned", "by_hand")
                    else ""
                )
                cells = [
                    str(job.line or ""),
                    job.number,
                    job.state.replace("_", " "),
                    str(job.attempts),
                    due,
                    escape(job.reason),
                ]
                table.add_row(*cells)
        return table
