"""The command `sipgw eval`."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from agent.lookups import run_main
from agent.meter import ChargedLlm, UsageReport
from agent.records import Used
from sipgw.agents.providers import choose, opened
from sipgw.config.agent_files import DEFAULT, load_all
from sipgw.config.config import AgentConfig, load
from sipgw.config.errors import ConfigError
from sipgw.config.files import text_of
from sipgw.config.log import LogOptions
from sipgw.config.options import DEFAULT_FILE, options_of
from sipgw.console import err, one_line_errors, out, print_table, result_file, writing
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
    agent: Annotated[str, typer.Option(help="The agent to evaluate: the name of a file of agents/.")] = DEFAULT,
    prompt: Annotated[
        list[Path] | None, typer.Option(help="File with a prompt instead of the agent's; several are compared.")
    ] = None,
    judge: Annotated[Path | None, typer.Option(help="Configuration whose model judges the rubrics.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=50, help="Utterances and scripted calls at the same time.")] = 4,
    scripted: Annotated[
        bool,
        typer.Option(
            "--scripted", help="Answer with the replies of the set, not with a model: tests tools and checks."
        ),
    ] = False,
    usage: Annotated[
        Path | None, typer.Option(help="File that gets a line of JSON each time when a provider is used.")
    ] = None,
    html_file: Annotated[Path | None, result_file("Write a report with sound.", "--html")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Find out how good an agent and its providers are. Exit status 1 if a goal was missed, 2 for bad input."""
    with one_line_errors(2, EvalError, CallFailed, NotAcceptable):
        log.configure(LogOptions(level="error"))
        evaluated = located(evaluated)
        wanted = acted(read_set(evaluated), scripted=scripted)
        used = counted(usage) if usage else None
        those = [replace(one, used=used) for one in contestants(config, agent, prompt or ())]
        results, sounds = run_main(_run(wanted, evaluated.parent, those, at_once, judge, json_))
    if json_:
        out.print_json(json.dumps(as_dict(wanted, results)))
    else:
        _show(wanted, results)
    if html_file:
        with one_line_errors(2), writing(html_file):
            html_file.write_text(html(wanted, results, sounds), encoding="utf-8")
    raise typer.Exit(int(any(result.short_of(wanted) for result in results)))


def counted(file: Path) -> UsageReport:
    """A function that writes each use of a provider into `file`. If it cannot write, it ends the evaluation, because
    further costs would not be counted.
    """
    try:
        lines = file.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise EvalError(f"--usage {file}: {error.strerror}") from None

    def tell(report: Used) -> None:
        try:
            lines.write(json.dumps(report._asdict()) + "\n")
        except OSError as error:
            raise SystemExit(f"--usage {file}: {error.strerror}") from None

    return tell


def located(evaluated: Path) -> Path:
    """The path of a set: `evaluated`, or the set of that name in this package if there is no such file."""
    own = Path(__file__).with_name(f"{evaluated.name}.toml")
    return own if evaluated.parts == (evaluated.name,) and not evaluated.exists() and own.exists() else evaluated


def contestants(paths: Sequence[Path] | None, agent: str = DEFAULT, prompts: Sequence[Path] = ()) -> list[Contestant]:
    """The contestants of the command line; without any, `sipgw.toml` or the embedded providers. Raises `EvalError`."""
    if agent != DEFAULT or prompts:
        if paths and len(paths) > 1:
            raise EvalError("--agent and --prompt are for one configuration: name one with -c")
        return _of_agent(paths[0] if paths else None, agent, prompts)
    if not paths:
        return [Contestant(DEFAULT_FILE.stem, load())] if DEFAULT_FILE.exists() else [embedded()]
    _check_names(paths, "configurations")
    return [Contestant(path.stem, load(path)) for path in paths]


def _of_agent(path: Path | None, agent: str, prompts: Sequence[Path]) -> list[Contestant]:
    gateway, others = load_all(path)
    one = {**others, DEFAULT: gateway}.get(agent)
    if one is None:
        raise EvalError(f"there is no agent {agent!r}; there are {', '.join(sorted((*others, DEFAULT)))}")
    config = gateway.having(**{name: getattr(one, name) for name in options_of(AgentConfig)})
    if not prompts:
        return [Contestant(agent, config)]
    _check_names(prompts, "prompts")
    try:
        texts = {path.stem: text_of(path).strip() for path in prompts}
    except ConfigError as error:
        raise EvalError(f"--prompt: {error}") from None
    return [Contestant(name, config.having(agent=replace(config.agent, prompt=text))) for name, text in texts.items()]


def _check_names(paths: Sequence[Path], what: str) -> None:
    if len({path.stem for path in paths}) < len(paths):
        raise EvalError(f"two {what} have the same name; rename one of the files")


async def _run(
    wanted: EvalSet, folder: Path, those: Sequence[Contestant], at_once: int, judge: Path | None, quiet: bool
) -> tuple[list[ContestantResult], list[bytes]]:
    async with AsyncExitStack() as stack:
        says = await _judge(judge, stack, those[0].used) if judge else None
        with Progress(console=err, transient=True, disable=quiet) as shown_progress:
            tasks = {one.name: shown_progress.add_task(one.name, total=None) for one in those}
            return await evaluate(
                wanted, folder, those, at_once, says,
                lambda name, done, whole: shown_progress.update(tasks[name], completed=done, total=whole),
            )  # fmt: skip


async def _judge(path: Path, stack: AsyncExitStack, used: UsageReport | None) -> Judge:
    config = load(path)
    choice = choose(config)
    if "local" in choice.llm:
        raise EvalError(f"{path}: a judge needs a language model: set [agent] llm, or OPENAI_API_KEY in .env")
    llm = (await stack.enter_async_context(opened(config, choice))).llm
    llm = ChargedLlm(llm, used) if used else llm
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
