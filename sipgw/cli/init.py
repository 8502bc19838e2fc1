"""``sipgw init RECIPE``: write the configuration of a carrier, PBX or phone."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sipgw.config.options import DEFAULT_FILE

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)
RECIPES = tuple(sorted(entry.name.removesuffix(".toml") for entry in (files("sipgw") / "recipes").iterdir()))


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
    named = "" if output == DEFAULT_FILE else f" -c {output}"
    out.print(f"wrote {output}: follow the steps at its top, then run [bold]sipgw check{named}[/]", soft_wrap=True)
