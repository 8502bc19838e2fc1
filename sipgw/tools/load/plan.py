"""The steps of a load test, and the service level. Sans-IO."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sipgw.tools.load.distribution import Distribution, percentile
from sipgw.tools.load.worker import Window

FIRST = 10
"""Calls of the first step of a ramp."""
GROWTH = 2
"""Growth factor of the calls per step of a ramp, until the service level breaks."""
NEAR = 0.15
"""A ramp ends when the broken number of calls exceeds the held one by at most this share."""
SETTLING = 3
"""Seconds of a step that are not judged, because calls are still being set up."""


@dataclass(frozen=True)
class Level:
    """The required service level. Times are in seconds, shares from 0 to 1."""

    turn: float = 1.5
    """Maximum time from the caller's last sound to the agent's first, in 95 of 100 turns."""
    setup: float = 1.0
    """Maximum time from INVITE to the answer, in 95 of 100 calls."""
    loss: float = 0.01
    """Maximum share of lost packets."""
    gap: float = 0.5
    """Maximum time between two packets of a call."""

    def broken(self, step: "LoadStep") -> list[str]:
        """The limits that `step` broke, in words; empty if it held the level."""
        faults = []
        if (turn := percentile(step.latencies, 0.95) or 0.0) > self.turn:
            faults.append(f"turn latency p95 {turn * 1000:.0f} ms > {self.turn * 1000:.0f} ms")
        if (setup := percentile(step.setups, 0.95) or 0.0) > self.setup:
            faults.append(f"set-up p95 {setup * 1000:.0f} ms > {self.setup * 1000:.0f} ms")
        if step.received and step.loss > self.loss:
            faults.append(f"{step.loss:.1%} of the packets lost > {self.loss:.1%}")
        if step.gap > self.gap:
            faults.append(f"silence of {step.gap * 1000:.0f} ms on the wire > {self.gap * 1000:.0f} ms")
        if step.unanswered > 0.01 * max(1, len(step.latencies) + step.unanswered):
            faults.append(f"{step.unanswered} turns without an answer")
        if step.failures:
            faults.append(f"{len(step.failures)} calls failed: {step.failures[0]}")
        return faults or self._missing(step)

    def _missing(self, step: "LoadStep") -> list[str]:
        if step.held < 0.98 * step.wanted:
            return [f"only {step.held} of {step.wanted} calls were up"]
        if not step.received:
            return ["no sound came"]
        return [] if step.latencies else ["no turn was answered; callers may need more --seconds for one"]


@dataclass
class LoadStep:
    """The measurements of one step of a load test, in which the number of calls is constant."""

    wanted: int
    held: int = 0
    seconds: float = 0.0
    setups: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unanswered: int = 0
    received: int = 0
    lost: int = 0
    gap: float = 0.0
    errors: Distribution = field(default_factory=Distribution)
    cpu: float | None = None
    """CPU of the gateway and its children, in cores; None if it is not known."""
    media: float | None = None
    """CPU of the gateway's media processes, in cores; part of `cpu`."""
    memory: int | None = None
    """Resident memory of the gateway and its children, in bytes."""
    media_memory: int | None = None
    headroom: int | None = None
    """Further calls that the gateway reports it could take, at the end of the step."""
    generator: float = 0.0
    """CPU of the processes of callers, in cores."""
    broken: list[str] = field(default_factory=list)
    """Broken limits, in words."""

    @property
    def loss(self) -> float:
        """Share of the packets that did not arrive, 0 to 1."""
        return self.lost / max(1, self.lost + self.received)

    def add(self, window: Window, *, settled: bool) -> None:
        """Add one second of one worker. Until the step is `settled`, only set-up times and failures count."""
        self.setups += window.setups
        self.failures += window.failures
        if settled:
            self.latencies += window.latencies
            self.unanswered += window.unanswered
            self.received += window.received
            self.lost += window.lost
            self.gap = max(self.gap, window.gap)
            self.errors.add(window.errors)


def ramp(most: int, steps: "list[LoadStep]") -> Iterator[int]:
    """The numbers of calls to try, up to `most`. The caller appends each step, with its verdict, to `steps`.

    The numbers grow until a step breaks the level. Then each is halfway between the most that held and the fewest that
    broke.
    """
    calls, held = min(FIRST, most), 0
    yield calls
    while not steps[-1].broken:
        if calls == most:
            return
        calls, held = min(GROWTH * calls, most), calls
        yield calls
    broke = calls
    while held and broke - held > NEAR * held:
        calls = (held + broke) // 2
        yield calls
        held, broke = (held, calls) if steps[-1].broken else (calls, broke)


def shared(calls: int, workers: int) -> list[int]:
    """The share of each worker in `calls`, as evenly as possible."""
    return [calls // workers + (number < calls % workers) for number in range(workers)]
