"""The command `sipgw replay`."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.markup import escape
from rich.table import Table

from sipgw.console import one_line_errors, out, say_error
from sipgw.records.artifacts.files import BUNDLE
from sipgw.records.bundles.bundle import BundleError, read_bundle
from sipgw.tools.replay.difference import Difference, differences
from sipgw.tools.replay.run import Replayed, replay


def bundles(paths: list[Path]) -> Iterator[Path]:
    """The bundles to replay: files, and all bundles of folders. Raises `BundleError` for a folder without any."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.rglob(f"*{BUNDLE}"))
        if not found:
            raise BundleError(f"{path}: there is no *{BUNDLE} in this folder")
        yield from found


def replay_command(
    paths: Annotated[list[Path], typer.Argument(metavar="BUNDLE|FOLDER...", help="Bundles of recorded calls.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write today's results into the bundles, as the expected ones.")
    ] = False,
) -> None:
    """Replay recorded calls with the present code. Exit status 1 if one is different, 2 if a bundle is broken."""
    # The log of a replayed call is not printed, only differences.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    told, different, broken, taken = [], 0, 0, 0
    seconds = took = 0.0
    with one_line_errors(2, BundleError):
        wanted = list(bundles(paths))
    for path in wanted:
        try:
            played, found = _played(path, update=update)
        except BundleError as error:
            say_error(error)
            broken += 1
            continue
        different += bool(found)
        taken += bool(found) and update and not played.left
        seconds, took = seconds + played.seconds, took + played.took
        told.append(_as_dict(path, played, found))
        if not json_:
            _show(path, played, found, updated=update and not played.left)
    if json_:
        out.print_json(json.dumps(told))
    elif told:
        same = f"{len(told) - different} of {len(told)} calls are the same"
        speed = f"{seconds:.0f} s of calls in {took:.1f} s, {seconds / took:.0f} times as fast" if took else ""
        out.print(f"{same}; {speed}" if speed else same, soft_wrap=True)
    raise typer.Exit(2 if broken else int(different > taken))


def _played(path: Path, *, update: bool) -> tuple[Replayed, list[Difference]]:
    bundle = read_bundle(path)
    played = replay(bundle)
    found = differences(bundle.story, played.story, played.left)
    if update and found and not played.left:
        try:
            beside = path.with_name(f".{path.name}")
            beside.write_bytes(bundle.retold(played.story).write())
            beside.replace(path)  # the bundle may be the only copy
        except OSError as error:
            raise BundleError(f"cannot write {path}: {error.strerror}") from None
    return played, found


def _as_dict(path: Path, played: Replayed, found: list[Difference]) -> dict[str, Any]:
    return {
        "bundle": str(path),
        "same": not found,
        "seconds": round(played.seconds, 3),
        "speed": round(played.speed),
        "left": played.left,
        "differences": [one._asdict() for one in found],
    }


def _show(path: Path, played: Replayed, found: list[Difference], *, updated: bool) -> None:
    name = escape(path.name.removesuffix(BUNDLE))
    if not found:
        out.print(f"[green]same[/]       {name}", soft_wrap=True)
        return
    out.print(f"[yellow]{'updated[/]  ' if updated else 'different[/]'}  {name}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "where", "when it was held", "now"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row("  ", one.where, escape(one.before), escape(one.now))
    out.print(table)
