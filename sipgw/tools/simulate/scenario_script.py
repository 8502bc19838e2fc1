"""The caller's script, made from the steps of a scenario. Sans-IO."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent.history import SAMPLES_PER_CHARACTER
from agent.line import SAMPLE_RATE
from agent.records import AgentSays, Report, ToolDone, ToolStarted
from sipgw.tools.caller import Action, AgentAudioMonitor, HangUp, Press, Say
from sipgw.tools.simulate.scenario import Step


class CompletedStep(NamedTuple):
    """A step that the caller has done."""

    step: Step
    at: float
    broken: str
    """Why the turn before the step is broken: the agent did not do the awaited action. Empty if it did."""
    interrupted: bool
    """Whether the agent was speaking when the step began."""


class GatewayReport(NamedTuple):
    """A report of the gateway, and its time."""

    at: float
    report: Report


class ScenarioScript:
    """See `sipgw.tools.caller.Script`. `sounds` are those of the steps, in order."""

    def __init__(
        self, steps: Sequence[Step], sounds: Sequence[bytes], speaks: Callable[[Step, float], None] | None = None
    ) -> None:
        """`speaks` is called at the start of each step that has sound, with the step and the seconds of its sound."""
        self.done: list[CompletedStep] = []
        self.told: list[GatewayReport] = []
        self.words = ""
        """The agent's words since the caller's last action; set from outside if known."""
        self._todo = list(zip(steps, sounds, strict=True))
        self._since: float | None = None
        self._speaks = speaks or (lambda step, seconds: None)
        self._running: set[str] = set()
        self._silent_until = 0.0

    def tell(self, report: Report, now: float) -> None:
        """Take a report of the gateway."""
        self.told.append(GatewayReport(now, report))
        match report:
            case AgentSays(text):
                self.words += f" {text}"
            case ToolStarted(name, _):
                self._running.add(name)
            case ToolDone(run):
                self._running.discard(run.name)

    @property
    def left(self) -> int:
        """Number of steps that have not been done."""
        return len(self._todo)

    def next(self, now: float, agent_audio: AgentAudioMonitor) -> Action | None:
        """See `sipgw.tools.caller.Script.next`."""
        if not self._todo or now < max(agent_audio.spoken_until, self._silent_until):
            return None
        step, sound = self._todo[0]
        self._since = now if self._since is None else self._since
        broken = self._missing(step, now, agent_audio)
        if broken and now - self._since < step.patience + step.pause:
            return None
        waits = not (step.interrupts or step.interrupts_at or step.during or step.goes_on)
        if not broken and waits and now - agent_audio.sounds_at < step.pause:
            return None
        self._todo.pop(0)
        self._since, self.words = None, ""
        self.done.append(CompletedStep(step, now, broken, agent_audio.answered and agent_audio.speaking(now)))
        if step.hang_up:
            return HangUp()
        if step.silent:
            self._silent_until = now + step.silent
            return None
        if step.press:
            return Press(step.press)
        self._speaks(step, len(sound) / SAMPLE_RATE)
        return Say(sound)

    def _missing(self, step: Step, now: float, agent_audio: AgentAudioMonitor) -> str:
        """The event for which the caller waits before `step`, in words; empty if the step may begin."""
        if step.goes_on:
            return "" if now >= agent_audio.spoken_until + step.goes_on else "too early"
        if step.during:
            return "" if step.during in self._running else f"{step.during} did not run"
        silent = bool(self.done) and self.done[-1].step.silent > 0
        if not agent_audio.answered and not silent:
            return "the agent did not answer"
        if step.hears and step.hears.lower() not in self.words.lower():
            return f"the agent never said {step.hears!r}"
        speaking = agent_audio.speaking(now)
        if step.interrupts_at:
            at = self.words.lower().find(step.interrupts_at.lower())
            said = (at + len(step.interrupts_at)) * SAMPLES_PER_CHARACTER / SAMPLE_RATE
            missing = at < 0 or not speaking or now - agent_audio.began_at < said
            return f"the agent did not come to {step.interrupts_at!r}" if missing else ""
        if step.interrupts:
            return (
                ""
                if speaking and now - agent_audio.began_at >= step.interrupts
                else "the agent did not speak long enough"
            )
        return "the agent did not finish" if speaking else ""
