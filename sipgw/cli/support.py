"""``sipgw support``: the support bundle, also while the gateway does not run."""

import gzip
import json
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any

import typer

from sipgw.config.agent_files import load_all
from sipgw.console import ConfigFile, err, one_line_errors, out
from sipgw.records.captures.support import CALLS, LOG_BYTES, bundle

LARGEST = 16 << 20


def support(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("sipgw-support.zip"),
    log: Annotated[
        Path | None, typer.Option("--log", help="Log file; its end is written into the support file.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Write a file for a support request: configuration, versions, log and the latest calls, secrets masked."""
    with one_line_errors():
        settings, agents = load_all(config)
    text = _end_of(log) if log else ""
    metrics = _metrics(settings.web.host, settings.web.port) if settings.web.enabled else ""
    made = bundle({"sipgw": settings} | agents, latest(settings.store.calls_folder), log=text, metrics=metrics)
    try:
        output.write_bytes(made)
    except OSError as error:
        err.print(f"[red]error:[/] cannot write {output}: {error.strerror}")
        raise typer.Exit(1) from None
    out.print(f"wrote {output} ({len(made) // 1024} kB); look into it before you send it", soft_wrap=True)


def latest(folder: Path) -> Iterator[dict[str, Any]]:
    """The timelines of the calls that ended last, the latest call first. `folder` has a file for each."""
    files = sorted(folder.glob("*.json.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[:CALLS]:
        try:
            with gzip.open(path) as file:
                yield json.loads(file.read(LARGEST))
        except (OSError, EOFError, ValueError):
            continue


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        err.print(f"[yellow]note[/]   no log: {path}: {error.strerror}")
        return ""


def _metrics(host: str, port: int) -> str:
    """The text of ``/metrics`` of the gateway on this machine; empty if none runs, or if it needs a sign-in."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    try:
        with urllib.request.urlopen(f"http://{shown}:{port}/metrics", timeout=2) as answer:
            return str(answer.read(LARGEST).decode("utf-8", "replace"))
    except (OSError, ValueError, HTTPException):  # HTTPException: another program listens there
        return ""
