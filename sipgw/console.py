"""Shared by the commands: the console, the configuration, and errors in one line."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent.errors import ProviderError
from agent.tools import ToolFileError
from media.process.channel import MediaDown
from media.rtp.srtp import SrtpUnavailableError
from sipgw.config.errors import OperatorError
from sipgw.sip.endpoint import EndpointError

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def _can_be_written(path: Path | None) -> Path | None:
    """Refuse an unusable file before the work, not after it."""
    if path and (path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK)):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


@contextlib.contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """Write a file, or the standard output (None), in this block. Raises `OperatorError` where that is impossible."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise  # of a database, or of a pipe whose reader has read enough
    except OSError as error:
        raise OperatorError(f"cannot write {path or 'the output'}: {error.strerror or error}") from None


def result_file(help_: str, *names: str) -> Any:
    """A command line option for a result file. The command writes it after its work, so the path is checked before."""
    return typer.Option(*names, help=help_, callback=_can_be_written)


WIDE = 200
"""Columns of a table where there is no terminal."""
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file; default: sipgw.toml.")]
EXPECTED = (OperatorError, ToolFileError, EndpointError, ProviderError, MediaDown, SrtpUnavailableError)
"""Errors that are printed as one line; any other error is a defect and shows its traceback."""


def print_table(table: Table) -> None:
    """Print `table`, wide enough for all columns if there is no terminal. In a narrow terminal each row becomes a list,
    so that no figure is cut.
    """
    if not out.is_terminal:
        out.width = WIDE
    if out.measure(table, options=out.options.update(max_width=WIDE)).maximum <= out.width:
        out.print(table)
        return
    titles = [str(column.header) for column in table.columns]
    room = max(map(len, titles))
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        for title, cell in zip(titles, cells, strict=True):
            out.print(f"{escape(title):<{room}}  {cell}", soft_wrap=True)
        out.print()


@contextlib.contextmanager
def working(on: str) -> Iterator[None]:
    """Show the text `on` and the seconds so far, until the end of the block; without a terminal, print `on` once."""
    if not err.is_terminal:
        err.print(f"{escape(on)} ...")
        yield
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True) as shown:
        shown.add_task(escape(on), total=None)
        yield


@contextlib.contextmanager
def one_line_errors(status: int = 1, *further: type[Exception]) -> Iterator[None]:
    """Print an expected error, or one of the types `further`, in one line and exit with `status`."""
    types: tuple[type[Exception], ...] = (*EXPECTED, *further)
    try:
        yield
    except types as error:
        say_error(error)
        raise typer.Exit(status) from None
    except BaseExceptionGroup as group:
        expected, other = group.split(types)
        if expected is None or other is not None:
            raise
        for leaf in _leaves(expected):
            say_error(leaf)
        raise typer.Exit(status) from None


def say_error(error: BaseException) -> None:
    """Print an error in one line."""
    err.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
