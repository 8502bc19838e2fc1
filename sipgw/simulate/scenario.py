"""A scenario: what the caller does, over which network, and what is wrong with the providers. From a TOML file."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sipgw.config import line_of
from sipgw.options import OptionError, build


class ScenarioError(Exception):
    """A scenario cannot be used; the message is one line that names file, line and key."""


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
    """After so long the caller's NAT forgets the way and takes another port; 0 is never."""

    def __post_init__(self) -> None:
        if not (0 <= self.loss < 1 and 0 <= self.reorder < 1):
            raise ValueError("loss and reorder must be from 0 to less than 1")
        if not 1 <= self.burst <= 100:
            raise ValueError("burst must be from 1 to 100 packets")
        if not (0 <= self.jitter <= 1 and 0 <= self.delay <= 2 and self.rebind >= 0):
            raise ValueError("jitter must be up to 1 s, delay up to 2 s, rebind not negative")


@dataclass(frozen=True)
class ProviderOptions:
    """What is wrong with the providers of the gateway that the simulation starts."""

    stt_stall: float = 0.0
    """How long the words of every second turn are held back."""
    llm_slow: float = 0.0
    """How much later each reply of the model begins."""
    tts_drop: float = 0.0
    """Part of the sentences whose sound breaks off in the middle, 0 to 1."""
    down: Literal["", "ears", "model", "voice"] = ""
    """The provider that refuses everything."""

    def __post_init__(self) -> None:
        if not (0 <= self.stt_stall <= 60 and 0 <= self.llm_slow <= 60):
            raise ValueError("stt_stall and llm_slow must be from 0 to 60 s")
        if not 0 <= self.tts_drop <= 1:
            raise ValueError("tts_drop must be from 0 to 1")


@dataclass(frozen=True)
class Step:
    """One thing that the caller does, when the agent has been heard and has finished."""

    say: str = ""
    """A sentence, spoken by the embedded voice."""
    wav: str = ""
    """A mu-law WAV file with 8000 samples a second, beside the scenario or among those of `sipgw demo`."""
    press: str = ""
    """Keys: digits, ``*`` and ``#``."""
    hang_up: bool = False
    hears: str = ""
    """Words that the agent must have said since the caller's last words; only for a gateway started here."""
    interrupts: float = 0.0
    """Do not wait for the end: act when the agent has been speaking for so long."""
    pause: float = 0.0
    """How long the caller waits before this."""
    patience: float = 15.0
    """How long the caller waits for the agent; then the turn counts as broken and this is done all the same."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.say, self.wav, self.press, self.hang_up))) != 1:
            raise ValueError("a step has one of 'say', 'wav', 'press' and 'hang_up'")
        if set(self.press) - set("0123456789*#ABCD"):
            raise ValueError("press holds digits, * and #")
        if not (0 <= self.pause <= 300 and 0 <= self.interrupts <= 60 and 0 < self.patience <= 300):
            raise ValueError("pause and patience are at most 300 s, interrupts at most 60 s")


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
    providers: ProviderOptions = field(default_factory=ProviderOptions)

    def __post_init__(self) -> None:
        if not 0 < len(self.steps) <= 200:
            raise ValueError("a scenario has from 1 to 200 steps")
        if not 0 < self.limit <= 3600:
            raise ValueError("limit is at most an hour")


def read(path: Path) -> Scenario:
    """Read a scenario file. Raises `ScenarioError`."""
    try:
        text = path.read_text(encoding="utf-8")
        return build(Scenario, tomllib.loads(text), {})
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: {error}") from None
    except OptionError as error:
        key, line = ".".join(map(str, error.path)), line_of(text, error.path)
        where = f"{path}:{line}" if line else str(path)
        raise ScenarioError(f"{where}: {key}: {error.problem}" if key else f"{where}: {error.problem}") from None
