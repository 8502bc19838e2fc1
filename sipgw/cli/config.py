"""``sipgw config``: the effective configuration."""

from typing import Annotated

import typer

from sipgw.cli.check import verified
from sipgw.config.config import environment
from sipgw.config.show import as_json, as_toml, effective
from sipgw.console import ConfigFile, one_line_errors

config = typer.Typer(no_args_is_help=True, help="Show the configuration that is in use.")


@config.callback()
def group() -> None:
    """Show the configuration that is in use."""


@config.command()
def show(
    file: ConfigFile = None,
    agent: Annotated[str, typer.Option(help="Name of a file in agents/: the configuration of that agent.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="A JSON object instead of TOML.")] = False,
) -> None:
    """Print every key with its value and the source of the value; secrets are masked.

    Exit status 1 if the configuration has faults.
    """
    with one_line_errors():
        rows = effective(file, agent, environment())
        typer.echo((as_json if json_ else as_toml)(rows), nl=False)
        verified(file)
