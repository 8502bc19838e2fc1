"""An evaluation set, read from a TOML file: utterances with their words, and calls with their expectations."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from agent.records import ToolRun
from agent.rules.rule_error import RuleError
from sipgw.config.agent import LanguageOptions
from sipgw.config.config import AgentConfig
from sipgw.config.files import read_as
from sipgw.config.people import PersonOptions
from sipgw.tools.evaluation.by_ear import ByEarOptions
from sipgw.tools.simulate.scenario import ReplyOptions, Step

Kind = Literal["name", "code", "amount", "date", "address", "other"]


class EvalError(Exception):
    """An evaluation is impossible; the message is one line with the place and the reason."""


@dataclass(frozen=True)
class EntityOptions:
    """Something in an utterance that must not be misheard."""

    kind: Kind
    value: tuple[str, ...]
    """Accepted forms, one of which must be recognised. Digits match in figures and in words."""

    def __post_init__(self) -> None:
        if not any(map(str.strip, self.value)):
            raise RuleError("an entity needs a value", "value")


@dataclass(frozen=True)
class UtteranceOptions:
    """One utterance of a caller, for the evaluation of STT."""

    text: str
    """Every word of the utterance, as it was said."""
    wav: str = ""
    """A mu-law WAV file with 8000 samples a second, beside the set or among the recordings of `sipgw demo`. Without a
    file the embedded voice speaks `text`."""
    entities: tuple[EntityOptions, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > 1000:
            raise RuleError("has from 1 to 1000 characters", "text")


@dataclass(frozen=True)
class ToolCallOptions:
    """A tool call that returned a result."""

    tool: str
    arguments: dict[str, str | int | bool] = field(default_factory=dict, hash=False)
    """Arguments that the tool call must have, with their values. It may have others too."""
    result: str = ""
    """A part of the tool's result, which is JSON."""

    def fits(self, run: ToolRun) -> bool:
        """Whether `run` has this tool, these arguments and this result."""
        given = run.arguments if isinstance(run.arguments, dict) else {}
        same = all(given.get(name) == value for name, value in self.arguments.items())
        return run.name == self.tool and same and self.result.lower() in json.dumps(run.result).lower()

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.tool}({given})" + (f" with {self.result!r}" if self.result else "")


@dataclass(frozen=True)
class CallOptions:
    """One call, and the expectations on it."""

    scenario: str = ""
    """The file of a scenario of `sipgw simulate`, beside the set. Its expectations must be met too."""
    name: str = ""
    steps: tuple[Step, ...] = ()
    """The caller's steps, instead of a scenario; they need a `name`. STT and TTS are scripted then: the model of the
    configuration gets the caller's words as they are written, and no other provider is needed."""
    replies: tuple[ReplyOptions, ...] = ()
    """With ``--scripted``: the replies of a scripted model to these steps, which replaces the configured model."""
    tools: tuple[str, ...] = ()
    """Tools that must have been called, and have returned."""
    called: tuple[ToolCallOptions, ...] = ()
    """Tool calls that must have returned, with their arguments or results."""
    not_called: tuple[ToolCallOptions, ...] = ()
    """Tool calls that must not have returned."""
    says: tuple[str, ...] = ()
    """Words that the agent must have said."""
    entities: tuple[EntityOptions, ...] = ()
    """Facts that the agent must have said in one of the accepted forms, however the digits are grouped."""
    items: tuple[str, ...] = ()
    """Items that the agent may list; ``by_ear.items`` limits how many of them it may say in one turn."""
    never: tuple[str, ...] = ()
    """Words that the agent must not have said, in addition to `forbidden` of the whole set."""
    handed_over: bool | None = None
    """Whether the caller must (true) or must not (false) have been transferred to a person; not set: both are
    accepted."""
    within: float = 0.0
    """Maximum seconds that the caller may wait for an answer; 0: no limit."""
    rubric: str = ""
    """A question about the conversation, which a language model (the judge) must answer with yes. Only with
    ``--judge``."""

    def __post_init__(self) -> None:
        if bool(self.scenario) is bool(self.steps and self.name):
            raise RuleError("a call has a 'scenario', or 'steps' and a 'name'", "scenario", "steps", "name")
        if self.replies and not self.steps:
            raise RuleError("'replies' answer 'steps'; a scenario has its own", "replies")

    @property
    def label(self) -> str:
        """The name of the call in reports."""
        return self.name or self.scenario


@dataclass(frozen=True)
class GoalOptions:
    """Goals for the whole set, as shares from 0 to 1; 1: no limit."""

    words: float = 1.0
    """Share of the words that may be wrong."""
    entities: float = 1.0
    """Share of the entities that may be wrong."""
    calls: float = 0.0
    """Share of the calls that may fail their expectations."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise RuleError("a goal is a part from 0 to 1", name)


@dataclass(frozen=True)
class EvalSet:
    """The content of an evaluation set's file."""

    name: str = "evaluation"
    utterances: tuple[UtteranceOptions, ...] = ()
    calls: tuple[CallOptions, ...] = ()
    forbidden: tuple[str, ...] = ()
    """Words that the agent must not say in any call."""
    by_ear: ByEarOptions = field(default_factory=ByEarOptions)
    """Requirements on the agent's words in every call."""
    tools: str = ""
    """Python file, beside the set, with tools that replace the agent's own in the calls of the set."""
    languages: tuple[LanguageOptions, ...] = ()
    """Languages that replace the agent's own."""
    people: tuple[PersonOptions, ...] = ()
    """People to whom callers can be transferred, instead of the people of the configuration. Nobody is called."""
    goals: GoalOptions = field(default_factory=GoalOptions)

    def __post_init__(self) -> None:
        if not 0 < len(self.utterances) + len(self.calls) <= 5000:
            raise RuleError("a set has from 1 to 5000 utterances and calls", "utterances", "calls")
        AgentConfig(languages=self.languages)  # its rules apply to these languages


def read_set(path: Path) -> EvalSet:
    """Read a set. Raises `EvalError`."""
    return read_as(EvalSet, path, EvalError)


def acted(wanted: EvalSet, *, scripted: bool) -> EvalSet:
    """The set for a `scripted` model, or for the configured one (then without replies). Raises `EvalError` if
    `scripted`, and a call with steps has no replies."""
    if not scripted:
        return replace(wanted, calls=tuple(replace(one, replies=()) for one in wanted.calls))
    if lacking := [one.label for one in wanted.calls if one.steps and not one.replies]:
        raise EvalError(f"--scripted needs 'replies' of every call; there are none of {lacking[0]!r}")
    return wanted
