"""Runs a set with one or several configurations, on the same sound."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from agent.meter import UsageReport
from agent.records import Used
from agent.rules.rule_error import RuleError
from sipgw.agents.products import product
from sipgw.agents.providers import choose, opened
from sipgw.config.config import GatewayConfig
from sipgw.policy.cost.cost import Bill
from sipgw.policy.cost.prices import PriceTable
from sipgw.tools.evaluation.conversation import ConversationResult, Judge, converse
from sipgw.tools.evaluation.dialogues import converse_scripted
from sipgw.tools.evaluation.eval_set import EvalError, EvalSet
from sipgw.tools.evaluation.recognition import Hearing, hear_all
from sipgw.tools.simulate.run import spoken
from sipgw.tools.simulate.scenario import ScenarioError
from sipgw.tools.trial import EMBEDDED


@dataclass(frozen=True)
class Contestant:
    """One configuration that is evaluated."""

    name: str
    config: GatewayConfig
    used: UsageReport | None = None
    """A function that gets each use of a provider; None: nobody counts them."""


@dataclass
class ContestantResult:
    """The result of the set with one contestant."""

    name: str
    parts: str
    """The contestant's STT, LLM and TTS, in words."""
    stt_per_minute: float | None
    """Cost of the contestant's STT per minute; None if there is no price."""
    hearings: list[Hearing] = field(default_factory=list)
    calls: list[ConversationResult] = field(default_factory=list)

    @property
    def words(self) -> float:
        """Share of wrong words in all utterances."""
        return _part(sum(one.heard.wrong for one in self.hearings), sum(one.heard.words for one in self.hearings))

    @property
    def entities(self) -> float:
        """Share of wrong entities in all utterances."""
        missed = sum(len(one.heard.missed) for one in self.hearings)
        return _part(missed, sum(len(one.utterance.entities) for one in self.hearings))

    @property
    def understood(self) -> float | None:
        """Median seconds from the last sound to the last words."""
        return _median([one.seconds for one in self.hearings if one.seconds is not None])

    @property
    def answered(self) -> float | None:
        """Median seconds that callers waited for an answer."""
        return _median([wait for call in self.calls for wait in call.waits])

    @property
    def failed(self) -> float:
        """Share of the calls that failed their expectations."""
        return _part(sum(bool(call.faults) for call in self.calls), len(self.calls))

    @property
    def call_per_minute(self) -> float | None:
        """Cost of one minute of the calls, without the trunk; None if a product has no price."""
        seconds = sum(one.call.ended - one.call.answered for one in self.calls)
        costs = [one.happened.cost for one in self.calls]
        unknown = [what for cost in costs for what in cost.get("unpriced", [""]) if not what.startswith("trunk")]
        return None if unknown or not seconds else 60 * sum(float(cost["total"]) for cost in costs) / seconds

    def short_of(self, wanted: EvalSet) -> list[str]:
        """The goals of the set that were missed."""
        goals = wanted.goals
        found = []
        for what, reached, most in (
            ("words wrong", self.words, goals.words),
            ("entities wrong", self.entities, goals.entities),
            ("calls not as expected", self.failed, goals.calls),
        ):
            if reached > most:
                found.append(f"{what}: {reached:.1%}, goal at most {most:.1%}")
        found += [f"{one.utterance.wav or one.utterance.text!r}: {one.fault}" for one in self.hearings if one.fault]
        return found


def _part(some: int, whole: int) -> float:
    return some / whole if whole else 0.0


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


Progress = Callable[[str, int, int], None]
"""A function that gets the name of a contestant, and its finished and total numbers of utterances and calls."""


async def evaluate(
    wanted: EvalSet, folder: Path, contestants: Sequence[Contestant], at_once: int, judge: Judge | None, tell: Progress
) -> tuple[list[ContestantResult], list[bytes]]:
    """Evaluate each contestant on the same sounds. Returns the results, and the sounds of the utterances. Raises
    `EvalError`, `ConfigError`, `ProviderError`, and the errors of `simulate`.
    """
    try:
        lines = [("" if one.wav else one.text, one.wav) for one in wanted.utterances]
        sounds = await spoken(lines, folder) if lines else []
    except ScenarioError as error:
        raise EvalError(str(error)) from None
    return [await _one(wanted, folder, sounds, one, at_once, judge, tell) for one in contestants], sounds


async def _one(
    wanted: EvalSet,
    folder: Path,
    sounds: Sequence[bytes],
    contestant: Contestant,
    at_once: int,
    judge: Judge | None,
    tell: Progress,
) -> ContestantResult:
    config, choice = contestant.config, choose(contestant.config)
    parts = f"STT {choice.of('stt')}; LLM {choice.of('llm')}; TTS {choice.of('tts')}"
    result = ContestantResult(contestant.name, parts, None)
    whole = len(wanted.utterances) + len(wanted.calls)

    def heard(one: Hearing) -> None:
        result.hearings.append(one)
        if contestant.used:
            contestant.used(Used("stt", product(config, "stt", choice.stt[0]), "seconds", one.listened))
        tell(contestant.name, len(result.hearings), whole)

    if sounds:
        async with opened(config, choice) as providers:
            if providers.speech:
                providers.speech.require()
            result.stt_per_minute = _minute(config, choice.stt[0])
            spoken_lines = list(zip(wanted.utterances, sounds, strict=True))
            result.hearings = await hear_all(providers.stt, spoken_lines, at_once, heard)
    config = _with_parts_of(wanted, folder, config)
    scripted = [options for options in wanted.calls if options.steps]
    count = itertools.count(len(result.hearings) + 1)

    def called() -> None:
        tell(contestant.name, next(count), whole)

    if scripted:
        result.calls = await converse_scripted(
            scripted, folder, config, wanted, at_once, judge, called, contestant.used
        )
    for options in wanted.calls:
        if options.scenario:
            result.calls.append(await converse(options, folder, config, wanted, judge, contestant.used))
            called()
    return result


def _with_parts_of(wanted: EvalSet, folder: Path, config: GatewayConfig) -> GatewayConfig:
    """`config` with the tools, languages and people of the set, if the set has some. Raises `EvalError`."""
    if wanted.tools:
        config = replace(config, agent=replace(config.agent, tools=str(folder / wanted.tools)), mcp=())
    languages, people = wanted.languages or config.languages, wanted.people or config.people
    try:
        return replace(config, languages=languages, people=people)
    except RuleError as error:  # the set does not fit this configuration
        raise EvalError(f"the set does not fit the configuration: {error}") from None


def _minute(config: GatewayConfig, stt: str) -> float | None:
    """Cost of one minute of the provider `stt`; None if there is no price."""
    now = datetime.now(UTC)
    bill = Bill(PriceTable(config.prices), "in", "", now)
    bill.used(Used("stt", product(config, "stt", stt), "seconds", 60))
    cost = bill.cost(now)
    return None if cost.unpriced else cost.total


def embedded() -> Contestant:
    """The contestant with the embedded providers, which needs no key."""
    return Contestant("embedded", GatewayConfig(agent=EMBEDDED))
