"""The command line: which commands there are. Each is imported when it is used, so that none pays for the others."""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sipgw import __version__

COMMANDS = {
    "serve": ("sipgw.cli.serve:serve", "Answer calls until Ctrl-C."),
    "check": ("sipgw.cli.check:check", "Validate the configuration and say which providers will be used."),
    "demo": (
        "sipgw.cli.demo:demo",
        "Let a built-in caller hold a conversation with the embedded agent over real SIP and RTP.",
    ),
    "init": (
        "sipgw.cli.init:init",
        "Write a configuration for a carrier or PBX, with the portal fields to set beside it.",
    ),
    "call": (
        "sipgw.cli.call:call",
        "Call somebody and let the agent talk with them: by the gateway that runs on this machine, or without one.",
    ),
    "campaign": ("sipgw.cli.campaign:campaigns", "Call everybody in a CSV file."),
    "records": ("sipgw.cli.records:records", "What is kept of calls: export it, forget a caller, delete what is old."),
    "dnc": ("sipgw.cli.dnc:dnc", "The do-not-call list."),
    "web": ("sipgw.cli.web:web", "Passwords of the dashboard, keys of the REST interface."),
    "doctor": (
        "sipgw.doctor.command:doctor",
        "Find out why a trunk or a provider does not work. Exit status 1 if something fails, 2 for bad input.",
    ),
    "support": (
        "sipgw.cli.support:support",
        "Write a file for whoever helps you: configuration, versions, log and the latest calls, secrets masked.",
    ),
    "simulate": (
        "sipgw.simulate.command:simulate_command",
        "Hold a scripted call over a bad network with bad providers. Exit status 1 if turns broke, 2 for bad input.",
    ),
    "replay": (
        "sipgw.replay.command:replay_command",
        "Play kept calls again, to the code as it is now. Exit status 1 if one is different, 2 if a bundle is broken.",
    ),
    "load": (
        "sipgw.load.command:load_command",
        "Let many callers speak at once. Exit status 1 if the service level broke, 2 for bad input.",
    ),
    "eval": (
        "sipgw.evaluation.command:eval_command",
        "Find out how good an agent and its providers are. Exit status 1 if a goal was missed, 2 for bad input.",
    ),
}
"""Name, where it is (a function or a group of commands), and the first sentence of its help."""

LOOK: dict[str, Any] = {"context_settings": {"help_option_names": ["-h", "--help"]}, "rich_markup_mode": None}
"""Of the help: plain text, in which brackets are no markup."""


class Commands(TyperGroup):
    """The commands of `COMMANDS`. Until one is used it is known by its name and sentence alone."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        for name, (_, sentence) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=sentence))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is used."""
        if args and args[0] in COMMANDS:
            self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> None:
        """Import a command, with its options."""
        module, _, attribute = COMMANDS[name][0].partition(":")
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
        self.add_command(group.commands[name])


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    **LOOK,
    help="A SIP/RTP gateway for AI phone agents.",
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """A SIP/RTP gateway for AI phone agents."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def every() -> TyperGroup:
    """All commands with their options, imported: for the reference."""
    group = typer.main.get_command(app)
    if not isinstance(group, Commands):
        raise TypeError("the app has other commands")
    for name in COMMANDS:
        group.load(name)
    return group


def main() -> None:
    """The console script."""
    app(prog_name="sipgw", args=sys.argv[1:])
