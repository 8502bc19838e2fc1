"""The command `sipgw load`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from agent.lookups import run_main
from sipgw.agents.providers import choose
from sipgw.config.config import load
from sipgw.console import err, one_line_errors, out, print_table, result_file, writing
from sipgw.sip.tls import Tls, TlsError, TlsOptions
from sipgw.sip.uri import UriError
from sipgw.tools.load.distribution import milliseconds
from sipgw.tools.load.plan import Level, LoadStep
from sipgw.tools.load.report import as_dict, held, html, rows
from sipgw.tools.load.run import LoadError, LoadOutcome, LoadPlan, check_target, run

SHOWN = {
    "calls": "calls", "setup_p95": "set-up p95 ms", "turn_p50": "turn p50 ms", "turn_p95": "turn p95 ms",
    "send_error_p50": "send error p50 ms ≤", "send_error_p99": "p99 ms ≤", "loss": "loss", "longest_gap": "gap ms",
    "gateway_cores": "gateway cores", "media_cores": "media cores", "cpu_ms_per_call_second": "CPU ms/call-s",
    "media_ms_per_call_second": "media ms/call-s", "memory_kib_per_call": "KiB/call",
    "media_kib_per_call": "media KiB/call", "headroom": "headroom", "generator_cores": "callers' cores",
}  # fmt: skip


def load_command(
    calls: Annotated[int, typer.Option(min=1, max=8000, help="Calls to hold.")] = 20,
    ramp_: Annotated[bool, typer.Option("--ramp", help="Begin with few calls and add more, up to --calls.")] = False,
    seconds: Annotated[float, typer.Option(min=2, max=86400, help="How long each number of calls is held.")] = 20.0,
    target: Annotated[str, typer.Option(help="Call this SIP URI instead of a gateway that is started here.")] = "",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Agent and providers of this file.")] = None,
    media_only: Annotated[bool, typer.Option(help="No speech services: an agent that repeats one sentence.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="New calls a second.")] = 20.0,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes of callers; 0 is one a core.")] = 0,
    turn_limit: Annotated[float, typer.Option(help="Seconds: longest turn latency of 95 of 100 turns.")] = 1.5,
    setup_limit: Annotated[float, typer.Option(help="Seconds: longest set-up of 95 of 100 calls.")] = 1.0,
    loss_limit: Annotated[float, typer.Option(help="Part of the packets that may be lost.")] = 0.01,
    gap_limit: Annotated[float, typer.Option(help="Seconds: longest time without a packet.")] = 0.5,
    media_processes: Annotated[int, typer.Option(min=0, max=64, help="Media processes; 0: as configured.")] = 0,
    ca: Annotated[str, typer.Option(help="PEM file with the authorities that sign a TLS target's certificate.")] = "",
    html_file: Annotated[Path | None, result_file("Write a report with plots.", "--html")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    own: Annotated[bool, typer.Option("--i-own-this-host", help="Allow a public address as target.")] = False,
) -> None:
    """Find out how many calls this machine holds. Exit status 1 if the service level broke, 2 for bad input."""
    with one_line_errors(2, LoadError, TlsError, UriError, ValueError):
        if bool(target) + bool(config) + media_only != 1:
            raise LoadError("say one of --media-only, --config FILE and --target URI")
        if config:
            choose(load(config))
        Tls(TlsOptions(0, ca=ca)).check()
        host = check_target(target, own=own) if target else "127.0.0.1"
    level = Level(turn_limit, setup_limit, loss_limit, gap_limit)
    plan = LoadPlan(() if ramp_ else (calls,), seconds, target, config, rate, level=level, ca=ca, media=media_processes)
    plan = replace(plan, workers=min(workers or plan.workers, calls), most=calls)
    with one_line_errors(2, LoadError):
        outcome = _watched(plan, host, quiet=json_)
    if json_:
        out.print_json(json.dumps(as_dict(outcome)))
    else:
        _show(outcome, ramped=ramp_)
    if html_file:
        with one_line_errors(2), writing(html_file):
            html_file.write_text(html(outcome, _about(plan)), encoding="utf-8")
    raise typer.Exit(int(bool(outcome.broken) and not (ramp_ and outcome.held)))


def _about(plan: LoadPlan) -> str:
    what = plan.target or (f"the gateway of {plan.config}" if plan.config else "a gateway with the parrot as agent")
    return f"{what}; {plan.workers} processes of callers, {plan.rate:g} new calls a second, {plan.seconds:g} s a step"


def _watched(plan: LoadPlan, host: str, *, quiet: bool) -> LoadOutcome:
    if quiet:
        return run_main(run(plan, host, lambda step, left: None))
    with Status("starting ...", console=err) as status:

        def progress(step: LoadStep, left: float) -> None:
            turn = "" if not step.latencies else f"p95 {milliseconds(step.latencies, 0.95):.0f} ms, "
            cpu = "" if step.cpu is None else f", gateway {step.cpu:.2f} cores"
            status.update(
                f"{step.held} of {step.wanted} calls, {len(step.latencies)} turns, {turn}"
                f"{step.lost} packets lost{cpu}, callers {step.generator:.2f} cores, {left:.0f} s left"
            )

        return run_main(run(plan, host, progress))


def _show(outcome: LoadOutcome, *, ramped: bool) -> None:
    table = Table(box=None, header_style="dim")
    for title in SHOWN.values():
        table.add_column(title, justify="right")
    for figures in rows(outcome):
        table.add_row(*("–" if figures[name] is None else f"{figures[name]}" for name in SHOWN))
    print_table(table)
    if outcome.broken:
        word = "the service level broke" if ramped else "the service level did not hold"
        out.print(f"[yellow]{word}:[/] {escape('; '.join(outcome.broken))}", soft_wrap=True)
    out.print(f"[bold]{held(outcome)}[/]")
