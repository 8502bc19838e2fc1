"""What Prometheus reads: events counted once, no label that a caller chooses, a dashboard of these metrics alone."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.records import Interrupted, ProviderFailed, Times, ToolDone, ToolRun, Turn, TurnEnded
from media.process.channel import Quality
from media.process.supervisor import ProcessState
from sipgw.events import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CallMeasured,
    CallReported,
    CallTransferred,
    Disposition,
)
from sipgw.sip.dialog import Peer
from sipgw.sip.trace import Traced
from sipgw.telemetry.metrics import Metrics
from sipgw.trunks.call_alarms import BadCalls

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EVIL = '"><script>alert(1)</script>\n'


class Trunk(NamedTuple):
    name: str = "pbx"
    registration: str = "registered"
    health: str = "up"
    calls: int = 2
    sound: tuple[BadCalls, ...] = (BadCalls("foreign", 3, 12, True), BadCalls("quality", 0, 12, False))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def made() -> Metrics:
    return Metrics(
        lambda: [Trunk()],
        lambda agent, part: f"{part} of {agent}",
        lambda: [ProcessState(1, os.getpid(), 2, 0.01), ProcessState(2, 0, 0, 0.0)],
    )


def hold(metrics: Metrics, call: str = "secret-call-id") -> None:
    """One call with everything in it."""
    turn = Turn("hello", "hi", "hi", times=Times(1.0, 1.2, 1.5, 1.6, 1.75, 1.8))
    quality = Quality(4.3, 0.01, 0.004, 0.02, 0.0015, 0.1)
    reports = (
        TurnEnded(turn), Interrupted("hi"), ToolDone(ToolRun("lookup", {}, 1, seconds=0.3)),
        ProviderFailed("tts", "gone"),
    )  # fmt: skip
    metrics.watch(CallBegan(call, NOW, "in", "pbx", "agent", f"+1555{EVIL}", EVIL, {"name": EVIL}))
    metrics.watch(CallAnswered(call, later(1.5)))
    for report in reports:
        metrics.watch(CallReported(call, later(2), report))
    metrics.watch(CallMeasured(call, later(6), quality))
    metrics.watch(CallTransferred(call, later(8), "sip:desk@pbx", False, 486, "Busy"))
    metrics.watch(CallEnded(call, later(11.5), Disposition("caller_hung_up", EVIL), {}))


def values(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return values(metrics)[name, tuple(sorted(labels.items()))]


def test_a_call_is_counted_with_everything_in_it() -> None:
    metrics = made()
    hold(metrics)
    who = {"direction": "in", "trunk": "pbx"}
    assert value(metrics, "sipgw_calls_total", **who, agent="agent", ending="caller_hung_up") == 1
    assert value(metrics, "sipgw_call_setup_seconds_sum", **who) == 1.5
    assert value(metrics, "sipgw_call_seconds_sum", **who) == 10
    parts = {"hearing": 0.2, "thinking": 0.3, "phrasing": 0.1, "voicing": 0.15, "sending": 0.05, "total": 0.8}
    for part, seconds in parts.items():
        assert value(metrics, "sipgw_turn_latency_seconds_sum", agent="agent", part=part) == pytest.approx(seconds)
    for part, seconds in {"stt": 0.2, "llm": 0.3, "tts": 0.15}.items():
        first = value(metrics, "sipgw_provider_first_byte_seconds_sum", part=part, provider=f"{part} of agent")
        assert first == pytest.approx(seconds)
    assert value(metrics, "sipgw_interruptions_total", agent="agent") == 1
    assert value(metrics, "sipgw_tool_seconds_sum", agent="agent", tool="lookup", outcome="done") == 0.3
    failed = {"agent": "agent", "part": "tts", "provider": "tts of agent"}
    assert value(metrics, "sipgw_provider_failures_total", **failed) == 1
    assert value(metrics, "sipgw_call_mos_sum", trunk="pbx") == 4.3
    assert value(metrics, "sipgw_call_loss_ratio_sum", trunk="pbx") == 0.01
    assert value(metrics, "sipgw_call_jitter_seconds_sum", trunk="pbx") == 0.004
    assert value(metrics, "sipgw_media_late_max_seconds") == 0.0015
    assert value(metrics, "sipgw_transfers_total", trunk="pbx", outcome="refused") == 1


def test_bad_sound_of_a_trunk_is_told_with_its_alarm() -> None:
    bad, good = {"trunk": "pbx", "fault": "foreign"}, {"trunk": "pbx", "fault": "quality"}
    assert value(made(), "sipgw_trunk_bad_sound_ratio", **bad) == 0.25
    assert value(made(), "sipgw_trunk_alarm", **bad) == 1
    assert value(made(), "sipgw_trunk_alarm", **good) == 0


def test_every_metric_is_on_its_page() -> None:
    """One row of the page, ``process_*``, is for all of a process; media processes have theirs by their endings."""
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = re.findall(r"^# TYPE (\w+)", made().text().decode(), re.MULTILINE)
    process = {one for one in names if one.startswith("process_")}
    own = [one for one in names if one.startswith("sipgw_") and one.removeprefix("sipgw_media_") not in process]
    assert len(own) > 20
    assert [one for one in own if f"`{one.replace('sipgw_media_process', '')}`" not in page] == []


def test_sound_that_was_late_is_told_for_a_minute() -> None:
    clock = [100.0]
    metrics = Metrics(lambda: [Trunk()], clock=lambda: clock[0])

    def after(seconds: float, late: float) -> float:
        clock[0] += seconds
        metrics.watch(CallMeasured("c", NOW, Quality(4.3, 0.0, 0.0, 0.02, late, 0.1)))
        return value(metrics, "sipgw_media_late_max_seconds")

    metrics.watch(CallBegan("c", NOW, "in", "pbx", "agent", "", "", {}))
    assert value(metrics, "sipgw_media_late_max_seconds") == 0
    assert [after(5, 0.001), after(5, 0.2), after(30, 0.01), after(29, 0.002)] == [0.001, 0.2, 0.2, 0.2]
    assert [after(2, 0.001), after(30, 0.0)] == [0.01, 0.002]
    clock[0] += 61
    assert value(metrics, "sipgw_media_late_max_seconds") == 0, "also when there are no calls any more"


@pytest.mark.parametrize(("state", "told"), [("registered", 1), ("failed", 0), ("closed", None), ("elsewhere", None)])
def test_a_gateway_that_drains_says_nothing_of_its_registrations(state: str, told: int | None) -> None:
    metrics = Metrics(lambda: [Trunk(registration=state)])
    assert values(metrics).get(("sipgw_trunk_registered", (("trunk", "pbx"),))) == told


def test_nothing_that_a_caller_chooses_is_in_a_label_and_series_do_not_grow_with_calls() -> None:
    metrics = made()
    hold(metrics)
    once = len(values(metrics))
    for number in range(50):
        hold(metrics, f"secret-call-id-{number}")
        start = f"EVIL{number} sip:a SIP/2.0\r\nCSeq: 1 EVIL{number}\r\n\r\n".encode()
        metrics.trace(Traced("in", Peer("udp", "192.0.2.1", 5060), start, 0.0))
        start = f"SIP/2.0 {number}{number}9 Evil\r\nCSeq: 1 EVIL{number}\r\n\r\n".encode()
        metrics.trace(Traced("in", Peer("udp", "192.0.2.1", 5060), start, 0.0))
    assert len(values(metrics)) <= once + 2 * (2 + 8)
    labels = {value for family in text_string_to_metric_families(metrics.text().decode())
              for sample in family.samples for value in sample.labels.values()}  # fmt: skip
    assert "pbx" in labels and "lookup" in labels
    assert [one for one in labels for chosen in ("secret-call-id", "<script", "EVIL", "1555") if chosen in one] == []
    assert not metrics._open


def test_trunks_and_processes_are_asked_when_prometheus_asks() -> None:
    metrics = made()
    assert value(metrics, "sipgw_live_calls", trunk="pbx") == 2
    assert value(metrics, "sipgw_trunk_registered", trunk="pbx") == 1
    assert value(metrics, "sipgw_trunk_up", trunk="pbx") == 1
    assert value(metrics, "process_resident_memory_bytes") > 1e6
    assert value(metrics, "sipgw_media_process_resident_memory_bytes", process="1") > 1e6
    assert [value(metrics, "sipgw_media_process_up", process=number) for number in "12"] == [1, 0]
    assert [value(metrics, "sipgw_media_process_calls", process=number) for number in "12"] == [2, 0]
    assert value(metrics, "sipgw_media_process_delay_seconds", process="1") == 0.01


def test_the_headroom_is_told_once_it_is_known() -> None:
    metrics = Metrics(list, room=lambda: (None, {}))
    assert "sipgw_headroom_calls" not in metrics.text().decode()
    metrics = Metrics(list, room=lambda: (40, {"gateway": 0.5, "media 1": 0.25}))
    assert value(metrics, "sipgw_headroom_calls") == 40
    assert value(metrics, "sipgw_busy_ratio", process="media 1") == 0.25


@pytest.mark.faults("A5")
def test_dropped_messages_are_counted_by_what_was_wrong() -> None:
    metrics = Metrics(list, dropped=lambda: {"oversized": 3, "stray responses": 1})
    assert value(metrics, "sipgw_sip_dropped_total", why="oversized") == 3
    assert value(metrics, "sipgw_sip_dropped_total", why="stray responses") == 1


def test_an_empty_gateway_and_a_dead_media_process_have_metrics_too() -> None:
    metrics = Metrics(list, media=lambda: [ProcessState(1, 2**22 + 1, 0, 0.0)])
    assert b"sipgw_build_info" in metrics.text()
    metrics.watch(CallEnded("never began", NOW, Disposition("failed", ""), {}))
    assert b'ending="failed"' not in metrics.text()


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b"SIP/2.0 486 Busy\r\nVia: x\r\nCSeq: 1 INVITE\r\n\r\n", ("INVITE", "486")),
        (b"SIP/2.0 200 OK\r\ncseq :\r\nCSEQ: 7 bye\r\n\r\n", ("BYE", "200")),
        (b"SIP/2.0 999 Odd\r\nCSeq: 1 INVITE\r\n\r\n", ("INVITE", "other")),
        (b"SIP/2.0 \xff\r\n\r\n", ("other", "other")),
        (b"SIP/2.0", ("other", "other")),
    ],
)
def test_responses_are_counted_by_what_they_answer(data: bytes, labels: tuple[str, str]) -> None:
    metrics = made()
    metrics.trace(Traced("out", Peer("udp", "192.0.2.1", 5060), data, 0.0))
    assert value(metrics, "sipgw_sip_responses_total", direction="out", method=labels[0], status=labels[1]) == 1


def test_requests_are_counted() -> None:
    metrics = made()
    for data in (b"INVITE sip:a SIP/2.0\r\n\r\n", b"", b"\0\xff GET / HTTP/1.1"):
        metrics.trace(Traced("in", Peer("udp", "192.0.2.1", 5060), data, 0.0))
    assert value(metrics, "sipgw_sip_requests_total", direction="in", method="INVITE") == 1
    assert value(metrics, "sipgw_sip_requests_total", direction="in", method="other") == 2


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    metrics = made()
    hold(metrics)
    for data in (b"INVITE sip:a SIP/2.0\r\n\r\n", b"SIP/2.0 486 Busy\r\nVia: x\r\nCSeq: 1 INVITE\r\n\r\n"):
        metrics.trace(Traced("in", Peer("udp", "192.0.2.1", 5060), data, 0.0))
    there = {name: {label for label, _ in labels} for name, labels in values(metrics)}
    dashboard = json.loads((Path(__file__).parents[2] / "docker/grafana/sipgw.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(asked) > 25
    used = set()
    for expression in asked:
        names = re.findall(r"\b(?:sipgw|process)_[a-z_]+", expression)
        assert names
        used.update(names)
        for name in names:
            assert name in there, f"{name} in {expression}"
            for label in re.findall(r"by \(([a-z, ]+)\)", expression):
                assert set(label.split(", ")) <= there[name], expression
    ours = {re.sub("_(bucket|sum|count|created|total)$", "", name) for name in there if name.startswith("sipgw_")}
    shown = {re.sub("_(bucket|sum|count|total)$", "", name) for name in used}
    forgotten = {name for name in ours - shown if not name.startswith("sipgw_media_process")}
    assert not forgotten, "metrics that the dashboard does not show"
