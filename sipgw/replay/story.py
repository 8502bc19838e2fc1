"""What came of a call, as far as it is to be the same again: turns, interruptions, words, tools, latencies, ending."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sipgw.replay.witness import Frame


@dataclass
class Turn:
    """One exchange."""

    caller: str
    said: str
    heard: str
    interrupted: bool
    tools: list[dict[str, Any]]
    """``name``, ``arguments`` and whether it ``failed``."""
    latency_ms: dict[str, int]


@dataclass
class Story:
    """What came of a call."""

    turns: list[Turn] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """What the ears said that the caller had said, each time that they took it for complete."""
    spoken: list[str] = field(default_factory=list)
    """The agent's sentences."""
    resumed: int = 0
    """How often the agent fell silent for a sound, and went on."""
    failed: list[str] = field(default_factory=list)
    """Parts of the agent that failed."""
    pressed: str = ""
    """Keys that the agent pressed."""
    answered_by: list[str] = field(default_factory=list)
    ending: str = ""

    @classmethod
    def of(cls, frames: Iterable[Frame]) -> "Story":
        """Take it out of what a witness saw."""
        story, paused = cls(), False
        for frame in frames:
            match frame:
                case {"of": "turn"}:
                    story.turns.append(_turn(frame))
                case {"of": "said", "text": text}:
                    story.heard.append(text)
                case {"of": "says", "text": text}:
                    story.spoken.append(text)
                case {"of": "failed", "part": part}:
                    story.failed.append(part)
                case {"of": "answered_by", "who": who}:
                    story.answered_by.append(who)
                case {"of": "ended", "kind": kind}:
                    story.ending = kind
                case {"of": "line", "do": "sent", "keys": keys}:
                    story.pressed += keys
                case {"of": "line", "do": "pause"}:
                    paused = True
                case {"of": "line", "do": "resume"} if paused:
                    story.resumed += 1
                    paused = False
                case {"of": "line", "do": "stop"}:
                    paused = False
        return story

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def read(cls, found: dict[str, Any]) -> "Story":
        """From JSON. Raises `TypeError` or `KeyError` if it is none."""
        names = {one.name for one in fields(cls)} - {"turns"}
        return cls([Turn(**turn) for turn in found["turns"]], **{name: found[name] for name in names})


def _turn(frame: Frame) -> Turn:
    tools = [
        {"name": run["name"], "arguments": run["arguments"], "failed": bool(run["error"])} for run in frame["tools"]
    ]
    return Turn(frame["caller"], frame["said"], frame["heard"], frame["interrupted"], tools, frame["latency_ms"])
