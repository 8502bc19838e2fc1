"""A decision of the turn machine."""

from typing import NamedTuple

from agent.turn_taking.evidence import Evidence
from agent.turn_taking.table import Action, Event

NAMES = {
    Action.PREPARE: "prepared",
    Action.ANSWER: "ended",
    Action.TELL: "told",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.CUT: "interrupted",
    Action.DISCARD: "discarded",
    Action.KEEP: "went on",
    Action.REPROMPT: "asked",
    Action.ASK_AGAIN: "asked again",
    Action.HARDLY: "hardly heard",
    Action.GIVE_UP: "given up",
}
"""The decisions in the record."""


class Decision(NamedTuple):
    """An action and its reason."""

    action: Action
    evidence: Evidence
    text: str = ""
    """For `Action.PREPARE`, `Action.ANSWER` and `Action.TELL`: what the caller said and got no answer to."""
    instead: str = ""
    """Text that was answered before by a reply that was thrown away: `text` takes its place in the memory."""
    event: Event | None = None
    """The event of the table that led to it; None for the driver's own decisions."""


Decisions = tuple[Decision, ...]
