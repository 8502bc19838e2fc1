"""A machine, and the sounds and words of a caller for it."""

from agent.floor import lexicon_of
from agent.hearing.changes import Change, Kind, SoundEvidence
from agent.phrases import phrases_of
from agent.turn_taking.decision import Decisions
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import Action
from agent.turn_taking.words import Words

LEXICON = lexicon_of(phrases_of(("en",)))
STATEMENT = "Your order is out for delivery and it will be there today before six."


def machine(*, ends_turns: bool = True, **options: float) -> TurnMachine:
    subject = TurnMachine(TurnOptions(**options), 0.0, ends_turns=ends_turns)  # type: ignore[arg-type]
    subject.endpointing.lexicon = LEXICON
    return subject


def speaking(said: str = STATEMENT, at: float = 0.0, *, ends_turns: bool = True) -> TurnMachine:
    """A machine whose agent speaks, to a caller who has been greeted."""
    subject = machine(ends_turns=ends_turns)
    subject.says("Hello.", "", at)
    subject.done(at)
    subject.says(said, "", at)
    return subject


def voice(kind: Kind, at: float, probability: float = 0.93, seconds: float = 0.2, **more: float | bool) -> Change:
    return Change(kind, at, SoundEvidence(probability, seconds, -20.0, **more))  # type: ignore[arg-type]


def begins(subject: TurnMachine, at: float, **more: float | bool) -> Decisions:
    return subject.sound(voice(Kind.VOICE_STARTED, at, **more), at + 0.2)  # type: ignore[arg-type]


def ends(subject: TurnMachine, at: float, **more: float | bool) -> Decisions:
    return subject.sound(voice(Kind.VOICE_ENDED, at, **more), at + 0.3)  # type: ignore[arg-type]


def final(subject: TurnMachine, text: str, now: float, ended: float = float("inf")) -> Decisions:
    return subject.hear(Words(text, final=True, ended=ended), now)


def interim(subject: TurnMachine, text: str, now: float) -> Decisions:
    return subject.hear(Words(text), now)


def actions(decisions: Decisions) -> tuple[Action, ...]:
    return tuple(decision.action for decision in decisions)


def answered(decisions: Decisions) -> list[str]:
    return [decision.text for decision in decisions if decision.action is Action.ANSWER]


def wait(subject: TurnMachine, until: float) -> list[tuple[float, Action, str, str]]:
    """Let the time pass; returns what was decided when, on which text, and why."""
    told = []
    while (at := subject.deadline) is not None and at <= until:
        told += [(at, one.action, one.text, str(one.evidence)) for one in subject.handle_timer(at)]
    return told
