"""The command `sipgw simulate`."""

import json
import re
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from agent.lookups import run_main
from sipgw.config.config import load
from sipgw.config.log import LogOptions
from sipgw.console import one_line_errors, out, result_file, writing
from sipgw.records.artifacts.wav import write_stereo
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.uri import Uri, UriError
from sipgw.telemetry import log
from sipgw.tools.simulate.run import seeded, simulate
from sipgw.tools.simulate.scenario import NetworkOptions, ProviderFaults, Scenario, ScenarioError, read
from sipgw.tools.simulate.verdict import CallVerdict

COLOURS = {"caller": "cyan", "agent": "green", "fault": "yellow"}
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)(%|)")


def seconds(text: str) -> float:
    """A duration: ``40ms``, ``2s`` or plain seconds."""
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration like 40ms or 2s")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def share(text: str) -> float:
    """A part: ``3%`` or ``0.03``."""
    match = _SHARE.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no part like 3% or 0.03")
    return float(match[1]) / (100 if match[2] else 1)


def _part(help_: str) -> Any:
    return typer.Option(parser=share, metavar="PART", help=help_)


def _duration(help_: str) -> Any:
    return typer.Option(parser=seconds, metavar="DURATION", help=help_)


def simulate_command(
    scenario: Annotated[
        Path | None, typer.Argument(help="Scenario file; without one, the caller asks for an order.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Agent and providers of this file.")] = None,
    target: Annotated[str, typer.Option(help="Call this SIP URI instead of a gateway that is started here.")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of the random numbers; 0: choose one and print it.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    wav: Annotated[
        Path | None, result_file("Write the call: left the caller, right the agent as the caller heard it.")
    ] = None,
    loss: Annotated[float | None, _part("Packets that are lost, both ways: 3%.")] = None,
    burst: Annotated[float | None, typer.Option(help="Mean number of packets lost in a row.")] = None,
    jitter: Annotated[float | None, _duration("Mean additional delay of a packet: 40ms.")] = None,
    reorder: Annotated[float | None, _part("Packets that arrive after later ones: 1%.")] = None,
    delay: Annotated[float | None, _duration("Delay of every packet.")] = None,
    nat_rebind: Annotated[float | None, _duration("Time in the call when the caller's NAT takes another port.")] = None,
    stt_stall: Annotated[float | None, _duration("Additional delay of the words of every second turn.")] = None,
    llm_slow: Annotated[float | None, _duration("Additional delay of each reply of the model.")] = None,
    tts_drop: Annotated[float | None, _part("Sentences whose sound stops in the middle: 30%.")] = None,
    provider_down: Annotated[
        str | None, typer.Option(help="The provider that refuses everything: stt, llm or tts.")
    ] = None,
) -> None:
    """Hold a scripted call over a bad network with bad providers. Exit status 1 if turns broke, 2 for bad input."""
    network = _given(loss=loss, burst=burst, jitter=jitter, reorder=reorder, delay=delay, rebind=nat_rebind)
    faults = _given(stt_stall=stt_stall, llm_slow=llm_slow, tts_drop=tts_drop, down=provider_down)
    with one_line_errors(2, ScenarioError, ValueError, UriError):
        wanted, folder = _scenario(scenario)
        wanted = replace(seeded(wanted, seed), network=NetworkOptions(**(vars(wanted.network) | network)))
        wanted = replace(wanted, providers=_faults(vars(wanted.providers) | faults))
        uri = Uri.parse(target) if target else None
        if uri and uri.scheme not in ("sip", "sips"):
            raise ScenarioError(f"{target} is not a SIP address")
        if uri and scenario is None:  # our script waits for words, which only our own gateway reports
            wanted = replace(wanted, steps=tuple(replace(step, hears="") for step in wanted.steps))
        if uri and (inside := wanted.inside):
            raise ScenarioError(f"{', '.join(inside)}: only of a gateway that is started here; leave --target out")
        if uri and wanted.providers != ProviderFaults():
            raise ScenarioError("only a gateway that is started here can have faulty providers; leave --target out")
    with one_line_errors(2, ScenarioError, NotAcceptable):
        log.configure(LogOptions(level="error"))
        settings = load(config) if config else None
        try:
            verdict, call = run_main(simulate(wanted, folder, _teller(quiet=json_), config=settings, target=uri))
        except CallFailed as error:
            raise ScenarioError(f"{target}: {error}" if target else str(error)) from None
    if json_:
        out.print_json(json.dumps({"seed": wanted.seed} | verdict.as_dict()))
    else:
        _show(wanted, verdict)
    if wav:
        with one_line_errors(2), writing(wav):
            write_stereo(wav, call.said, call.agent_audio.sound)
    raise typer.Exit(int(bool(verdict.broken)))


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _faults(values: dict[str, Any]) -> ProviderFaults:
    if values["down"] not in ("", "stt", "llm", "tts"):
        raise ScenarioError(f"--provider-down is stt, llm or tts, not {values['down']!r}")
    return ProviderFaults(**values)


def _scenario(path: Path | None) -> tuple[Scenario, Path]:
    if path is not None:
        return read(path), path.parent
    with as_file(files("sipgw.tools.simulate") / "order.toml") as own:
        return read(own), own.parent


def _teller(*, quiet: bool) -> Any:
    def tell(who: str, what: str) -> None:
        if not quiet:
            out.print(f"[{COLOURS[who]}]{who:7}[/] {escape(what)}", soft_wrap=True)

    return tell


def _show(scenario: Scenario, verdict: CallVerdict) -> None:
    out.print(f"\n[bold]what the caller heard[/]   {escape(scenario.name)}, seed {scenario.seed}", soft_wrap=True)
    greeting = "never" if verdict.greeting is None else f"{verdict.greeting * 1000:.0f} ms after the answer"
    out.print(f"  set up in {verdict.setup * 1000:.0f} ms, greeted {greeting}")
    for turn in verdict.turns:
        heard = "no answer" if turn.waited is None else f"answered after {turn.waited * 1000:.0f} ms"
        stopped = "" if turn.silenced is None else f", agent silent after {turn.silenced * 1000:.0f} ms"
        out.print(f"  {turn.at:6.1f} s  {escape(turn.did)}: {heard}{stopped}", soft_wrap=True)
    gaps = ", ".join(f"{length * 1000:.0f} ms at {at:.1f} s" for at, length in verdict.gaps) or "none"
    out.print(f"  gaps in replies: {gaps}", soft_wrap=True)
    whole = verdict.lost + verdict.received
    out.print(f"  packets: {verdict.received} received, {verdict.lost} lost or late of {whole}")
    out.print(f"  ended: {escape(verdict.ending)}", soft_wrap=True)
    for fault in verdict.broken:
        out.print(f"  [red]broken:[/] {escape(fault)}", soft_wrap=True)
    out.print(f"  [red]{len(verdict.broken)} broken[/]" if verdict.broken else "  [green]nothing broken[/]")
