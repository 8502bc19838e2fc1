"""Kinds and states of artifacts, and the table of the moves from state to state. Sans-IO."""

from enum import StrEnum


class Kind(StrEnum):
    """What an artifact is."""

    RECORDING = "recording"
    CAPTURE = "capture"
    BUNDLE = "bundle"
    TIMELINE = "timeline"
    AUDIT = "audit"
    """Lines of the gate's audit; the path is the number that is to be made unreadable in them."""


FILES = (Kind.RECORDING, Kind.CAPTURE, Kind.BUNDLE, Kind.TIMELINE)
SOUND = (Kind.RECORDING, Kind.CAPTURE, Kind.BUNDLE)
WORDS = (Kind.BUNDLE, Kind.TIMELINE)


class State(StrEnum):
    """Where an artifact is in its life."""

    WRITING = "writing"
    FINISHED = "finished"
    TO_REDACT = "to redact"
    """Something private in it is still to be covered: nobody may have it."""
    REDACTED = "redacted"
    TO_DELETE = "to delete"
    DELETED = "deleted"
    """Its row is deleted, too."""


MOVES = {
    State.WRITING: {State.WRITING, State.FINISHED, State.TO_REDACT, State.TO_DELETE},
    State.FINISHED: {State.TO_DELETE},
    State.TO_REDACT: {State.TO_REDACT, State.REDACTED, State.TO_DELETE},
    State.REDACTED: {State.TO_DELETE},
    State.TO_DELETE: {State.TO_DELETE, State.DELETED},
}
"""The states that may follow. A state follows itself where more becomes known of the artifact, or a try fails.

A move that is missing here is a fault of ours where a process moves what it writes (`Artifact.end`); in the database it
changes nothing: somebody was faster."""


def before(state: State) -> list[State]:
    """The states from which an artifact comes into `state`."""
    return [one for one, after in MOVES.items() if state in after and one is not state]
