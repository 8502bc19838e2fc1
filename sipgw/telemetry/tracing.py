"""OpenTelemetry traces: a span for each call; in it a span for each turn; in it a span for each part of the wait.

Needs the extra ``otel``; the target of traces is set by the environment as usual (``OTEL_EXPORTER_OTLP_ENDPOINT``).
Spans have no words and no numbers.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from agent.records import ProviderFailed, Report, Turn, TurnEnded
from sipgw.events import CallAnswered, CallBegan, CallEnded, CallReported, Event, Watcher

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

log = structlog.get_logger()

PARTS = (
    ("stt", "caller_stopped", "final"),
    ("llm", "final", "first_sentence"),
    ("tts", "first_sentence", "first_sound"),
)
"""Spans of a turn, and their first and last moments: see `agent.records.Times`."""


@dataclass
class _Traced:
    span: "Span"
    offset: float
    """Unix time at which the event loop's clock was 0."""


class Tracing:
    """Creates spans of calls. `watch` must get all events."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._calls: dict[str, _Traced] = {}

    def watch(self, event: Event) -> None:
        """Take an event of any call."""
        from opentelemetry.trace import StatusCode

        if isinstance(event, CallBegan):
            about = {"sipgw.call": event.call, "sipgw.direction": event.direction, "sipgw.trunk": event.trunk}
            span = self._tracer.start_span(
                "call", start_time=_ns(event.at.timestamp()), attributes=about | {"sipgw.agent": event.agent}
            )
            self._calls[event.call] = _Traced(span, event.at.timestamp() - asyncio.get_running_loop().time())
            return
        call = self._calls.get(event.call)
        if call is None:
            return
        match event:
            case CallAnswered(_, at):
                call.span.add_event("answered", timestamp=_ns(at.timestamp()))
            case CallReported(_, at, report):
                self._reported(call, at, report)
            case CallEnded(_, at, ending):
                del self._calls[event.call]
                call.span.set_attribute("sipgw.ending", ending.kind)
                if ending.kind in ("failed", "line_lost", "refused", "transfer_failed"):
                    call.span.set_status(StatusCode.ERROR, ending.kind)
                call.span.end(_ns(at.timestamp()))

    def _reported(self, call: _Traced, at: datetime, report: Report) -> None:
        match report:
            case TurnEnded(turn):
                self._turn(call, at.timestamp(), turn)
            case ProviderFailed(part, _):
                call.span.add_event("provider failed", {"sipgw.part": part}, _ns(at.timestamp()))

    def _turn(self, call: _Traced, until: float, turn: Turn) -> None:
        from opentelemetry.trace import set_span_in_context

        moments = [moment for moment in vars(turn.times).values() if moment is not None]
        since = call.offset + min(moments) if moments else until
        inside = set_span_in_context(call.span)
        about: dict[str, bool | int] = {"sipgw.interrupted": turn.interrupted}
        if (total := turn.times.parts_ms().get("total")) is not None:
            about |= {"sipgw.latency_ms": total}
        span = self._tracer.start_span("turn", inside, start_time=_ns(since), attributes=about)
        within = set_span_in_context(span)
        for name, first, last in PARTS:
            begin, end = getattr(turn.times, first), getattr(turn.times, last)
            if begin is not None and end is not None:
                part = self._tracer.start_span(name, within, start_time=_ns(call.offset + begin))
                part.end(_ns(call.offset + end))
        final = turn.times.final
        at = call.offset + final if final is not None else since
        for run in turn.tools:  # the tools run one after the other, after the model has chosen them
            tool = self._tracer.start_span("tool", within, start_time=_ns(at), attributes={"sipgw.tool": run.name})
            at += run.seconds
            tool.set_attribute("sipgw.failed", bool(run.error))
            tool.end(_ns(at))
        span.end(_ns(max(until, since)))


def tracing() -> Watcher | None:
    """A watcher that sends traces to the endpoint of the environment; None without the extra."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("no traces", cause="OpenTelemetry is not installed", advice="pip install 'sipgw[otel]'")
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "sipgw"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # type: ignore[no-untyped-call,unused-ignore]
    return Tracing(provider.get_tracer("sipgw")).watch


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
