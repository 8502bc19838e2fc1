"""The result of a call that a replay must reproduce: turns, interruptions, words, tools, latencies, ending."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from sipgw.records.bundles.recorder import Frame


@dataclass
class TurnResult:
    """One exchange."""

    caller: str
    said: str
    heard: str
    interrupted: bool
    tools: list[dict[str, Any]]
    """The tool calls of the turn: ``name``, ``arguments`` and whether the call ``failed``."""
    latency_ms: dict[str, int]


@dataclass
class CallResult:
    """The result of a call."""

    turns: list[TurnResult] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """The final transcripts of the STT, in order."""
    spoken: list[str] = field(default_factory=list)
    """The agent's sentences."""
    agreed: list[str] = field(default_factory=list)
    """The negotiated media, in order."""
    resumed: int = 0
    """How often the agent paused for a sound of the caller, and went on."""
    failed: list[str] = field(default_factory=list)
    """Parts of the agent that failed."""
    pressed: str = ""
    """Keys that the agent pressed."""
    answered_by: list[str] = field(default_factory=list)
    ending: str = ""

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> "CallResult":
        """The result of the call in the frames of a recorder."""
        story = cls()
        lines = [frame for frame in frames if frame["of"] == "line"]
        story._heard_of_line([frame for frame in lines if frame["channel"] == lines[0]["channel"]])
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
        return story

    def _heard_of_line(self, frames: list[Frame]) -> None:
        """The events of the caller's line; a colleague's line has another channel."""
        paused = False
        for frame in frames:
            match frame["do"]:
                case "exchange":
                    self.agreed.append(_agreed(frame["format"], frame["direction"]))
                case "sent":
                    self.pressed += frame["keys"]
                case "pause":
                    paused = True
                case "resume" if paused:
                    self.resumed += 1
                    paused = False
                case "stop":
                    paused = False

    def as_dict(self) -> dict[str, Any]:
        """The result as a dict for JSON."""
        return asdict(self)

    @classmethod
    def read(cls, found: dict[str, Any]) -> "CallResult":
        """Read the result from JSON. Raises `ValueError` or `KeyError` if `found` is no result."""
        story = _reader().validate_python({one.name: found[one.name] for one in fields(cls)})
        for run in (run for turn in story.turns for run in turn.tools):
            run["name"], run["arguments"], run["failed"]
        return story


def _agreed(form: dict[str, Any], direction: str) -> str:
    keys = form["dtmf_payload_type"]
    return f"{form['encoding']} ({form['payload_type']}){f', keys ({keys})' if keys else ''}, {direction}"


def _turn(frame: Frame) -> TurnResult:
    tools = [
        {"name": run["name"], "arguments": run["arguments"], "failed": bool(run["error"])} for run in frame["tools"]
    ]
    return TurnResult(frame["caller"], frame["said"], frame["heard"], frame["interrupted"], tools, frame["latency_ms"])


@cache
def _reader() -> TypeAdapter[CallResult]:
    """Made once: it takes longer than to read with it."""
    return TypeAdapter(CallResult)
