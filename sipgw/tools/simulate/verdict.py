"""The verdict on a call as the caller heard it: answer times, gaps in the agent's speech, broken turns. Sans-IO."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sipgw.tools.caller import AgentAudioMonitor, Call, SoundSpan
from sipgw.tools.simulate.scenario_script import CompletedStep

GAP = 0.6
"""Seconds of silence within a reply from which on it is a gap; pauses between sentences are shorter."""
REPLY = 3.0
"""Seconds of silence after which sound is another reply."""


@dataclass(frozen=True)
class TurnVerdict:
    """One action of the caller, and the agent's answer."""

    did: str
    at: float
    """Seconds from the start of the call to this action."""
    waited: float | None
    """Seconds from the end of the caller's words to the agent's first sound at the caller's ear; None without an
    answer."""
    silenced: float | None
    """Seconds for which the agent went on speaking after an interruption; None without an interruption."""
    broken: str


@dataclass(frozen=True)
class CallVerdict:
    """The verdict on a call from the caller's view."""

    setup: float
    """Seconds from dialling to the answer."""
    greeting: float | None
    """Seconds from the answer of the call to the agent's first sound; None if the agent was silent."""
    turns: tuple[TurnVerdict, ...]
    gaps: tuple[tuple[float, float], ...]
    """Silences within replies: begin (seconds into the call), and length in seconds."""
    lost: int
    """Packets that did not come, or came too late to be played."""
    received: int
    left: int
    """Number of steps that were not reached."""
    ending: str
    missed: tuple[str, ...] = ()
    """Expected events that did not happen."""

    @property
    def broken(self) -> list[str]:
        """All reasons why this call was broken; empty for a good call."""
        faults = [f"{turn.did}: {turn.broken}" for turn in self.turns if turn.broken]
        faults += self.missed
        if self.left:
            faults.append(f"{self.left} steps were not reached: {self.ending}")
        return faults

    def as_dict(self) -> dict[str, Any]:
        """The verdict as a dictionary, for JSON."""
        return asdict(self) | {"broken": self.broken}


def judge(call: Call, done: Sequence[CompletedStep], left: int) -> CallVerdict:
    """The verdict on `call`, in which the steps `done` were done and `left` steps were not reached."""
    speech, turns = call.agent_audio.speech, []
    spoken = list(call.utterances)
    for number, one in enumerate(done):
        until = done[number + 1].at if number + 1 < len(done) else call.ended or float("inf")
        voiced = bool(one.step.say or one.step.wav or one.step.noise)
        span = spoken.pop(0) if voiced and spoken else SoundSpan(one.at, one.at)
        broken = done[number + 1].broken if number + 1 < len(done) else _unanswered(one, span, call, left)
        waited = None if one.step.hang_up else _waited(speech, span, until)
        silenced = _silenced(speech, span) if one.interrupted else None
        turns.append(TurnVerdict(_did(one), _rounded(one.at - call.answered), waited, silenced, broken))
    first = done[0].broken if done else ""
    if first:
        turns.insert(0, TurnVerdict("the greeting", 0.0, None, None, first))
    # The first packet may arrive before the 200; then the greeting counts as heard at the answer.
    greeting = _rounded(max(0.0, speech[0].begin - call.answered)) if speech else None
    lost = call.stats.get("lost", 0) + call.stats.get("late", 0)
    received = call.stats.get("received", 0)
    acts = [*call.utterances, *(SoundSpan(one.at, one.at) for one in done)]
    gaps = _gaps(speech, acts, call.answered)
    return CallVerdict(
        _rounded(call.answered - call.dialled), greeting, tuple(turns), gaps, lost, received, left, call.ending
    )


def _unanswered(last: CompletedStep, said: SoundSpan, call: Call, left: int) -> str:
    """Why the last turn is broken: the agent said nothing after the caller's last words or keys. Empty if it
    answered."""
    if left or not (last.step.say or last.step.wav or last.step.press):
        return ""
    heard = any(span.end > said.end + AgentAudioMonitor.PARTING for span in call.agent_audio.speech)
    return "" if heard else "the agent did not answer"


def _did(done: CompletedStep) -> str:
    step = done.step
    if step.press:
        return f"pressed {step.press}"
    if step.silent:
        return f"was silent for {step.silent:g} s"
    if step.noise:
        return "made a noise"
    what = "hung up" if step.hang_up else f"said {step.say or step.wav!r}"
    return f"{what} over the agent" if done.interrupted and not step.hang_up else what


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _waited(speech: Sequence[SoundSpan], said: SoundSpan, until: float) -> float | None:
    begins = [span.begin for span in speech if said.end <= span.begin < until]
    return _rounded(begins[0] - said.end) if begins else None


def _silenced(speech: Sequence[SoundSpan], said: SoundSpan) -> float | None:
    """Seconds from the first word of the interruption `said` to the agent's last sound; 0 if the agent did not speak
    then."""
    over = [span for span in speech if span.begin < said.begin < span.end]
    return _rounded(over[0].end - said.begin) if over else 0.0


def _gaps(speech: Sequence[SoundSpan], said: Sequence[SoundSpan], answered: float) -> tuple[tuple[float, float], ...]:
    found = []
    for before, after in pairwise(speech):
        silence = after.begin - before.end
        spoke = any(one.begin < after.begin and one.end > before.end - 0.5 for one in said)
        if GAP <= silence < REPLY and not spoke:
            found.append((_rounded(before.end - answered), _rounded(silence)))
    return tuple(found)
