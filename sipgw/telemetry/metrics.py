"""Metrics for Prometheus: calls, their setup, latency and quality, providers, SIP, trunks, processes.

No label ever holds a call, a number or anything else that a caller chooses, so the number of series is bounded.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.pool import POOLS
from agent.records import Interrupted, ProviderFailed, Report, ToolDone, Turn, TurnEnded
from media.process.supervisor import ProcessState
from sipgw import __version__
from sipgw.bounds import FULL
from sipgw.events import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CallerVerified,
    CallMeasured,
    CallReported,
    CallTransferred,
    Event,
)
from sipgw.sip.trace import Traced

SETUP = (0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 8, 15, 30, 60)
LATENCY = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)
LENGTH = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
SCORE = (1.5, 2, 2.5, 3, 3.3, 3.6, 3.8, 4, 4.2, 4.4)
LOSS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
JITTER = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
METHODS = frozenset(
    {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE",
     "SUBSCRIBE"}
)  # fmt: skip
LATELY = 60.0
"""Seconds for which the worst value is kept, so that its alarm ends."""
PARTS = {"hearing": "stt", "thinking": "llm", "voicing": "tts"}
"""The part of an agent that causes each part of the latency."""


class BadCalls(Protocol):
    """How many of the latest calls of a trunk had bad sound: see `sipgw.trunks.call_alarms.BadCalls`."""

    @property
    def fault(self) -> str:
        """Name of the fault."""

    @property
    def bad(self) -> int:
        """Number of calls with the fault."""

    @property
    def calls(self) -> int:
        """Number of calls that count."""

    @property
    def raised(self) -> bool:
        """Whether there is an alarm."""


class Trunk(Protocol):
    """The state of a trunk: `sipgw.gateway.gateway.TrunkStatus`."""

    @property
    def name(self) -> str:
        """Name of the trunk."""

    @property
    def registration(self) -> str:
        """State of the registration, such as ``registered``; empty without a registration."""

    @property
    def health(self) -> str:
        """``up``, ``down`` or ``unknown``."""

    @property
    def calls(self) -> int:
        """Number of present calls."""

    @property
    def sound(self) -> Iterable[BadCalls]:
        """The bad calls by fault."""


@dataclass
class _Open:
    direction: str
    trunk: str
    agent: str
    began: datetime
    answered: datetime | None = None


class Metrics:
    """All metrics of one gateway. `watch` and `trace` must get all events; `text` returns the metrics for
    Prometheus."""

    def __init__(
        self,
        trunks: Callable[[], Iterable[Trunk]],
        provider: Callable[[str, str], str] = lambda agent, part: "",
        media: Callable[[], Iterable[ProcessState]] = lambda: (),
        clock: Callable[[], float] = time.monotonic,
        dropped: Callable[[], Mapping[str, int]] = dict,
        room: Callable[[], tuple[int | None, Mapping[str, float]]] = lambda: (None, {}),
    ) -> None:
        """`provider` returns an agent's provider of ``stt``, ``llm``, ``tts`` or ``realtime``; `dropped` the dropped
        SIP messages by reason; `room` the headroom in calls, if it is known, with the busy part of each process."""
        self.registry = CollectorRegistry()
        self._provider = provider
        self._open: dict[str, _Open] = {}
        self._calls = _Calls(self.registry, clock)
        self._talk = _Talk(self.registry)
        self._sip = _Sip(self.registry)
        Gauge("sipgw_build_info", "Always 1.", ["version"], registry=self.registry).labels(__version__).set(1)
        ProcessCollector(registry=self.registry)
        parts = (
            lambda: _trunks(trunks()),
            lambda: _dropped(dropped()),
            lambda: _media_processes(media()),
            lambda: _room(*room()),
        )
        self.registry.register(_Asked(*parts, _pools, _full))

    def text(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        return generate_latest(self.registry)

    def watch(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, CallBegan):
            self._open[event.call] = _Open(event.direction, event.trunk, event.agent, event.at)
            return
        call = self._open.get(event.call)
        if call is None:
            return
        match event:
            case CallerVerified(stir=stir):
                self._calls.verified.labels(call.trunk, stir["result"], stir.get("attestation", "")).inc()
            case CallAnswered(_, at):
                call.answered = at
                self._calls.setup.labels(call.direction, call.trunk).observe((at - call.began).total_seconds())
            case CallMeasured(quality=quality):
                self._calls.measured(call.trunk, quality.mos, quality.loss, quality.jitter, quality.late_max)
            case CallTransferred(accepted=accepted):
                self._calls.transfers.labels(call.trunk, "accepted" if accepted else "refused").inc()
            case CallReported(report=report):
                self._reported(call.agent, report)
            case CallEnded():
                del self._open[event.call]
                self._calls.ended.labels(call.direction, call.trunk, call.agent, event.ending.kind).inc()
                if call.answered:
                    length = (event.at - call.answered).total_seconds()
                    self._calls.length.labels(call.direction, call.trunk).observe(length)

    def trace(self, traced: Traced) -> None:
        """Count a SIP message."""
        self._sip.count(traced)

    def _reported(self, agent: str, report: Report) -> None:
        talk = self._talk
        match report:
            case TurnEnded(turn):
                self._turn(agent, turn)
            case Interrupted():
                talk.interruptions.labels(agent).inc()
            case ToolDone(run):
                talk.tools.labels(agent, run.name, "failed" if run.error else "done").observe(run.seconds)
            case ProviderFailed(part, _):
                talk.failures.labels(agent, part, self._provider(agent, part)).inc()

    def _turn(self, agent: str, turn: Turn) -> None:
        talk = self._talk
        talk.turns.labels(agent).inc()
        for part, milliseconds in turn.times.parts_ms().items():
            seconds = max(0, milliseconds) / 1000
            talk.latency.labels(agent, part).observe(seconds)
            if who := PARTS.get(part):
                talk.first_byte.labels(who, self._provider(agent, who)).observe(seconds)


class _Worst:
    """The largest of the values of the last minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._values: deque[tuple[float, float]] = deque()
        """Times and values; each value is smaller than the one before, because a value before a larger one never counts
        again."""

    def take(self, value: float) -> None:
        while self._values and self._values[-1][1] <= value:
            self._values.pop()
        self._values.append((self._clock(), value))

    def now(self) -> float:
        while self._values and self._values[0][0] < self._clock() - LATELY:
            self._values.popleft()
        return self._values[0][1] if self._values else 0.0


class _Calls:
    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        who = ["direction", "trunk"]
        self.ended = Counter(
            "sipgw_calls", "Calls that have ended, by their ending.", [*who, "agent", "ending"], registry=registry
        )
        self.setup = _histogram("sipgw_call_setup_seconds", "From the INVITE to the answer.", who, SETUP, registry)
        self.length = _histogram("sipgw_call_seconds", "From the answer to the end.", who, LENGTH, registry)
        self.transfers = Counter("sipgw_transfers", "Transfers to people.", ["trunk", "outcome"], registry=registry)
        self.verified = Counter(
            "sipgw_stir", "Signed callers that were verified.", ["trunk", "result", "attestation"], registry=registry
        )
        trunk = ["trunk"]
        self._mos = _histogram("sipgw_call_mos", "ITU-T G.107, every five seconds.", trunk, SCORE, registry)
        self._loss = _histogram("sipgw_call_loss_ratio", "RTP lost or too late, by 5 s.", trunk, LOSS, registry)
        self._jitter = _histogram("sipgw_call_jitter_seconds", "RFC 3550, by 5 s.", trunk, JITTER, registry)
        self._late = _Worst(clock)
        late = "Worst lateness of a sent packet in the last minute."
        Gauge("sipgw_media_late_max_seconds", late, registry=registry).set_function(self._late.now)

    def measured(self, trunk: str, mos: float, loss: float, jitter: float, late: float) -> None:
        """Count the measurements of five seconds of a call: MOS, and in the last two arguments seconds."""
        if mos:
            self._mos.labels(trunk).observe(mos)
            self._loss.labels(trunk).observe(loss)
            self._jitter.labels(trunk).observe(jitter)
        self._late.take(late)


class _Talk:
    def __init__(self, registry: CollectorRegistry) -> None:
        agent = ["agent"]
        self.turns = Counter("sipgw_turns", "Exchanges of words.", agent, registry=registry)
        self.interruptions = Counter("sipgw_interruptions", "Replies talked over.", agent, registry=registry)
        self.latency = _histogram(
            "sipgw_turn_latency_seconds", "From the caller's last word to the reply, and its parts.",
            ["agent", "part"], LATENCY, registry,
        )  # fmt: skip
        self.first_byte = _histogram(
            "sipgw_provider_first_byte_seconds", "What turns waited for a provider.", ["part", "provider"], LATENCY,
            registry,
        )  # fmt: skip
        self.failures = Counter(
            "sipgw_provider_failures", "Parts of agents that failed.", ["agent", "part", "provider"], registry=registry
        )
        self.tools = _histogram("sipgw_tool_seconds", "Runs of tools.", ["agent", "tool", "outcome"], LATENCY, registry)


class _Sip:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter("sipgw_sip_requests", "SIP requests.", ["direction", "method"], registry=registry)
        self._responses = Counter(
            "sipgw_sip_responses", "SIP responses, by what they answer.", ["direction", "method", "status"],
            registry=registry,
        )  # fmt: skip

    def count(self, traced: Traced) -> None:
        """Count a message; an unknown method or status counts as ``other``."""
        first, _, rest = traced.data.partition(b"\r\n")
        words = first[:200].decode("ascii", "replace").split(" ", 2)
        if words[0] != "SIP/2.0":
            self._requests.labels(traced.direction, words[0] if words[0] in METHODS else "other").inc()
            return
        status = words[1] if len(words) > 1 and words[1].isascii() and words[1].isdigit() else ""
        lower = rest.lower()
        at = lower.find(b"\ncseq:") if not lower.startswith(b"cseq:") else -1
        method = lower[at + 1 : at + 100].partition(b"\r\n")[0].split()[-1:] or [b""]
        name = method[0].decode("ascii", "replace").upper()
        known = len(status) == 3 and "100" <= status <= "699"
        labels = traced.direction, name if name in METHODS else "other", status if known else "other"
        self._responses.labels(*labels).inc()


class _Asked(Collector):
    """Metrics whose values are computed whenever Prometheus reads them."""

    def __init__(self, *asked: Callable[[], Iterable[Metric]]) -> None:
        self._asked = asked

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that no value is computed at the start."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Compute the present values."""
        return itertools.chain.from_iterable(ask() for ask in self._asked)


def _dropped(dropped: Mapping[str, int]) -> Iterable[Metric]:
    """Dropped SIP messages."""
    counted = CounterMetricFamily("sipgw_sip_dropped", "SIP messages dropped or turned away.", labels=["why"])
    for why, number in dropped.items():
        counted.add_metric([why], number)
    return [counted]


def _media_processes(processes: Iterable[ProcessState]) -> Iterable[Metric]:
    """The resources of the media processes, by number."""
    up = GaugeMetricFamily("sipgw_media_process_up", "1 if it runs.", labels=["process"])
    calls = GaugeMetricFamily("sipgw_media_process_calls", "Calls whose sound it has.", labels=["process"])
    late = "Seconds by which its sound is late at the gateway."
    delay = GaugeMetricFamily("sipgw_media_process_delay_seconds", late, labels=["process"])
    ours = "Calls that a fault of the gateway's own has ended, and nothing else."
    failed = CounterMetricFamily("sipgw_media_process_failed_calls", ours, labels=["process"])
    native = GaugeMetricFamily("sipgw_media_process_native", "1 if its packet path is in C.", labels=["process"])
    dropped = "Answers about kept packets that came after nobody waited for them, and were dropped."
    answers = CounterMetricFamily("sipgw_media_process_late_answers", dropped, labels=["process"])
    fell = CounterMetricFamily("sipgw_media_process_crashes", "Crashes of its packet path in C.", labels=["process"])
    families: dict[str, Metric] = {one.name: one for one in (up, calls, delay, failed, native, answers, fell)}
    for number, pid, held, behind, faults, in_c, unasked, crashes in processes:
        label = str(number)
        up.add_metric([label], float(pid > 0))
        calls.add_metric([label], held)
        delay.add_metric([label], behind)
        failed.add_metric([label], faults)
        native.add_metric([label], float(in_c))
        answers.add_metric([label], unasked)
        fell.add_metric([label], crashes)
        collector = ProcessCollector(namespace="sipgw_media", pid=lambda pid=pid: pid, registry=None)  # type: ignore[misc]
        for metric in collector.collect() if pid else ():
            family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                family.add_sample(sample.name, {"process": label}, sample.value)
    return families.values()


def _room(calls: int | None, busy: Mapping[str, float]) -> Iterable[Metric]:
    """How full the gateway is."""
    share = GaugeMetricFamily(
        "sipgw_busy_ratio", "Part of the time for which a process ran or waited for a core.", labels=["process"]
    )
    for name, part in busy.items():
        share.add_metric([name], part)
    yield share
    if calls is not None:
        yield GaugeMetricFamily("sipgw_headroom_calls", "Calls that fit beside the present ones.", calls)


def _pools() -> Iterable[Metric]:
    """The pools of threads, by the kind of work."""
    busy = GaugeMetricFamily("sipgw_pool_busy", "Threads that work.", labels=["pool"])
    queued = GaugeMetricFamily("sipgw_pool_queued", "Pieces of work that wait for one.", labels=["pool"])
    refused = CounterMetricFamily("sipgw_pool_refused", "Pieces of work that found it full.", labels=["pool"])
    for name, pool in POOLS.items():
        busy.add_metric([name], pool.busy)
        queued.add_metric([name], pool.queued)
        refused.add_metric([name], pool.refused)
    return [busy, queued, refused]


def _full() -> Iterable[Metric]:
    """Counters of full tables and queues."""
    full = CounterMetricFamily("sipgw_full", "What found no place, or took that of the oldest.", labels=["what"])
    for what, number in FULL.items():
        full.add_metric([what], number)
    return [full]


def _trunks(trunks: Iterable[Trunk]) -> Iterable[Metric]:
    """The present state of the trunks."""
    live = GaugeMetricFamily("sipgw_live_calls", "Calls that go on.", labels=["trunk"])
    registered = GaugeMetricFamily("sipgw_trunk_registered", "1 if registered.", labels=["trunk"])
    up = GaugeMetricFamily("sipgw_trunk_up", "1 if it answers OPTIONS.", labels=["trunk"])
    share = GaugeMetricFamily(
        "sipgw_trunk_bad_sound_ratio", "Of the latest calls, those with bad sound.", labels=["trunk", "fault"]
    )
    alarm = GaugeMetricFamily("sipgw_trunk_alarm", "1 if they are too many.", labels=["trunk", "fault"])
    for trunk in trunks:
        for one in trunk.sound:
            share.add_metric([trunk.name, one.fault], one.bad / one.calls)
            alarm.add_metric([trunk.name, one.fault], float(one.raised))
        live.add_metric([trunk.name], trunk.calls)
        if trunk.registration not in ("", "elsewhere", "closed"):  # in a cluster only one gateway registers the trunk
            registered.add_metric([trunk.name], float(trunk.registration == "registered"))
        if trunk.health != "unknown":
            up.add_metric([trunk.name], float(trunk.health == "up"))
    return [live, registered, up, share, alarm]


def _histogram(
    name: str, text: str, labels: list[str], buckets: tuple[float, ...], registry: CollectorRegistry
) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=registry)
