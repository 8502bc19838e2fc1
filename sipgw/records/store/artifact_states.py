"""Kinds and states of artifacts, and the table of the moves from state to state. Sans-IO."""

from enum import StrEnum


class ArtifactKind(StrEnum):
    """The kind of an artifact."""

    RECORDING = "recording"
    CAPTURE = "capture"
    BUNDLE = "bundle"
    TIMELINE = "timeline"
    AUDIT = "audit"
    """Lines of the gate's audit; the path is the number to be masked in them."""


FILES = (ArtifactKind.RECORDING, ArtifactKind.CAPTURE, ArtifactKind.BUNDLE, ArtifactKind.TIMELINE)
SOUND = (ArtifactKind.RECORDING, ArtifactKind.CAPTURE, ArtifactKind.BUNDLE)
WORDS = (ArtifactKind.BUNDLE, ArtifactKind.TIMELINE)


class ArtifactState(StrEnum):
    """The state of an artifact."""

    WRITING = "writing"
    FINISHED = "finished"
    TO_REDACT = "to redact"
    """Private words in the file are not covered yet, so it must not be handed out."""
    REDACTED = "redacted"
    TO_DELETE = "to delete"
    DELETED = "deleted"
    """The file is deleted, and its row, too."""


DONE = (ArtifactState.FINISHED, ArtifactState.REDACTED)
"""States in which the file does not change any more, and its private words are covered."""


class ArtifactPlace(StrEnum):
    """Where the file of an artifact is."""

    DISK = "disk"
    BEGUN = "begun"
    """On the disk; its upload to object storage was begun, so an object, or parts of one, may be there."""
    BOTH = "both"
    OBJECT = "object"
    """In object storage only."""


MOVES = {
    ArtifactState.WRITING: {
        ArtifactState.WRITING,
        ArtifactState.FINISHED,
        ArtifactState.TO_REDACT,
        ArtifactState.TO_DELETE,
    },
    ArtifactState.FINISHED: {ArtifactState.TO_DELETE},
    ArtifactState.TO_REDACT: {ArtifactState.TO_REDACT, ArtifactState.REDACTED, ArtifactState.TO_DELETE},
    ArtifactState.REDACTED: {ArtifactState.TO_DELETE},
    ArtifactState.TO_DELETE: {ArtifactState.TO_DELETE, ArtifactState.DELETED},
}
"""The states that may follow each state. A state follows itself when the row gets more data, or an attempt fails.
Another transition is an error in our code if a process changes its own artifact (`Artifact.end`). In the database it is
ignored, because another process was faster."""


def before(state: ArtifactState) -> list[ArtifactState]:
    """The states from which an artifact may change to `state`."""
    return [one for one, after in MOVES.items() if state in after and one is not state]
