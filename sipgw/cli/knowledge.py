"""``sipgw knowledge``: the documents that an agent answers from."""

import math
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from annotated_types import Ge, Le, Len
from rich.markup import escape

from agent.errors import ProviderError
from agent.lookups import run_main
from agent.passages import Find, Passage
from agent.providers.local.brain.documents import answer_of
from sipgw.agents.knowledge.documents import READERS
from sipgw.agents.knowledge.knowledge_base import AgentDocuments, KnowledgeBase
from sipgw.agents.products import prices_of
from sipgw.cli.database import database
from sipgw.config.agent_files import DEFAULT, load_all
from sipgw.config.config import AgentConfig
from sipgw.config.errors import ConfigError
from sipgw.config.files import read_as
from sipgw.config.log import LogOptions
from sipgw.console import ConfigFile, one_line_errors, out, say_error
from sipgw.midnight import local_now
from sipgw.policy.cost.cost import Expenses, spent_since_midnight
from sipgw.policy.inbound.limits import InboundLimits
from sipgw.telemetry import log
from sipgw.trunks.instance_id import instance_id

QUICK = 0.03
"""Seconds within which the passages for a question should be found."""

FAILURES = (ProviderError, UnicodeError)
"""Errors of a question: errors of the encoder, and words that cannot be UTF-8."""

knowledge = typer.Typer(
    no_args_is_help=True, help="The documents that an agent answers from: read them, ask them, measure the answers."
)
AgentName = Annotated[
    str, typer.Option("--agent", "-a", help="The agent that has the documents; default: the agent of sipgw.toml.")
]


@dataclass(frozen=True)
class QuestionOptions:
    """A question, and the place of its answer."""

    ask: Annotated[str, Len(1, 500)]
    file: str
    """The path of the document within the folder."""
    heading: str = ""
    """A part of the headings above the passage; empty: anywhere in the document."""


@dataclass(frozen=True)
class QuestionsFile:
    """Questions for ``sipgw knowledge eval``."""

    questions: Annotated[tuple[QuestionOptions, ...], Len(1)]
    recall: Annotated[float, Ge(0), Le(1)] = 0.9
    """The share of the questions for which the passage must be among those that the agent gets."""


class QuestionsError(ConfigError):
    """The file of questions cannot be used."""


@knowledge.command()
def add(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Documents to be copied into the folder first.", exists=True)
    ] = None,
    agent: AgentName = DEFAULT,
    config: ConfigFile = None,
) -> None:
    """Read the folder, and make vectors of new and changed documents. A running gateway uses them after a reload.

    Exit status: 1 if a document was left out.
    """
    with one_line_errors():
        settings = _agent(config, agent)
        for file in files or ():
            _copy(file, Path(settings.knowledge.folder))

        async def run() -> AgentDocuments:
            async with _opened(config, settings) as (documents, _):
                return documents

        folder = run_main(run()).folder
    cost = f", for {folder.cost.total:.4f}" if folder.cost else ""
    out.print(f"{folder.files} documents, {folder.new} of them read now, {len(folder.passages.entries)} passages{cost}")
    if folder.problems:
        raise typer.Exit(1)


@knowledge.command()
def ask(
    question: Annotated[str, typer.Argument(help="What a caller says.")],
    agent: AgentName = DEFAULT,
    config: ConfigFile = None,
) -> None:
    """Say which passages the agent gets for a caller's words, and what the embedded brain answers from them."""
    with one_line_errors(1, *FAILURES):

        async def run() -> tuple[Sequence[Passage], float, str]:
            async with _opened(config, _agent(config, agent)) as (_, find):
                began = time.perf_counter()
                found = await find((question,))
                return found, time.perf_counter() - began, answer_of(question, [one.text for one in found])

        found, seconds, answer = run_main(run())
    for one in found:
        heading = f" › {one.heading}" if one.heading else ""
        out.print(f"[bold]{escape(one.file + heading)}[/] ({one.score:.2f})\n  {escape(one.text)}", soft_wrap=True)
    out.print(f"{len(found)} passages in {1000 * seconds:.0f} ms")
    if answer:
        out.print(f"The embedded brain says: {escape(answer)}", soft_wrap=True)


@knowledge.command("eval")
def evaluate(
    questions: Annotated[Path, typer.Argument(help="A TOML file with [[questions]]: ask, file, heading.")],
    agent: AgentName = DEFAULT,
    config: ConfigFile = None,
) -> None:
    """Ask all questions of a file, and count how often the right passage is found.

    Exit status: 1 if a goal is missed.
    """
    with one_line_errors(1, *FAILURES):
        wanted = read_as(QuestionsFile, questions, QuestionsError)
        settings = _agent(config, agent)

        async def run() -> tuple[list[Sequence[Passage]], list[float]]:
            found, times = list[Sequence[Passage]](), list[float]()
            async with _opened(config, settings) as (_, find):
                for one in wanted.questions:
                    began = time.perf_counter()
                    found.append(await find((one.ask,)))
                    times.append(time.perf_counter() - began)
            return found, times

        found, times = run_main(run())
    places = [_place(one, passages) for one, passages in zip(wanted.questions, found, strict=True)]
    for one, place, passages in zip(wanted.questions, places, found, strict=True):
        if not place:
            got = "; ".join(f"{each.file} › {each.heading}" for each in passages) or "nothing"
            out.print(escape(f"not found: {one.ask} (wanted {one.file} › {one.heading}; got {got})"), soft_wrap=True)
    count, right = len(places), sum(map(bool, places))
    slow = sorted(times)[min(count - 1, int(0.95 * count))]
    recalled, quick = right >= wanted.recall * count, slow <= QUICK
    out.print(f"in the first place   {places.count(1)} of {count}")
    goal = f"goal ≥ {100 * wanted.recall:g} %"
    out.print(f"recall@{settings.knowledge.passages}             {right} of {count}   {goal}   {_verdict(recalled)}")
    out.print(f"time, 95 % within    {1000 * slow:.1f} ms   goal ≤ {1000 * QUICK:g} ms   {_verdict(quick)}")
    if not (recalled and quick):
        raise typer.Exit(1)


def _verdict(met: object) -> str:
    return "met" if met else "missed"


def _place(wanted: QuestionOptions, found: Sequence[Passage]) -> int:
    """The rank of the right passage among those `found`, from 1; 0 if it is not among them."""
    right = (at for at, one in enumerate(found, 1) if one.file == wanted.file and wanted.heading in one.heading)
    return next(right, 0)


def _agent(config: Path | None, name: str) -> AgentConfig:
    """The configuration of the agent `name`. Raises `ConfigError` if there is no such agent, or if it has no
    documents."""
    settings, others = load_all(config)
    agents: dict[str, AgentConfig] = {DEFAULT: settings, **others}
    if name not in agents:
        raise ConfigError(f"there is no agent {name!r}; there are: {', '.join(sorted(agents))}")
    if not agents[name].knowledge.folder:
        raise ConfigError(f'agent {name}: it has no documents: write [knowledge] folder = "…"')
    return agents[name]


def _copy(file: Path, folder: Path) -> None:
    """Copy `file` into `folder`. Raises `ConfigError` if that is impossible."""
    if file.suffix[1:].lower() not in READERS:
        raise ConfigError(f"{file}: only {', '.join(f'.{one}' for one in READERS)} are read")
    there = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if there.exists() and there.read_bytes() != file.read_bytes():
            raise ConfigError(f"{there} is another document of that name; delete it first")
        if not there.exists():
            shutil.copyfile(file, there)
    except OSError as error:
        raise ConfigError(f"cannot copy {file}: {error.strerror}") from None


@asynccontextmanager
async def _opened(config: Path | None, agent: AgentConfig) -> AsyncIterator[tuple[AgentDocuments, Find]]:
    """The documents of an agent, and the function that finds their passages. Prints which documents are left out.
    Unlike in a call, the function raises `ProviderError`: no passages would be a wrong answer.
    """
    log.configure(LogOptions(level="error"))
    settings, _ = load_all(config)
    gateway = lambda: str(instance_id(Path(f"{settings.store.path}.instance")))  # noqa: E731
    async with database(settings.store) as store:
        expenses = Expenses(prices_of(settings), local_now, await spent_since_midnight(store, local_now()))
        limits = InboundLimits(settings.limits, expenses.spent)
        async with KnowledgeBase(store, expenses, gateway, limits.spent, patience=math.inf) as knowledge_base:
            by_agent = await knowledge_base.load({DEFAULT: agent})
            knowledge_base.put(by_agent, quietly=True)
            for problem in by_agent[DEFAULT].folder.problems:
                say_error(ValueError(problem))

            async def find(words: Sequence[str]) -> Sequence[Passage]:
                return await knowledge_base.look_up(DEFAULT, words, lambda used: None)

            yield by_agent[DEFAULT], find
