"""A scenario: what the caller does, over which network, and what is wrong with the providers. From a TOML file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.rules.rule_error import RuleError, positive
from agent.turn_taking.options import TurnOptions
from sipgw.config.agent import AgentOptions, LanguageOptions
from sipgw.config.config import AgentConfig
from sipgw.config.files import read_as


class ScenarioError(Exception):
    """A scenario cannot be used; the message is one line that names file, line and key."""


def _within(options: object, most: int, *names: str) -> None:
    """Raise `RuleError` for the first of these durations that is not from 0 to so many seconds."""
    for name in names:
        if not 0 <= getattr(options, name) <= most:
            raise RuleError(f"must be from 0 to {most} s", name)


@dataclass(frozen=True)
class NetworkOptions:
    """The network between caller and gateway; both directions alike, sound only."""

    loss: float = 0.0
    """Part of the packets that are lost, 0 to 1."""
    burst: float = 1.0
    """Mean number of packets that are lost in a row."""
    jitter: float = 0.0
    """Mean additional delay of a packet, exponential, at most five times as much."""
    reorder: float = 0.0
    """Part of the packets that are overtaken by the next ones."""
    delay: float = 0.0
    """Delay of every packet."""
    rebind: float = 0.0
    """After so long the caller's NAT changes its port; 0 is never."""

    def __post_init__(self) -> None:
        for name in ("loss", "reorder"):
            if not 0 <= getattr(self, name) < 1:
                raise RuleError("must be from 0 to less than 1", name)
        if not 1 <= self.burst <= 100:
            raise RuleError("must be from 1 to 100 packets", "burst")
        if self.loss > self.burst * (1 - self.loss) * (1 + 1e-9):  # after each burst a packet arrives
            why = f"a loss of {self.loss:.0%} needs a burst of {self.loss / (1 - self.loss):.1f} or more"
            raise RuleError(why, "loss", "burst")
        _within(self, 1, "jitter")
        _within(self, 2, "delay")
        if self.rebind < 0:
            raise RuleError("must not be negative", "rebind")


@dataclass(frozen=True)
class ProviderFaults:
    """Faults of the providers of the gateway that the simulation starts."""

    stt_stall: float = 0.0
    """How long the words of every second turn are held back."""
    stt_lost: float = 0.0
    """The STT's session is lost after so many seconds of sound, and no other follows; 0 is never."""
    stt_deaf: float = 0.0
    """The STT reports nothing any more after so many seconds of sound; 0 is never."""
    tts_slow: float = 0.0
    """How much later the sound of each sentence begins."""
    llm_slow: float = 0.0
    """How much later each reply of the model begins."""
    tts_drop: float = 0.0
    """Part of the sentences whose sound breaks off in the middle, 0 to 1."""
    down: Literal["", "stt", "llm", "tts"] = ""
    """The provider that refuses everything."""

    def __post_init__(self) -> None:
        _within(self, 60, "stt_stall", "llm_slow", "tts_slow")
        _within(self, 3600, "stt_lost", "stt_deaf")
        if not 0 <= self.tts_drop <= 1:
            raise RuleError("must be from 0 to 1", "tts_drop")


@dataclass(frozen=True)
class Step:
    """One action of the caller, after the agent has spoken and finished."""

    say: str = ""
    """A sentence, spoken by the embedded voice."""
    wav: str = ""
    """A mu-law WAV file with 8000 samples a second, beside the scenario or among those of `sipgw demo`."""
    press: str = ""
    """Keys: digits, ``*`` and ``#``."""
    hang_up: bool = False
    noise: float = 0.0
    """A cough or a slammed door: seconds of sound without words."""
    silent: float = 0.0
    """The caller is silent for so long, whatever the agent does."""
    words: str = ""
    """The words of `wav`, for the STT of a scenario that has replies."""
    hears: str = ""
    """Words that the agent must have said since the caller's last words; only for a gateway started here."""
    interrupts: float = 0.0
    """Do not wait for the end: act when the agent has been speaking for so long."""
    interrupts_at: str = ""
    """Do not wait for the end: act when the agent has said this word; only for a gateway started here."""
    during: str = ""
    """Act while the tool of that name runs; only for a gateway started here."""
    goes_on: float = 0.0
    """Do not wait for the agent at all: act so long after the caller's own last words."""
    pause: float = 0.0
    """How long the caller waits before this."""
    patience: float = 15.0
    """Longest wait for the agent; then the turn counts as broken, and the step is done all the same."""

    within_ms: float = 0.0
    """The agent must be heard within so many milliseconds after this; 0: no limit."""
    heard: tuple[str, ...] = ()
    """Words that the agent must say after this, before the next step."""
    absent: tuple[str, ...] = ()
    """Words that it must not say then."""
    tool_called: tuple[str, ...] | None = None
    """Exactly the tools that must be called then, in order."""

    def __post_init__(self) -> None:
        acts = ("say", "wav", "press", "noise", "silent", "hang_up")
        if sum(bool(getattr(self, name)) for name in acts) != 1:
            raise RuleError("a step has one of 'say', 'wav', 'press', 'noise', 'silent' and 'hang_up'", *acts)
        when = ("interrupts", "interrupts_at", "during", "goes_on")
        if sum(bool(getattr(self, name)) for name in when) > 1:
            raise RuleError("a step has one of 'interrupts', 'interrupts_at', 'during' and 'goes_on'", *when)
        if set(self.press) - set("0123456789*#ABCD"):
            raise RuleError("holds digits, * and #", "press")
        _within(self, 300, "pause", "patience")
        _within(self, 60, "interrupts")
        positive(self, "patience")


@dataclass(frozen=True)
class ReplyOptions:
    """A reply of the scripted model; the first matching one is used."""

    to: str = ""
    """A part of the caller's last words, or with `after` of the tool's result; empty matches anything."""
    after: str = ""
    """The tool whose result it answers."""
    says: str = ""
    calls: str = ""
    """The tool that is called then."""
    arguments: str = "{}"
    """For that, as JSON."""
    delay: float = 0.0
    """How much longer the model thinks."""


@dataclass(frozen=True)
class Scenario:
    """The whole of it."""

    steps: tuple[Step, ...]
    name: str = "scenario"
    seed: int = 1
    """Chance is the same for the same number."""
    limit: float = 120.0
    """Longest call."""
    network: NetworkOptions = field(default_factory=NetworkOptions)
    providers: ProviderFaults = field(default_factory=ProviderFaults)
    replies: tuple[ReplyOptions, ...] = ()
    """With replies, LLM, STT and TTS are scripted: the same call every time, without keys."""
    agent: AgentOptions = field(default_factory=AgentOptions)
    """The agent of such a scenario; `tools` is a file beside it."""
    speech: Literal["", "scripted"] = ""
    """With `scripted`, STT and TTS are as with replies, and the agent is that of the configuration. Its model gets the
    caller's words as they are written; with replies they are given to its agent in the place of a model."""
    turns: TurnOptions = field(default_factory=TurnOptions)
    languages: tuple[LanguageOptions, ...] = ()
    memory: tuple[str, ...] = ()
    """Memory of the agent at the end, to the word: ``caller: …`` and ``agent: …`` in turn; empty: not checked."""
    ending: str = ""
    """The ending of the conversation, such as ``silence``; empty: not checked."""

    @property
    def inside(self) -> list[str]:
        """The parts of the scenario that need access to the inside of the gateway."""
        told = ("hears", "interrupts_at", "during", "heard", "absent", "tool_called")
        used = [name for name in told if any(getattr(step, name) not in ("", (), None) for step in self.steps)]
        return used + [name for name in ("memory", "ending", "replies", "speech") if getattr(self, name)]

    def __post_init__(self) -> None:
        if not 0 < len(self.steps) <= 200:
            raise RuleError("a scenario has from 1 to 200 steps", "steps")
        if not 0 < self.limit <= 3600:
            raise RuleError("is at most an hour", "limit")
        AgentConfig(languages=self.languages)  # its rules hold for them


def read(path: Path) -> Scenario:
    """Read a scenario file. Raises `ScenarioError`."""
    return read_as(Scenario, path, ScenarioError)
