"""``sipgw demo``: a built-in caller talks with the embedded agent."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from agent.lookups import run_main
from agent.providers.local import models
from sipgw.config.log import LogOptions
from sipgw.console import err, one_line_errors, out, result_file, writing
from sipgw.telemetry import log
from sipgw.tools.demo.conversation import hold_demo

WITH_MODELS = "uvx --from 'sipgw[local]' sipgw demo"
"""The demo without an installation."""


def demo(
    json_file: Annotated[Path | None, result_file("Write the turns to this file.", "--json")] = None,
    wav_file: Annotated[
        Path | None, result_file("Write the call as stereo WAV: left the caller, right the agent.", "--wav")
    ] = None,
) -> None:
    """Let a built-in caller hold a conversation with the embedded agent over real SIP and RTP."""
    if lacking := models.missing():
        err.print(f"[red]error:[/] {escape(lacking)}; or run {escape(WITH_MODELS)}", soft_wrap=True)
        raise typer.Exit(1)
    with one_line_errors():
        log.configure(LogOptions(level="warning"))
        result = run_main(hold_demo(out))
        if json_file:
            with writing(json_file):
                text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False) + "\n"
                json_file.write_text(text, encoding="utf-8")
            out.print(f"turns written to {json_file}")
        if wav_file:
            with writing(wav_file):
                result.write_wav(wav_file)
            out.print(f"call written to {wav_file}")
    if not result.succeeded:
        err.print(f"[red]the demo failed:[/] {result.verdict}")
        raise typer.Exit(1)
