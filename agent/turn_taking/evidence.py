"""The evidence of a decision: one line for the record and the call's page.

It holds no words of the caller: a part of a secret is not known for one, and words that are not final are no record.
They stand in the turn, redacted as a whole.
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
    """Kind of the sound, of `agent.hearing.changes.SoundEvidence`."""
    expected: str = ""
    """Answer that the agent had asked for, and how much of it there was."""
    model: float | None = None
    """Probability that the turn was complete, of the model of sound."""
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
