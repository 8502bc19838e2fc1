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
    """Raise `RuleError` for the first duration of `names` that is not from 0 to `most` seconds."""
    for name in names:
        if not 0 <= getattr(options, name) <= most:
            raise RuleError(f"must be from 0 to {most} s", name)


@dataclass(frozen=True)
class NetworkOptions:
    """The network between caller and gateway. It affects sound only, both directions alike."""

    loss: float = 0.0
    """Share of the packets that are lost, 0 to 1."""
    burst: float = 1.0
    """Mean number of packets that are lost in a row."""
    jitter: float = 0.0
    """Mean additional delay of a packet in seconds. Delays are distributed exponentially, up to five times the mean."""
    reorder: float = 0.0
    """Share of the packets that arrive after the next ones, 0 to 1."""
    delay: float = 0.0
    """Delay of every packet in seconds."""
    rebind: float = 0.0
    """Seconds after which the caller's NAT changes its port; 0: never."""

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
    """Seconds for which the words of every second turn are held back."""
    stt_lost: float = 0.0
    """Seconds of sound after which the STT's session is lost, without another one; 0: never."""
    stt_deaf: float = 0.0
    """Seconds of sound after which the STT stops reporting; 0: never."""
    tts_slow: float = 0.0
    """Seconds by which the sound of each sentence begins later."""
    llm_slow: float = 0.0
    """Seconds by which each reply of the model begins later."""
    tts_drop: float = 0.0
    """Share of the sentences whose sound breaks off in the middle, 0 to 1."""
    down: Literal["", "stt", "llm", "tts"] = ""
    """The provider that refuses everything."""

    def __post_init__(self) -> None:
        _within(self, 60, "stt_stall", "llm_slow", "tts_slow")
        _within(self, 3600, "stt_lost", "stt_deaf")
        if not 0 <= self.tts_drop <= 1:
            raise RuleError("must be from 0 to 1", "tts_drop")


@dataclass(frozen=True)
class Step:
    """One action of the caller. It comes after the agent has spoken and finished, unless the step says otherwise."""

    say: str = ""
    """A sentence, spoken by the embedded voice."""
    wav: str = ""
    """A mu-law WAV file with 8000 samples a second, beside the scenario or among the recordings of `sipgw demo`."""
    press: str = ""
    """Keys that the caller presses: digits, ``*`` and ``#``."""
    hang_up: bool = False
    noise: float = 0.0
    """Seconds of sound without words, such as a cough or a slammed door."""
    silent: float = 0.0
    """Seconds for which the caller is silent, whatever the agent does."""
    words: str = ""
    """The words of `wav`, for the scripted STT of a scenario with replies."""
    hears: str = ""
    """Words that the agent must have said since the caller's last words; only for a gateway started here."""
    interrupts: float = 0.0
    """Act when the agent has been speaking for so many seconds, without waiting for its end."""
    interrupts_at: str = ""
    """Act when the agent has said this word, without waiting for its end; only for a gateway started here."""
    during: str = ""
    """Act while the tool of that name runs; only for a gateway started here."""
    goes_on: float = 0.0
    """Act so many seconds after the caller's own last words, without waiting for the agent."""
    pause: float = 0.0
    """Seconds that the caller waits before this action."""
    patience: float = 15.0
    """Maximum seconds to wait for the agent. Then the turn counts as broken, and the caller acts all the same."""

    within_ms: float = 0.0
    """Maximum milliseconds from this action to the agent's first sound; 0: no limit."""
    heard: tuple[str, ...] = ()
    """Words that the agent must say after this action, before the next step."""
    absent: tuple[str, ...] = ()
    """Words that the agent must not say after this action, before the next step."""
    tool_called: tuple[str, ...] | None = None
    """Exactly the tools that must be called after this action, before the next step, in order."""

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
    """A reply of the scripted model. The model gives the first reply of the scenario that matches."""

    to: str = ""
    """A part of the caller's last words, or, with `after`, a part of the tool's result; empty: any words."""
    after: str = ""
    """The tool whose result this reply answers; empty: the reply answers the caller."""
    says: str = ""
    calls: str = ""
    """The tool that the model calls with this reply."""
    arguments: str = "{}"
    """The arguments of this tool call, as JSON."""
    delay: float = 0.0
    """Additional seconds until the reply begins."""


@dataclass(frozen=True)
class Scenario:
    """The content of a scenario's file."""

    steps: tuple[Step, ...]
    name: str = "scenario"
    seed: int = 1
    """Seed of the random numbers: the same seed gives the same losses and delays."""
    limit: float = 120.0
    """Maximum seconds of the call."""
    network: NetworkOptions = field(default_factory=NetworkOptions)
    providers: ProviderFaults = field(default_factory=ProviderFaults)
    replies: tuple[ReplyOptions, ...] = ()
    """With replies, LLM, STT and TTS are scripted: the same call every time, without keys."""
    agent: AgentOptions = field(default_factory=AgentOptions)
    """The agent of a scenario with replies; its `tools` is a file beside the scenario."""
    speech: Literal["", "scripted"] = ""
    """With `scripted`, STT and TTS are scripted, and the agent is the configuration's. Its model gets the caller's
    words as they are written. With replies, these replace the model of this agent."""
    turns: TurnOptions = field(default_factory=TurnOptions)
    languages: tuple[LanguageOptions, ...] = ()
    memory: tuple[str, ...] = ()
    """The exact memory of the agent at the end: lines ``caller: …`` and ``agent: …``; empty: not checked."""
    ending: str = ""
    """The ending of the conversation, such as ``silence``; empty: not checked."""

    @property
    def inside(self) -> list[str]:
        """Names of the scenario's keys that need access to the inside of the gateway."""
        told = ("hears", "interrupts_at", "during", "heard", "absent", "tool_called")
        used = [name for name in told if any(getattr(step, name) not in ("", (), None) for step in self.steps)]
        return used + [name for name in ("memory", "ending", "replies", "speech") if getattr(self, name)]

    def __post_init__(self) -> None:
        if not 0 < len(self.steps) <= 200:
            raise RuleError("a scenario has from 1 to 200 steps", "steps")
        if not 0 < self.limit <= 3600:
            raise RuleError("is at most an hour", "limit")
        AgentConfig(languages=self.languages)  # its rules apply to these languages


def read(path: Path) -> Scenario:
    """Read a scenario file. Raises `ScenarioError`."""
    return read_as(Scenario, path, ScenarioError)
