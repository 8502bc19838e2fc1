"""``sipgw records``: export, forget, purge."""

import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from agent.lookups import run_main
from sipgw.agents.agents import Agents
from sipgw.cli.database import database
from sipgw.cli.forgetting import forget_everywhere
from sipgw.config.agent_files import load_all
from sipgw.config.records import RetentionOptions
from sipgw.console import ConfigFile, err, one_line_errors, out, writing
from sipgw.outbound.jobs import Jobs
from sipgw.records.artifacts.artifact import undeleted
from sipgw.records.artifacts.maintenance import delete_old
from sipgw.records.artifacts.retention import Removed
from sipgw.records.cdr.export import as_csv, as_json
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store
from sipgw.web.accounts import Accounts

SHOWN = 20
"""How many of the files that could not be deleted are named in the output."""

records = typer.Typer(
    no_args_is_help=True, help="The records of calls: export them, delete those of a caller, delete old ones."
)
DAY_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
Since = Annotated[
    datetime | None, typer.Option(formats=DAY_FORMATS, help="Only calls that began at this time (UTC) or later.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=DAY_FORMATS, help="Only calls that began before this time (UTC).")
]


@records.command()
def export(
    config: ConfigFile = None,
    json_: Annotated[bool, typer.Option("--json", help="Everything, as a JSON array (the default).")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="A line for each call.")] = False,
    since: Since = None,
    until: Until = None,
    number: Annotated[
        str, typer.Option(help="Number of the caller or the called person; * at the end stands for any rest.")
    ] = "",
    trunk: Annotated[str, typer.Option(help="Only calls of this trunk.")] = "",
    agent: Annotated[str, typer.Option(help="Only calls of this agent.")] = "",
    ending: Annotated[str, typer.Option(help="Only calls with this ending.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default: the terminal.")] = None,
) -> None:
    """Write the records of calls, newest first."""
    if json_ and csv:
        err.print("choose one of --json and --csv")
        raise typer.Exit(2)
    with one_line_errors():
        settings, agents = load_all(config)
        forms = [one.report for one in (settings, *agents.values())]
        fields = sorted({one.name for form in forms for one in form.fields})
        wanted = CallFilter(_utc(since), _utc(until), number, trunk, agent, ending=ending)

        async def run() -> None:
            async with database(settings.store, settings.storage) as store:
                kind = as_csv if csv else as_json
                with (
                    writing(output),
                    output.open("w", encoding="utf-8", newline="")
                    if output
                    else contextlib.nullcontext(sys.stdout) as to,
                ):
                    async for text in kind(store, wanted, Agents(settings, agents).redact("exports"), fields):
                        to.write(text)
                    to.flush()

        run_main(run())


@records.command("forget")
def forget_number(
    number: Annotated[str, typer.Argument(help="The telephone number whose data is deleted.")],
    config: ConfigFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all data of a caller: records, words, recordings, planned calls; only the do-not-call list stays."""
    if not yes:
        typer.confirm(f"Delete all records and recordings of {number}?", abort=True)
    with one_line_errors():
        settings, _ = load_all(config)

        async def run() -> None:
            async with database(settings.store, settings.storage) as store:
                gone = await forget_everywhere(store, settings, number, datetime.now(UTC), Accounts(store).forget)
                calls, recordings = gone.removed.calls, gone.removed.recordings
                out.print(f"deleted: {calls} calls, {recordings} recordings, {gone.jobs} planned calls")
                out.print(f"made unreadable: {gone.decisions} lines of the gate's audit")
                if gone.unmasked:
                    out.print(escape(f"not yet there: {gone.unmasked}; the gateway tries again"), soft_wrap=True)
                await _tell_undeleted(store, gone.removed)
                if gone.elsewhere:
                    out.print(f"{gone.elsewhere} other gateways delete soon what is on their disks")
                for entry in gone.kept:
                    out.print(
                        f"kept: {entry.number} is on the do-not-call list {entry}, as the law wants; without it they "
                        "could be called again",
                        soft_wrap=True,
                    )

        run_main(run())


@records.command("purge")
def purge_old(config: ConfigFile = None) -> None:
    """Delete data past its [retention] now."""
    with one_line_errors():
        settings, _ = load_all(config)
        if settings.retention == RetentionOptions():
            out.print(escape("nothing to delete: nothing is ever too old; set days in [retention]"))
            return

        async def run() -> None:
            async with database(settings.store, settings.storage) as store:
                gone = await delete_old(store, settings.retention, datetime.now(UTC), Jobs(store, "").purge)
                out.print(f"deleted: {gone.calls} calls, {gone.transcripts} transcripts, {gone.recordings} recordings")
                await _tell_undeleted(store, gone)

        run_main(run())


async def _tell_undeleted(store: Store, removed: Removed) -> None:
    """Name files that could not be deleted; the gateway tries them again every hour."""
    if not removed.undeleted:
        return
    async with store.read() as session:
        for one in await undeleted(session, SHOWN):
            times = f"{one.attempts} times" if one.attempts > 1 else "once"
            out.print(escape(f"not deleted: {one.path}: {one.problem} (tried {times})"), soft_wrap=True)
    out.print(f"{removed.undeleted} files wait to be deleted; the gateway tries again every hour")


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
