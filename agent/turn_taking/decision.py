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
"""Names of the actions in the record, where they differ from the action's own name."""


class Decision(NamedTuple):
    """An action and its reason."""

    action: Action
    evidence: Evidence
    text: str = ""
    """For `Action.PREPARE`, `Action.ANSWER` and `Action.TELL`: what the caller said and got no answer to."""
    instead: str = ""
    """Words that had a reply before, which was thrown away: `text` takes their place in the history."""
    event: Event | None = None
    """The event of the table that led to the decision; None for decisions that the driver makes itself."""


Decisions = tuple[Decision, ...]
