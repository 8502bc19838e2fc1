"""The evaluation set from a TOML file: utterances with their words, calls with their expectations."""

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
    """Accepted forms; one of them must be recognised. Digits match however they are written or said."""

    def __post_init__(self) -> None:
        if not any(map(str.strip, self.value)):
            raise RuleError("an entity needs a value", "value")


@dataclass(frozen=True)
class UtteranceOptions:
    """One thing that a caller says."""

    text: str
    """Every word of it, as it was said."""
    wav: str = ""
    """A mu-law WAV file with 8000 samples a second, beside the set or among those of `sipgw demo`; without one the
    embedded voice speaks `text`."""
    entities: tuple[EntityOptions, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > 1000:
            raise RuleError("has from 1 to 1000 characters", "text")


@dataclass(frozen=True)
class ToolCallOptions:
    """A call of a tool that returned."""

    tool: str
    arguments: dict[str, str | int | bool] = field(default_factory=dict, hash=False)
    """Some of its arguments, with their values."""
    result: str = ""
    """A part of its result, which is JSON."""

    def fits(self, run: ToolRun) -> bool:
        """Whether `run` is such a call."""
        given = run.arguments if isinstance(run.arguments, dict) else {}
        same = all(given.get(name) == value for name, value in self.arguments.items())
        return run.name == self.tool and same and self.result.lower() in json.dumps(run.result).lower()

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.tool}({given})" + (f" with {self.result!r}" if self.result else "")


@dataclass(frozen=True)
class CallOptions:
    """One call, and what is expected of it."""

    scenario: str = ""
    """A scenario of `sipgw simulate`, beside the set; what breaks there is not as expected here either."""
    name: str = ""
    steps: tuple[Step, ...] = ()
    """In the place of a scenario: its steps, with a name. STT and TTS are scripted then, so the model of the
    configuration gets the caller's words as they are written, and no other provider and no embedded model is needed."""
    replies: tuple[ReplyOptions, ...] = ()
    """With ``--scripted``: the replies of a scripted model to these steps, in the place of the configured one."""
    tools: tuple[str, ...] = ()
    """Tools that must have been called, and have returned."""
    called: tuple[ToolCallOptions, ...] = ()
    """The same with their arguments or results."""
    not_called: tuple[ToolCallOptions, ...] = ()
    """Calls that must not have returned."""
    says: tuple[str, ...] = ()
    """Words that the agent must have said."""
    entities: tuple[EntityOptions, ...] = ()
    """Facts that it must have said in one of the accepted forms, however digits are grouped."""
    items: tuple[str, ...] = ()
    """Possible items of a list; ``by_ear.items`` limits how many of them are said at once."""
    never: tuple[str, ...] = ()
    """Words that it must not have said, besides those of the whole set."""
    handed_over: bool | None = None
    """Whether the caller must have been transferred to a person; without it both are accepted."""
    within: float = 0.0
    """Longest wait for an answer; 0 is any."""
    rubric: str = ""
    """A question about the conversation for a judge, a language model; the answer must be yes. Only with
    ``--judge``."""

    def __post_init__(self) -> None:
        if bool(self.scenario) is bool(self.steps and self.name):
            raise RuleError("a call has a 'scenario', or 'steps' and a 'name'", "scenario", "steps", "name")
        if self.replies and not self.steps:
            raise RuleError("'replies' answer 'steps'; a scenario has its own", "replies")

    @property
    def label(self) -> str:
        """Name in reports."""
        return self.name or self.scenario


@dataclass(frozen=True)
class GoalOptions:
    """Goals over the whole set; 1 is anything."""

    words: float = 1.0
    """Part of the words that may be wrong."""
    entities: float = 1.0
    """Part of the entities that may be wrong."""
    calls: float = 0.0
    """Part of the calls that may not be as expected."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise RuleError("a goal is a part from 0 to 1", name)


@dataclass(frozen=True)
class EvalSet:
    """The whole of it."""

    name: str = "evaluation"
    utterances: tuple[UtteranceOptions, ...] = ()
    calls: tuple[CallOptions, ...] = ()
    forbidden: tuple[str, ...] = ()
    """Words that the agent must not say in any call."""
    by_ear: ByEarOptions = field(default_factory=ByEarOptions)
    """Requirements on its words in every call."""
    tools: str = ""
    """Tools for its calls in the place of the agent's own: a Python file beside the set."""
    languages: tuple[LanguageOptions, ...] = ()
    """Languages in the place of the agent's own."""
    people: tuple[PersonOptions, ...] = ()
    """People to whom callers can be handed over, in the place of those of the configuration; nobody is called."""
    goals: GoalOptions = field(default_factory=GoalOptions)

    def __post_init__(self) -> None:
        if not 0 < len(self.utterances) + len(self.calls) <= 5000:
            raise RuleError("a set has from 1 to 5000 utterances and calls", "utterances", "calls")
        AgentConfig(languages=self.languages)  # its rules hold for them


def read_set(path: Path) -> EvalSet:
    """Read a set. Raises `EvalError`."""
    return read_as(EvalSet, path, EvalError)


def acted(wanted: EvalSet, *, scripted: bool) -> EvalSet:
    """The set with a `scripted` model, which every call with steps has replies of, or without. Raises `EvalError`."""
    if not scripted:
        return replace(wanted, calls=tuple(replace(one, replies=()) for one in wanted.calls))
    if lacking := [one.label for one in wanted.calls if one.steps and not one.replies]:
        raise EvalError(f"--scripted needs 'replies' of every call; there are none of {lacking[0]!r}")
    return wanted
