"""The results of `agent.hearing.caller.CallerSound`: what changed in the caller's sound, and by which evidence."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

CERTAIN = 0.8
"""Probability from which on a voice is certain."""


class Kind(Enum):
    """Kind of a change."""

    VOICE_STARTED = "the caller speaks"
    """Certain: if the agent speaks, its reply should stop now; a short word alone does not get here then."""
    VOICE_CERTAIN = "it is certain that the caller speaks"
    """Follows a `VOICE_STARTED` with an `evidence.voice` below `CERTAIN`, if the voice has become clearer since."""
    VOICE_ENDED = "the caller has stopped speaking"
    """Follows each `VOICE_STARTED` once. With `evidence.background` the voice has turned out to be a background."""
    SHORT_VOICE = "a short word of the caller while the agent speaks"
    """The word has ended, and it was too short to stop a reply: mostly a backchannel. No `VOICE_STARTED` came before
    it. A voice of any length that was on when the call began is also reported so, once a second of quiet shows that it
    was the caller's."""
    NOISE = "a sound that is not the caller"
    """A click, a cough or a background, once per sound: no action is needed, it is for the record. An echo of the agent
    is reported as the same kind, with `SoundEvidence.return_loss`, when it is found on the line; later echoes are not.
    """


@dataclass(frozen=True)
class SoundEvidence:
    """The evidence for a change of the caller's sound. Levels are in dBm0, differences in dB, times in seconds."""

    voice: float
    """Mean probability that the sound is a voice, 0 to 1: by the model, or without a model by pitch."""
    seconds: float
    """Seconds of voice so far."""
    level: float
    """Level of the sound, dBm0."""
    needed: float = 0.0
    """Seconds of voice that were needed for `VOICE_STARTED`."""
    return_loss: float | None = None
    """Echo of this line: how much weaker the agent's sound comes back; None if no echo was measured."""
    margin: float | None = None
    """How far the sound was above the predicted echo; None if the agent was silent or the line has no echo."""
    background: bool = False
    """Whether the sound is steady speech, music or noise behind the caller."""
    behind: bool = False
    """Whether somebody else goes on behind the caller, who has stopped."""

    def __str__(self) -> str:
        """The sentence for the call's page, for example "voice 0.93 for 180 ms, echo -31 dB"."""
        parts = [f"voice {self.voice:.2f} for {1000 * self.seconds:.0f} ms"]
        if self.return_loss is not None:
            parts.append(f"echo \N{MINUS SIGN}{self.return_loss:.0f} dB")
        if self.margin is not None:
            parts.append(f"{self.margin:+.0f} dB above it" if self.margin >= 0 else "not above it")
        if self.background:
            parts.append("background")
        if self.behind:
            parts.append("somebody goes on behind the caller")
        return ", ".join(parts)


class Change(NamedTuple):
    """One change, at a moment that lies a little in the past."""

    kind: Kind
    at: float
    """When it really happened, on the clock given to `feed`: the first sound of a voice that started, the last sound
    of one that ended."""
    evidence: SoundEvidence
