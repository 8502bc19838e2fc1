"""The caller's script as a scenario has it. Sans-IO."""

from collections.abc import Sequence
from typing import NamedTuple

from sipgw.caller import Action, Ear, HangUp, Press, Say
from sipgw.simulate.scenario import Step


class Done(NamedTuple):
    """A step that was done."""

    step: Step
    at: float
    broken: str
    """Why the turn before it is broken: the agent did not do what was waited for; empty if it did."""
    interrupted: bool
    """Whether the agent was speaking."""


class Steps:
    """See `sipgw.caller.Script`. `sounds` are those of the steps, in order."""

    def __init__(self, steps: Sequence[Step], sounds: Sequence[bytes]) -> None:
        self.done: list[Done] = []
        self.words = ""
        """What the agent has said since the caller last did something; whoever knows it writes it here."""
        self._todo = list(zip(steps, sounds, strict=True))
        self._since: float | None = None

    @property
    def left(self) -> int:
        """Steps that have not been done."""
        return len(self._todo)

    def next(self, now: float, ear: Ear) -> Action | None:
        """See `sipgw.caller.Script.next`."""
        if not self._todo or now < ear.spoken_until:
            return None
        step, sound = self._todo[0]
        self._since = now if self._since is None else self._since
        broken = self._missing(step, now, ear)
        if broken and now - self._since < step.patience + step.pause:
            return None
        if not broken and not step.interrupts and now - ear.sounds_at < step.pause:
            return None
        self._todo.pop(0)
        self._since, self.words = None, ""
        self.done.append(Done(step, now, broken, ear.answered and ear.speaking(now)))
        if step.hang_up:
            return HangUp()
        return Press(step.press) if step.press else Say(sound)

    def _missing(self, step: Step, now: float, ear: Ear) -> str:
        """What the caller still waits for."""
        if not ear.answered:
            return "the agent did not answer"
        if step.hears and step.hears.lower() not in self.words.lower():
            return f"the agent never said {step.hears!r}"
        speaking = ear.speaking(now)
        if step.interrupts:
            return "" if speaking and now - ear.began_at >= step.interrupts else "the agent did not speak long enough"
        return "the agent did not finish" if speaking else ""
