"""Statistics of the providers: latency of each part in the latest turns, and the last failures. Sans-IO."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from agent.records import Part, ProviderFailed, TurnEnded
from sipgw.events import CallBegan, CallEnded, CallKey, CallReported, Event

TURNS = 500
"""Latest turns of each agent from which percentiles are computed."""
PARTS: dict[Part, str] = {"stt": "hearing", "llm": "thinking", "tts": "voicing", "realtime": "thinking"}
"""Each part of an agent and its share of a turn's latency; see `agent.records.Times.parts_ms`."""


class Failure(NamedTuple):
    """A part of an agent failed in a call."""

    at: datetime
    call: CallKey
    cause: str


class Latency(NamedTuple):
    """Percentiles in milliseconds."""

    turns: int
    p50: int
    p95: int


class ProviderStats:
    """A watcher of calls; see `sipgw.events.Watchers`."""

    def __init__(self) -> None:
        self._calls: dict[str, CallBegan] = {}
        self._turns: dict[tuple[str, str], deque[int]] = {}
        self._failures: dict[tuple[str, str], Failure] = {}

    def tell(self, event: Event) -> None:
        """Take an event of a call."""
        match event:
            case CallBegan():
                self._calls[event.call] = event
            case CallEnded():
                self._calls.pop(event.call, None)
            case CallReported(call, _, TurnEnded(turn)):
                agent = self._calls[call].agent if call in self._calls else ""
                for label, took in turn.times.parts_ms().items():
                    self._turns.setdefault((agent, label), deque(maxlen=TURNS)).append(took)
            case CallReported(call, at, ProviderFailed(part, cause)) if began := self._calls.get(call):
                self._failures[began.agent, part] = Failure(at, began.key, cause[:500])

    def latency(self, agent: str, label: str) -> Latency | None:
        """The latency of one part, or of ``total``; None before the first turn."""
        turns = self._turns.get((agent, label))
        return Latency(len(turns), percentile(turns, 50), percentile(turns, 95)) if turns else None

    def failure(self, agent: str, part: str) -> Failure | None:
        """The last failure of a part."""
        return self._failures.get((agent, part))


def percentile(values: Sequence[int] | deque[int], percent: int) -> int:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
