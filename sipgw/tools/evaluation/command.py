"""The command `sipgw eval`."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from sipgw.agents.providers import choose, opened
from sipgw.config.config import load
from sipgw.config.log import LogOptions
from sipgw.config.options import DEFAULT_FILE
from sipgw.console import err, one_line_errors, out, print_table, result_file
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.telemetry import log
from sipgw.tools.evaluation.conversation import Judge
from sipgw.tools.evaluation.eval_set import EvalError, EvalSet, acted, read_set
from sipgw.tools.evaluation.judge import judged
from sipgw.tools.evaluation.report import COLUMNS, as_dict, figures, html, shown
from sipgw.tools.evaluation.run import Contestant, ContestantResult, embedded, evaluate


def eval_command(
    evaluated: Annotated[Path, typer.Argument(metavar="SET", help="TOML file with utterances and calls, or: ear.")],
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Configuration to evaluate; several are compared.")
    ] = None,
    judge: Annotated[Path | None, typer.Option(help="Configuration whose model judges the rubrics.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=50, help="Utterances and scripted calls at the same time.")] = 4,
    scripted: Annotated[
        bool, typer.Option("--scripted", help="Let the replies of the set answer, not a model: tries tools and checks.")
    ] = False,
    html_file: Annotated[Path | None, result_file("Write a report with sound.", "--html")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Find out how good an agent and its providers are. Exit status 1 if a goal was missed, 2 for bad input."""
    with one_line_errors(2, EvalError, CallFailed, NotAcceptable):
        log.configure(LogOptions(level="error"))
        evaluated = located(evaluated)
        wanted = acted(read_set(evaluated), scripted=scripted)
        results, sounds = asyncio.run(_run(wanted, evaluated.parent, contestants(config), at_once, judge, json_))
    if html_file:
        html_file.write_text(html(wanted, results, sounds), encoding="utf-8")
    if json_:
        out.print_json(json.dumps(as_dict(wanted, results)))
    else:
        _show(wanted, results)
    raise typer.Exit(int(any(result.short_of(wanted) for result in results)))


def located(evaluated: Path) -> Path:
    """The file of a set: a name without a file is that of one that comes with this package."""
    own = Path(__file__).with_name(f"{evaluated.name}.toml")
    return own if evaluated.parts == (evaluated.name,) and not evaluated.exists() and own.exists() else evaluated


def contestants(paths: Sequence[Path] | None) -> list[Contestant]:
    """The contestants of the command line; without any, `sipgw.toml` or the embedded providers. Raises `EvalError`."""
    if not paths:
        return [Contestant(DEFAULT_FILE.stem, load())] if DEFAULT_FILE.exists() else [embedded()]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise EvalError("two configurations have the same name; rename one of the files")
    return [Contestant(path.stem, load(path)) for path in paths]


async def _run(
    wanted: EvalSet, folder: Path, those: Sequence[Contestant], at_once: int, judge: Path | None, quiet: bool
) -> tuple[list[ContestantResult], list[bytes]]:
    async with AsyncExitStack() as stack:
        says = await _judge(judge, stack) if judge else None
        with Progress(console=err, transient=True, disable=quiet) as shown_progress:
            tasks = {one.name: shown_progress.add_task(one.name, total=None) for one in those}
            return await evaluate(
                wanted, folder, those, at_once, says,
                lambda name, done, whole: shown_progress.update(tasks[name], completed=done, total=whole),
            )  # fmt: skip


async def _judge(path: Path, stack: AsyncExitStack) -> Judge:
    config = load(path)
    choice = choose(config)
    if "local" in choice.llm:
        raise EvalError(f"{path}: a judge needs a language model: set [agent] llm, or OPENAI_API_KEY in .env")
    llm = (await stack.enter_async_context(opened(config, choice))).llm
    return lambda rubric, conversation: judged(llm, rubric, conversation)


def _show(wanted: EvalSet, results: Sequence[ContestantResult]) -> None:
    table = Table(title=wanted.name, box=None, header_style="dim")
    for title in ("", *COLUMNS.values()):
        table.add_column(title, justify="right" if title else "left")
    for result in results:
        table.add_row(escape(result.name), *(shown(*each) for each in figures(result).items()))
    print_table(table)
    for result in results:
        for one in result.hearings:
            if one.heard.missed or one.fault:
                what = ", ".join(f"{entity.kind} {entity.value[0]}" for entity in one.heard.missed) or one.fault
                out.print(
                    f"[yellow]{escape(result.name)}[/] missed {escape(what)}; heard: {escape(one.heard.text)}",
                    soft_wrap=True,
                )
        for call in result.calls:
            for fault in call.faults:
                out.print(
                    f"[yellow]{escape(result.name)}[/] {escape(call.options.label)}: {escape(fault)}", soft_wrap=True
                )
        for missed in result.short_of(wanted):
            out.print(f"[red]{escape(result.name)}[/] {escape(missed)}", soft_wrap=True)
