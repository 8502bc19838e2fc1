"""Traces: the spans of a call, their times and what stands in them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent.records import ProviderFailed, Times, ToolRun, Turn, TurnEnded
from sipgw.events import CallAnswered, CallBegan, CallEnded, CallReported, Disposition
from sipgw.telemetry.tracing import Tracing
from tests.virtual import run

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def spans(kind: str = "caller_hung_up", times: Times | None = None) -> list[Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    async def scenario() -> None:
        watch = Tracing(provider.get_tracer("sipgw")).watch
        zero = asyncio.get_running_loop().time()
        moments = times or Times(zero + 2.0, zero + 2.2, zero + 2.5, zero + 2.6, zero + 2.75, zero + 2.8)
        watch(CallBegan("c@1", NOW, "in", "pbx", "agent", "+15550100", "+15550199", {"name": "Ann"}))
        watch(CallAnswered("c@1", later(1)))
        turn = Turn("my words", "its words", "its words", tools=[ToolRun("lookup", {"x": "word"}, seconds=0.1)])
        turn.times = moments
        watch(CallReported("c@1", later(5), TurnEnded(turn)))
        watch(CallReported("c@1", later(5), ProviderFailed("tts", "words")))
        watch(CallReported("other", later(5), TurnEnded(turn)))
        watch(CallEnded("c@1", later(9), Disposition(kind, "words"), {}))

    run(scenario())
    return list(exporter.get_finished_spans())


def test_a_call_has_turns_and_a_turn_has_what_was_waited_for() -> None:
    found = {span.name: span for span in spans()}
    assert set(found) == {"call", "turn", "stt", "llm", "tts", "tool"}
    start = NOW.timestamp()
    when = {name: (span.start_time / 1e9 - start, span.end_time / 1e9 - start) for name, span in found.items()}
    expected = {
        "call": (0, 9), "turn": (2.0, 5), "stt": (2.0, 2.2), "llm": (2.2, 2.6), "tts": (2.6, 2.75), "tool": (2.2, 2.3),
    }  # fmt: skip
    for name, pair in expected.items():
        assert when[name] == pytest.approx(pair, abs=1e-3)
    assert found["turn"].parent.span_id == found["call"].context.span_id
    for name in ("stt", "llm", "tts", "tool"):
        assert found[name].parent.span_id == found["turn"].context.span_id
    assert len({span.context.trace_id for span in found.values()}) == 1
    assert found["turn"].attributes["sipgw.latency_ms"] == 800
    assert [event.name for event in found["call"].events] == ["answered", "provider failed"]


def test_nothing_that_was_said_and_no_number_is_in_it() -> None:
    told = "".join(span.to_json() for span in spans())
    assert "words" not in told and "155501" not in told and "Ann" not in told


def test_a_call_that_failed_is_an_error_and_one_that_ended_is_not() -> None:
    assert {span.name: span.status.is_ok for span in spans("failed")}["call"] is False
    assert {span.name: span.status.is_ok for span in spans()}["call"] is True


def test_a_turn_without_times_is_no_fault() -> None:
    assert {span.name for span in spans(times=Times())} == {"call", "turn", "tool"}
