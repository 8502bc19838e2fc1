"""Runs the calls of a set, and compares the results with the expectations."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.meter import UsageReport
from agent.records import AgentSays, CallerSaid, Interrupted, ToolDone, ToolRun, TurnEnded
from sipgw.config.config import GatewayConfig
from sipgw.events import CallEnded, CallReported, CallTransferred, Event
from sipgw.tools.caller import Call
from sipgw.tools.evaluation.by_ear import unfit
from sipgw.tools.evaluation.eval_set import CallOptions, EvalError, EvalSet
from sipgw.tools.evaluation.words import contains
from sipgw.tools.simulate.run import simulate
from sipgw.tools.simulate.scenario import ScenarioError, read
from sipgw.tools.simulate.verdict import CallVerdict

Judge = Callable[[str, str], Awaitable[str]]
"""A function that gets a rubric and a conversation, and returns why the rubric is not met; empty if it is met."""


@dataclass
class ConversationLog:
    """The course of a call, from the events of the gateway."""

    words: list[tuple[str, str]] = field(default_factory=list)
    """Speaker (``caller``, ``agent``) and words. With the speaker ``heard``: the part of an interrupted reply that the
    caller heard."""
    turns: list[str] = field(default_factory=list)
    """Text that the agent meant to say in each turn."""
    runs: list[ToolRun] = field(default_factory=list)
    """Tool calls that returned a result."""
    handed_over: bool = False
    cost: dict[str, Any] = field(default_factory=dict)
    """See `sipgw.policy.cost.cost.Cost.as_dict`."""

    def watch(self, event: Event) -> None:
        """See `sipgw.events.Watcher`."""
        match event:
            case CallReported(report=CallerSaid(text, True)):
                self.words.append(("caller", text))
            case CallReported(report=AgentSays(text)):
                self.words.append(("agent", text))
            case CallReported(report=Interrupted(heard)):
                self.words.append(("heard", heard))
            case CallReported(report=TurnEnded(turn)):
                self.turns.append(turn.said)
            case CallReported(report=ToolDone(run)) if not run.error:
                self.runs.append(run)
            case CallTransferred(accepted=True):
                self.handed_over = True
            case CallEnded(cost=cost):
                self.cost = cost or {}

    @property
    def tools(self) -> list[str]:
        """The names of the tools that returned."""
        return [run.name for run in self.runs]

    @property
    def conversation(self) -> str:
        """All words of the call, a line for each turn of a speaker."""
        return "\n".join(f"{who}: {text}" for who, text in self.words)

    @property
    def said(self) -> str:
        """All words of the agent, in lower case."""
        return " ".join(text for who, text in self.words if who == "agent").lower()


@dataclass(frozen=True)
class ConversationResult:
    """The result of one call of the set."""

    options: CallOptions
    happened: ConversationLog
    verdict: CallVerdict
    call: Call
    faults: tuple[str, ...]
    """Unmet expectations; empty if there are none."""

    @property
    def waits(self) -> list[float]:
        """Seconds that the caller waited for each answer."""
        return [turn.waited for turn in self.verdict.turns if turn.waited is not None]


async def converse(
    options: CallOptions,
    folder: Path,
    config: GatewayConfig,
    wanted: EvalSet,
    judge: Judge | None,
    used: UsageReport | None = None,
) -> ConversationResult:
    """Run one call of the set, a scenario, with the agent of `config`. Raises `EvalError`, and the errors of
    `simulate`.
    """
    happened = ConversationLog()
    path = folder / options.scenario
    try:
        scenario = read(path)
        verdict, call = await simulate(
            scenario, path.parent, lambda _who, _what: None, config=config, watch=happened.watch, used=used
        )
    except ScenarioError as error:
        raise EvalError(str(error)) from None
    return await compared(options, happened, verdict, call, wanted, judge)


async def compared(
    options: CallOptions,
    happened: ConversationLog,
    verdict: CallVerdict,
    call: Call,
    wanted: EvalSet,
    judge: Judge | None,
) -> ConversationResult:
    """The result of a call, with its unmet expectations. Raises `EvalError` if the judge fails."""
    faults = unexpected(options, happened, verdict, wanted)
    if options.rubric and judge:
        told = await judge(options.rubric, happened.conversation)
        faults += [f"the judge: {told}"] if told else []
    return ConversationResult(options, happened, verdict, call, tuple(faults))


def unexpected(options: CallOptions, happened: ConversationLog, verdict: CallVerdict, wanted: EvalSet) -> list[str]:
    """Unmet expectations of a call of the set, a clause for each."""
    sentences = [text for who, text in happened.words if who == "agent"]
    faults = [*verdict.broken, *unfit(wanted.by_ear, sentences, happened.turns, options.items)]
    faults += [f"{name} was not called" for name in options.tools if name not in happened.tools]
    faults += [f"{one} was not called" for one in options.called if not any(map(one.fits, happened.runs))]
    faults += [f"{one} was called" for one in options.not_called if any(map(one.fits, happened.runs))]
    faults += [
        f"the agent never said {one.kind} {one.value[0]!r}"
        for one in options.entities
        if not any(contains(happened.said, form) for form in one.value)
    ]
    faults += [f"the agent never said {words!r}" for words in options.says if words.lower() not in happened.said]
    faults += [
        f"the agent said {words!r}" for words in (*options.never, *wanted.forbidden) if _said(words, happened.said)
    ]
    if options.handed_over is not None and options.handed_over != happened.handed_over:
        faults.append("the caller was not handed over" if options.handed_over else "the caller was handed over")
    for turn in verdict.turns if options.within else ():
        if turn.waited is not None and turn.waited > options.within:
            faults.append(f"{turn.did}: answered after {turn.waited:.2f} s, not within {options.within:g} s")
    return faults


def _said(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words.lower())}(?!\w)", text) is not None
