"""The evaluation set from a TOML file: utterances with their words, calls with their expectations."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sipgw.config.config import read_as

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
            raise ValueError("an entity needs a value")


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
            raise ValueError("text has from 1 to 1000 characters")


@dataclass(frozen=True)
class CallOptions:
    """One call, and what is expected of it."""

    scenario: str
    """A scenario of `sipgw simulate`, beside the set; what breaks there is not as expected here either."""
    tools: tuple[str, ...] = ()
    """Tools that must have been called, and have returned."""
    says: tuple[str, ...] = ()
    """Words that the agent must have said."""
    never: tuple[str, ...] = ()
    """Words that it must not have said, besides those of the whole set."""
    handed_over: bool | None = None
    """Whether the caller must have been transferred to a person; without it both are accepted."""
    within: float = 0.0
    """Longest wait for an answer; 0 is any."""
    rubric: str = ""
    """A question about the conversation for a judge, a language model; the answer must be yes. Only with
    ``--judge``."""


@dataclass(frozen=True)
class GoalOptions:
    """What must be reached over the whole set; 1 is anything."""

    words: float = 1.0
    """Part of the words that may be wrong."""
    entities: float = 1.0
    """Part of the entities that may be wrong."""
    calls: float = 0.0
    """Part of the calls that may not be as expected."""

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in (self.words, self.entities, self.calls)):
            raise ValueError("goals are parts from 0 to 1")


@dataclass(frozen=True)
class EvalSet:
    """The whole of it."""

    name: str = "evaluation"
    utterances: tuple[UtteranceOptions, ...] = ()
    calls: tuple[CallOptions, ...] = ()
    forbidden: tuple[str, ...] = ()
    """Words that the agent must not say in any call."""
    goals: GoalOptions = field(default_factory=GoalOptions)

    def __post_init__(self) -> None:
        if not 0 < len(self.utterances) + len(self.calls) <= 5000:
            raise ValueError("a set has from 1 to 5000 utterances and calls")


def read_set(path: Path) -> EvalSet:
    """Read a set. Raises `EvalError`."""
    return read_as(EvalSet, path, EvalError)
