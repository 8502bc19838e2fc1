"""The evidence of a decision: one line for the record and the call's page.

The line holds none of the caller's words. A part of a secret cannot be recognised as one, and words that are not final
do not belong into a record. The words stand in the turn, where they are redacted as a whole.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Evidence:
    """The evidence of one decision. Durations are in seconds."""

    reason: str
    """The decision's name in the record, as ``ended`` or ``paused``."""
    silence: float | None = None
    """How long the caller had been silent."""
    sound: str = ""
    """The sound that led to the decision, as `agent.hearing.changes.SoundEvidence` writes it."""
    expected: str = ""
    """The answer that the agent had asked for, and how much of it the caller had said."""
    model: float | None = None
    """Probability, 0 to 1, that the turn was complete, by the model of sound; None without a vote."""
    because: str = ""
    """Further evidence for the decision."""

    def __str__(self) -> str:
        """Such as "ended: silence 420 ms, expected digits 6 of 10"."""
        parts = [
            f"silence {1000 * self.silence:.0f} ms" if self.silence is not None else "",
            self.sound,
            f"model {self.model:.2f}" if self.model is not None else "",
            f"expected {self.expected}" if self.expected else "",
            self.because,
        ]
        told = ", ".join(part for part in parts if part)
        return f"{self.reason}: {told}" if told else self.reason
