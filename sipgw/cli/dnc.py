"""``sipgw dnc``: our own do-not-call list, and the decision of the gate for a number."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape

from agent.lookups import run_main
from sipgw.cli.database import database
from sipgw.config.agent_files import load_all
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.log import LogOptions
from sipgw.config.numbers import NumberError, check_country, e164
from sipgw.console import ConfigFile, err, one_line_errors, out
from sipgw.outbound.promises import zone_of
from sipgw.policy.gate.dnc import LINE, OwnList, opened
from sipgw.policy.gate.gate import GateRefusal, gate_of
from sipgw.policy.gate.number_set import TOLD, numbers_of
from sipgw.policy.gate.rules import GateRequest
from sipgw.telemetry import log
from sipgw.trunks.trunks import Trunks

T = TypeVar("T")

dnc = typer.Typer(no_args_is_help=True, help="The do-not-call list.")

Number = Annotated[str, typer.Argument(help="Telephone number, best with + and country code.")]
Country = Annotated[str, typer.Option(help="Country of numbers without +, for example US.")]


@dnc.command()
def add(
    number: Number,
    country: Country = "",
    note: Annotated[str, typer.Option(help="The reason; it is kept with the number.")] = "",
    config: ConfigFile = None,
) -> None:
    """Put a number on the list: from now on it is not called."""
    wanted = _e164(number, country)
    new = _on_list(config, lambda own: own.add(wanted, "cli", note=note))
    out.print(f"{wanted} is on the list" if new else f"{wanted} was on the list already")


@dnc.command()
def remove(number: Number, country: Country = "", config: ConfigFile = None) -> None:
    """Take a number from the list."""
    wanted = _e164(number, country)
    if not _on_list(config, lambda own: own.remove(wanted)):
        err.print(f"{wanted} is not on the list")
        raise typer.Exit(1)
    out.print(f"{wanted} is no longer on the list")


@dnc.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="One number a line, or a CSV with the numbers in its first column.")],
    country: Country = "",
    config: ConfigFile = None,
) -> None:
    """Put all numbers of a file on the list. Lines that are not understood are named; the others count."""
    country = _country(country)
    numbers, broken = [], 0
    try:
        with opened(file) as lines:
            for line, number in numbers_of(iter(lambda: lines.readline(LINE), ""), country):
                if isinstance(number, int):
                    numbers.append(f"+{number}")
                    continue
                broken += 1
                if broken <= TOLD:
                    err.print(f"{escape(str(file))}:{line}: {escape(number)}", soft_wrap=True)
    except OSError as error:
        err.print(f"[red]error:[/] cannot read {escape(str(file))}: {error.strerror}", soft_wrap=True)
        raise typer.Exit(1) from None
    added = _on_list(config, lambda own: own.add_all(numbers, "import", note=file.name))
    there = len(set(numbers)) - added
    out.print(f"{added} numbers added, {there} were on the list already, {broken} lines not understood")
    if not numbers:  # a failed download, or another kind of file
        err.print(f"[red]error:[/] {escape(str(file))} has no number", soft_wrap=True)
        raise typer.Exit(1)


@dnc.command("list")
def list_(
    after: Annotated[str, typer.Option(help="Only numbers after this one.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    config: ConfigFile = None,
) -> None:
    """Print the list."""

    async def read(own: OwnList) -> tuple[list[Any], int]:
        return await own.entries(limit, after), await own.count()

    entries, count = _on_list(config, read)
    for entry in entries:
        out.print(f"{entry.number}  {escape(str(entry))}", soft_wrap=True)
    if len(entries) < count:
        out.print(f"{count} numbers in all")


@dnc.command()
def check(
    number: Number,
    trunk: Annotated[str, typer.Option(help="Through this trunk; default: the first.")] = "",
    agent: Annotated[str, typer.Option("--agent", "-a", help="By the rules of this agent.")] = "",
    consent: Annotated[bool, typer.Option("--consent", help="The person has agreed to be called.")] = False,
    config: ConfigFile = None,
) -> None:
    """Say whether the gate would let a number be called now, and if not, which rule and why. Nobody is called.

    Exit status: 0 if it may be called, 14 if not.
    """

    async def judge(settings: GatewayConfig, agents: dict[str, AgentConfig]) -> tuple[Any, str]:
        trunks = Trunks(settings.trunks)
        first = next((one.name for one in settings.trunks if one.domain_uri is not None), "")
        async with database(settings.store) as store, gate_of(settings, lambda: agents, store, trunks.named) as gate:
            through = trunks.named(trunk or first)
            verdict = await gate.judge(GateRequest(number, trunk or first, agent, consent=consent or None))
            return verdict, through.country if through else ""

    with one_line_errors():
        log.configure(LogOptions(level="error"))
        verdict, country = run_main(judge(*load_all(config)))
    if isinstance(verdict, GateRefusal):
        again = f"; it may be called from {_there(verdict.again, number, country)} on" if verdict.again else ""
        out.print(f"[red]refused[/] ({verdict.rule}): {escape(verdict.reason)}{again}", soft_wrap=True)
        raise typer.Exit(14)
    out.print(f"{verdict.number} may be called now")


def _there(moment: datetime, number: str, country: str) -> str:
    """`moment` in the time zone of the number, with the zone's name; in UTC if the zone is unknown."""
    zone = None
    with contextlib.suppress(NumberError):
        zone = zone_of(e164(number, country))
    return f"{moment.astimezone(zone or UTC):%d %B %H:%M} {f'in {zone.key}' if zone else 'UTC'}"


def _e164(number: str, country: str) -> str:
    with one_line_errors(2, NumberError):
        return e164(number, _country(country))


def _country(country: str) -> str:
    try:
        check_country(country)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return country.upper()


def _on_list(config: Path | None, act: Callable[[OwnList], Awaitable[T]]) -> T:
    async def run(settings: GatewayConfig) -> T:
        async with database(settings.store) as store:
            return await act(OwnList(store))

    with one_line_errors():
        return run_main(run(load_all(config)[0]))
