"""The command line. Each command is imported when it is used, so that it does not load the others."""

import os
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sipgw import __version__
from sipgw.uncollected import uncollected

GROUP = "sipgw.commands"
"""Entry point group: each entry is a table like `OWN`. One that cannot be used is left out, and `problems` says why."""
OWN = {
    "serve": (
        "sipgw.cli.serve:serve",
        "Answer calls until Ctrl-C.",
    ),
    "check": (
        "sipgw.cli.check:check",
        "Validate the configuration and say which providers will be used.",
    ),
    "config": (
        "sipgw.cli.config:config",
        "Show the configuration that is in use.",
    ),
    "call": (
        "sipgw.cli.call:call",
        "Call somebody and let the agent talk with them.",
    ),
    "campaign": (
        "sipgw.cli.campaign:campaigns",
        "Call everybody in a CSV file.",
    ),
    "records": (
        "sipgw.cli.records:records",
        "The records of calls: export them, delete those of a caller, delete old ones.",
    ),
    "knowledge": (
        "sipgw.cli.knowledge:knowledge",
        "The documents that an agent answers from: read them, ask them, measure the answers.",
    ),
    "dnc": (
        "sipgw.cli.dnc:dnc",
        "The do-not-call list.",
    ),
    "web": (
        "sipgw.cli.web:web",
        "Passwords of the dashboard, keys of the REST interface.",
    ),
    "support": (
        "sipgw.cli.support:support",
        "Write a file for a support request: configuration, versions, log and the latest calls, secrets masked.",
    ),
}
"""The commands of this package by name: their place (a function or a group of commands), and a sentence of help."""
ORDER = (
    "serve", "check", "config", "demo", "init", "call", "campaign", "records", "knowledge", "dnc", "web", "doctor",
    "support",
)  # fmt: skip
"""The order of the help; other commands follow."""


def commands() -> dict[str, tuple[str, str]]:
    """All commands by name: those of this package, and those of the entry points in `GROUP`."""
    return _read()[0]


def problems() -> tuple[str, ...]:
    """A sentence on each command of another package that is left out."""
    return _read()[1]


@cache
def _read() -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    found, told = dict(OWN), list[str]()
    # The commands of sipgw come first, so that no other package takes their names.
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.dist is None or one.dist.name != "sipgw"):
        try:
            table = {name: (place, sentence) for name, (place, sentence) in entry.load().items()}
            if taken := table.keys() & found.keys():
                raise ValueError(f"there is a command {min(taken)!r} already")
            found |= table
        except (Exception, SystemExit) as error:  # noqa: BLE001  code of others
            told.append(f"the commands of {entry.name!r} ({entry.value}) are left out: {error}")
    order = sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return {name: found[name] for name in order}, tuple(told)


LOOK: dict[str, Any] = {"context_settings": {"help_option_names": ["-h", "--help"]}, "rich_markup_mode": None}
"""Settings of the help: plain text, in which brackets are no markup."""
WHOLE = 1000
"""Maximum letters of a sentence in the list of commands: more than any sentence has."""


class Commands(TyperGroup):
    """All commands. A command is imported when it is used; before, only its name and its sentence are known."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        for name, (_, sentence) in commands().items():
            self.add_command(_whole(TyperCommand(name, help=sentence)))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is used."""
        if args and args[0] in commands():
            self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> None:
        """Import a command, with its options."""
        module, _, attribute = commands()[name][0].partition(":")
        with uncollected():
            found = getattr(import_module(module), attribute)
        alone = typer.Typer(**LOOK, add_completion=False)
        alone.callback()(lambda: None)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=name)
        else:
            alone.command(name)(found)
        group = typer.main.get_command(alone)
        if not isinstance(group, TyperGroup):
            raise TypeError("a Typer with a callback makes no group")
        _in_words(group.commands[name])
        self.add_command(group.commands[name])


def _whole(command: Any) -> Any:
    """Let the list of commands show the whole first sentence of `command`, not only its beginning. Returns
    `command`."""
    command.short_help = command.get_short_help_str(WHOLE)
    return command


def _in_words(command: Any) -> None:
    """Let the help of `command` say FILE, NUMBER and TEXT instead of Python types."""
    for one in getattr(command, "commands", {}).values():
        _in_words(one)
    _whole(command)
    for param in command.params:
        if param.param_type_name == "argument":
            param.display_type = lambda ctx: ""  # the name is enough
        elif param.metavar is None and not (param.is_flag or param.type_descriptor.is_choice):
            kind = param.bare_type()
            param.metavar = "FILE" if "Path" in kind else "NUMBER" if kind in ("int", "float") else "TEXT"


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    **LOOK,
    help="A SIP/RTP gateway for AI phone agents.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


# Eager: it ends the command before the library imports pydantic to check the other options.
_VERSION = typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, _VERSION] = False) -> None:
    """A SIP/RTP gateway for AI phone agents."""


def every() -> TyperGroup:
    """All commands with their options, imported: for the reference."""
    group = typer.main.get_command(app)
    if not isinstance(group, Commands):
        raise TypeError("the app has other commands")
    for name in commands():
        group.load(name)
    return group


def main() -> None:
    """The console script."""
    for problem in problems():
        typer.echo(f"note: {problem}", err=True)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own threads wait in a busy loop: twice the work a turn
    app(prog_name="sipgw", args=sys.argv[1:])
