"""The load tool: its arithmetic by itself, and a small load on a real gateway."""

import asyncio
import contextlib
import io
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from media.g711 import FRAME, SILENCE, ULAW_TO_ALAW
from media.rtp import packet as rtp
from sipgw.cli.main import app
from sipgw.tools.load import command
from sipgw.tools.load.distribution import Distribution, percentile
from sipgw.tools.load.plan import Level, LoadStep, ramp, shared
from sipgw.tools.load.process import usage
from sipgw.tools.load.report import held, html, plot, rows
from sipgw.tools.load.run import LoadError, LoadOutcome, LoadPlan, Progress, check_target, run
from sipgw.tools.load.stream import LoadStream, PacketGrid, StreamCounts, wall
from sipgw.tools.load.worker import Window

LOUD = bytes([0x10]) * FRAME
runner = CliRunner()


def packet(number: int, payload: bytes = SILENCE) -> rtp.Packet:
    return rtp.Packet(0, False, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, 7, payload)


def test_a_packet_is_late_against_the_grid_of_its_timestamps() -> None:
    grid = PacketGrid(100.0, packet(65_500))
    for number in range(65_501, 65_700):
        assert grid.arrived(100.0 + (number - 65_500) * 0.02, packet(number))[1] == pytest.approx(0, abs=1e-6)
    steps, late, silence = grid.arrived(100.0 + 200 * 0.02 + 0.007, packet(65_700))
    assert (steps, round(late, 4), round(silence, 4)) == (1, 0.007, 0.027)
    assert grid.arrived(100.0 + 203 * 0.02, packet(65_703))[0] == 3, "two were lost"
    assert grid.arrived(104.1, packet(65_702))[0] <= 0, "out of order"


def test_the_caller_waits_speaks_and_measures_the_answer() -> None:
    tally = StreamCounts()
    stream = LoadStream("127.0.0.1", [LOUD] * 3, tally)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(2)
        stream.connect(far.getsockname())
        stream._heard_at = wall() - 1.0
        sent = []
        for _ in range(4):
            stream.beat()
            parsed = rtp.parse(far.recv(2048))
            assert parsed is not None
            sent.append(parsed.payload)
    assert sent == [LOUD, LOUD, LOUD, SILENCE]
    ended = stream._ended_at
    stream._arrived(ended + 0.2, packet(1))
    assert tally.latencies == [], "silence is no answer"
    stream._arrived(ended + 0.4, packet(2, LOUD))
    stream._arrived(ended + 0.42, packet(3, LOUD))
    assert tally.latencies == [pytest.approx(0.4)]
    assert stream._wants_to_speak(ended + 0.5) is False
    assert stream._wants_to_speak(ended + 1.1) is True
    stream.close()


def test_a_law_that_was_agreed_on_is_sent_and_heard() -> None:
    tally = StreamCounts()
    stream = LoadStream("127.0.0.1", [LOUD], tally)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(2)
        stream.connect(far.getsockname(), "PCMA", 8)
        stream.beat()
        sent = rtp.parse(far.recv(2048))
    assert sent is not None
    assert (sent.payload_type, sent.payload) == (8, SILENCE.translate(ULAW_TO_ALAW))
    stream._heard_at = 0.0
    stream._arrived(stream._ended_at + 0.3, packet(1, SILENCE.translate(ULAW_TO_ALAW)))
    assert tally.latencies == [], "silence of A-law is silence"
    stream._arrived(stream._ended_at + 0.4, packet(2, LOUD.translate(ULAW_TO_ALAW)))
    assert tally.latencies == [pytest.approx(0.4)]
    stream.close()


def test_percentiles_and_spreads() -> None:
    assert percentile([], 0.95) is None
    assert percentile(list(range(1, 101)), 0.95) == 95, "95 of 100 are no more"
    assert percentile([1.0] * 19 + [9.0], 0.95) == 1.0
    assert (percentile([7.0], 0.0), percentile([1.0, 2.0], 0.5), percentile([1.0, 2.0], 1.0)) == (7.0, 1.0, 2.0)
    spread = Distribution.of([0.00005] * 98 + [-0.0019, 0.004])
    assert (spread.percentile(0.5), spread.percentile(0.99), spread.percentile(1)) == (0.1, 2.0, 5.0)
    spread.add(Distribution.of([9.0] * 100).counts)
    assert spread.percentile(0.9) == 1000.0


@pytest.mark.parametrize(
    ("most", "holds", "tried", "held"),
    [
        (45, 45, [10, 20, 40, 45], 45),
        (5, 5, [5], 5),
        (1000, 430, [10, 20, 40, 80, 160, 320, 640, 480, 400, 440], 400),
        (1000, 25, [10, 20, 40, 30, 25, 27], 25),
        (1000, 3, [10], 0),
    ],
)
def test_a_ramp_finds_how_many_calls_hold(most: int, holds: int, tried: list[int], held: int) -> None:
    outcome = LoadOutcome()
    for calls in ramp(most, outcome.steps):
        outcome.steps.append(LoadStep(calls, calls, broken=["too many"] if calls > holds else []))
    assert ([step.wanted for step in outcome.steps], outcome.held) == (tried, held)
    assert outcome.broken == (["too many"] if holds < most else [])


def test_calls_are_shared() -> None:
    assert shared(7, 3) == [3, 2, 2]


LEVEL = Level(turn=1.0, setup=0.5, loss=0.01, gap=0.2)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (Window(held=10, latencies=[0.9] * 20, setups=[0.1], received=1000), ""),
        (Window(held=10, latencies=[0.9] * 18 + [1.5] * 2), "turn latency p95 1500 ms"),
        (Window(held=10, setups=[0.7] * 3), "set-up p95 700 ms"),
        (Window(held=10, received=900, lost=100), "10.0% of the packets lost"),
        (Window(held=10, gap=0.3), "silence of 300 ms"),
        (Window(held=10, latencies=[0.1] * 9, unanswered=1), "1 turns without an answer"),
        (Window(held=10, failures=["network: 503"]), "1 calls failed: network: 503"),
        (Window(held=9), "only 9 of 10 calls were up"),
        (Window(held=10, setups=[0.1]), "no sound came"),
        (Window(held=10, setups=[0.1], received=1000), "no turn was answered"),
    ],
)
def test_what_breaks_the_service_level_is_named(window: Window, says: str) -> None:
    step = LoadStep(10, held=window.held)
    step.add(window, settled=True)
    assert "; ".join(LEVEL.broken(step)).startswith(says)
    assert bool(LEVEL.broken(step)) == bool(says)


def test_only_steps_in_which_nothing_broke_count_as_held() -> None:
    steps = [LoadStep(10, 10), LoadStep(15, 15), LoadStep(22, 22)]
    assert (LoadOutcome(steps).held, LoadOutcome(steps).broken) == (22, [])
    steps += [LoadStep(40, 39, broken=["set-up"]), LoadStep(30, 30, broken=["turn latency"]), LoadStep(26, 26)]
    assert LoadOutcome(steps).held == 26
    assert LoadOutcome(steps).broken == ["turn latency"], "with the fewest calls with which something did"
    assert LoadOutcome([LoadStep(10, broken=["set-up"])]).held == 0


def test_calls_held_are_told_for_each_core_too() -> None:
    outcome = LoadOutcome(
        [LoadStep(10, 10, cpu=0.1), LoadStep(20, 20, cpu=0.25), LoadStep(40, 38, cpu=0.9, broken=["turn latency"])]
    )
    assert held(outcome) == "20 calls held, 80 for each core that the gateway took"
    assert held(LoadOutcome([LoadStep(10, 10)])) == "10 calls held"


def test_a_ramp_ends_where_the_level_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.asynccontextmanager
    async def process(*_: str) -> AsyncIterator[None]:
        yield

    async def window(*_: object) -> Window:
        return Window()

    async def measured(step: LoadStep, *_: object) -> None:
        step.held, step.setups, step.received = step.wanted, [0.1], 1000
        step.latencies = [0.4 if step.wanted < 20 else 9.0] * 20

    for name, acts in (("_process", process), ("_window", window), ("_step", measured)):
        monkeypatch.setattr(f"sipgw.tools.load.run.{name}", acts)
    plan = LoadPlan((10, 20, 40), target="sip:x@127.0.0.1")
    outcome = asyncio.run(run(plan, "127.0.0.1", lambda step, left: None))
    assert [step.wanted for step in outcome.steps] == [10, 20]
    assert outcome.held == 10 and outcome.broken == ["turn latency p95 9000 ms > 1500 ms"]


def test_the_page_is_whole_and_takes_nothing_from_elsewhere() -> None:
    points: list[dict[str, Any]] = [
        {"held": 1, "turn": None, "setup": 3.0, "cpu": 0.1, "generator": 0.1, "lost": 0},
        {"held": 2, "turn": 300.0, "setup": None, "cpu": 0.2, "generator": 0.1, "lost": 0},
    ]
    outcome = LoadOutcome([LoadStep(10, 10, memory=2**20), LoadStep(20, 20, memory=2**21)], seconds=points)
    page = html(outcome, "against <x>")
    assert "&lt;x&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 6
    assert rows(outcome)[1]["memory_kib_per_call"] == 102
    assert page.count("<th>") == len(rows(outcome)[0]), "a line for each figure, a column for each step"
    assert 'points=""' in plot("nothing", [None], "")
    assert '<circle cx="44.0" cy="24.0"' in plot("one second only", [5.0, None], "ms")


@pytest.mark.faults("H22")
def test_a_plot_has_axes_with_figures() -> None:
    drawn = plot("CPU", [0.0, 1.0, 4.0, 2.0, 1.0], "cores")
    assert re.findall(r'text-anchor="end">([^<]+)', drawn) == ["0", "2", "4"]
    assert re.findall(r'text-anchor="middle">([^<]+)', drawn) == ["0 s", "1 s", "2 s", "3 s", "4 s"]
    assert ">cores</text>" in drawn


def test_the_usage_of_this_process() -> None:
    import os

    used = usage(os.getpid())
    assert used.cpu > 0
    assert used.memory > 10**6
    assert used.media_cpu == 0
    assert usage(2**22 + 1) == (0.0, 0, 0.0, 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say one of --media-only, --config FILE and --target URI"),
        (["--target", "sip:x@192.0.2.7"], "192.0.2.7 is a public address; with --i-own-this-host"),
        (["--target", "sip:x@nowhere.invalid"], "nowhere.invalid: "),
        (["--target", "mailto:x"], "mailto:x is not a SIP address"),
        (["--target", "sips:x@127.0.0.1", "--ca", "nowhere.pem"], "cannot use the TLS files: No such file"),
        (["--config", "nowhere.toml"], "cannot read nowhere.toml"),
        (["--config", "tests/tools/evaluation/order.toml"], "order.toml:1: name: unknown key 'name'"),
        (["--media-only", "--html", "nowhere/x.html"], "nowhere/x.html cannot be written"),
        (["--media-only", "--calls", "0"], "--calls"),
    ],
)
def test_bad_input_has_exit_status_2(arguments: list[str], says: str) -> None:
    ran = runner.invoke(app, ["load", *arguments])
    assert ran.exit_code == 2, ran.output
    assert says in ran.output


def test_a_public_address_needs_its_owner() -> None:
    with pytest.raises(LoadError):
        check_target("sip:x@192.0.2.7", own=False)
    with pytest.raises(LoadError, match=r"192\.0\.2\.7 is a public address"):
        check_target("sip:x@127.0.0.1;maddr=192.0.2.7", own=False)
    assert check_target("sip:x@127.0.0.1", own=False) == "127.0.0.1"
    assert check_target("sip:x@localhost", own=False) == "127.0.0.1"


@pytest.mark.slow
def test_a_small_load(tmp_path: Path) -> None:
    """Three calls with the parrot: every process, real SIP and RTP. What is fast enough is not judged here."""
    page = tmp_path / "load.html"
    limits = ["--turn-limit", "30", "--setup-limit", "30", "--gap-limit", "30"]
    ran = runner.invoke(
        app,
        [
            "load",
            "--media-only",
            "--calls",
            "3",
            "--seconds",
            "8",
            "--workers",
            "2",
            "--media-processes",
            "2",
            "--json",
            "--html",
            str(page),
            *limits,
        ],
    )
    assert ran.exit_code == 0, ran.output
    (step,) = json.loads(ran.output)["steps"]
    assert step["calls"] == 3
    assert step["turns"] >= 1
    assert step["loss"] < 0.01
    assert step["gateway_cores"] > step["media_cores"] > 0
    assert step["memory_kib_per_call"] > 0
    assert "<svg" in page.read_text()


def test_the_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=200)

    async def test(plan: LoadPlan, host: str, progress: Progress) -> LoadOutcome:
        step = LoadStep(10, held=7, latencies=[0.4], lost=3, cpu=0.5)
        progress(step, 12.0)
        screen.print("")  # a line above makes it draw what it shows
        return LoadOutcome([step])

    monkeypatch.setattr(command, "run", test)
    monkeypatch.setattr(command, "err", screen)
    assert command._watched(LoadPlan((10,)), "127.0.0.1", quiet=False).held == 10
    told = "7 of 10 calls, 1 turns, p95 400 ms, 3 packets lost, gateway 0.50 cores, callers 0.00 cores, 12 s left"
    assert told in screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_one_line_and_status_2() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as closed:
        closed.bind(("127.0.0.1", 0))
        target = f"sip:x@127.0.0.1:{closed.getsockname()[1]};transport=tcp"
        ran = runner.invoke(app, ["load", "--target", target, "--calls", "1", "--seconds", "2", "--json"])
    assert ran.exit_code == 2, ran.output
    assert f"{target}: no call was answered: " in ran.output
    assert len(ran.output.strip().splitlines()) == 1
