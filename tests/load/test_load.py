"""The load tool: its arithmetic by itself, and a small load on a real gateway."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from media import rtp
from media.g711 import FRAME, SILENCE
from sipgw.cli.main import app
from sipgw.load.plan import Level, Step, ramp, shared
from sipgw.load.process import usage
from sipgw.load.report import html, plot, rows
from sipgw.load.run import LoadError, Outcome, check_target
from sipgw.load.stream import Grid, Stream, Tally, wall
from sipgw.load.tally import Spread, percentile
from sipgw.load.worker import Window

LOUD = bytes([0x10]) * FRAME
runner = CliRunner()


def packet(number: int, payload: bytes = SILENCE) -> rtp.Packet:
    return rtp.Packet(0, False, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, 7, payload)


def test_a_packet_is_late_against_the_grid_of_its_timestamps() -> None:
    grid = Grid(100.0, packet(65_500))
    for number in range(65_501, 65_700):
        assert grid.arrived(100.0 + (number - 65_500) * 0.02, packet(number))[1] == pytest.approx(0, abs=1e-6)
    steps, late, silence = grid.arrived(100.0 + 200 * 0.02 + 0.007, packet(65_700))
    assert (steps, round(late, 4), round(silence, 4)) == (1, 0.007, 0.027)
    assert grid.arrived(100.0 + 203 * 0.02, packet(65_703))[0] == 3, "two were lost"
    assert grid.arrived(104.1, packet(65_702))[0] <= 0, "out of order"


def test_the_caller_waits_speaks_and_measures_the_answer() -> None:
    tally = Tally()
    stream = Stream("127.0.0.1", [LOUD] * 3, tally)
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


def test_percentiles_and_spreads() -> None:
    assert percentile([], 0.95) == 0
    assert percentile(list(range(100)), 0.95) == 95
    spread = Spread.of([0.00005] * 98 + [-0.0019, 0.004])
    assert (spread.percentile(0.5), spread.percentile(0.99), spread.percentile(1)) == (0.1, 2.0, 5.0)
    spread.add(Spread.of([9.0] * 100).counts)
    assert spread.percentile(0.9) == 1000.0


def test_a_ramp_ends_at_its_goal() -> None:
    assert ramp(45) == [10, 20, 40, 45]
    assert ramp(5) == [5]
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
    ],
)
def test_what_breaks_the_service_level_is_named(window: Window, says: str) -> None:
    step = Step(10, held=window.held)
    step.add(window, settled=True)
    assert "; ".join(LEVEL.broken(step)).startswith(says)
    assert bool(LEVEL.broken(step)) == bool(says)


def test_only_steps_in_which_nothing_broke_count_as_held() -> None:
    steps = [Step(10, 10), Step(15, 15), Step(22, 22)]
    assert Outcome(steps).held == 22
    assert Outcome(steps, ["turn latency"]).held == 15
    assert Outcome(steps[:1], ["turn latency"]).held == 0


def test_the_page_is_whole_and_takes_nothing_from_elsewhere() -> None:
    points: list[dict[str, Any]] = [
        {"held": 1, "turn": None, "setup": 3.0, "cpu": 0.1, "generator": 0.1, "lost": 0},
        {"held": 2, "turn": 300.0, "setup": None, "cpu": 0.2, "generator": 0.1, "lost": 0},
    ]
    outcome = Outcome([Step(10, 10, memory=2**20), Step(20, 20, memory=2**21)], seconds=points)
    page = html(outcome, "against <x>")
    assert "&lt;x&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 6
    assert rows(outcome)[1]["memory_kib_per_call"] == 102
    assert 'points=""' in plot("nothing", [None], "")


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
        (["--config", "nowhere.toml"], "cannot read nowhere.toml"),
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
    assert check_target("sip:x@127.0.0.1", own=False) == "127.0.0.1"


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


def test_a_host_that_does_not_answer_breaks_the_level() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as closed:
        closed.bind(("127.0.0.1", 0))
        target = f"sip:x@127.0.0.1:{closed.getsockname()[1]};transport=tcp"
        ran = runner.invoke(app, ["load", "--target", target, "--calls", "1", "--seconds", "2", "--json"])
    assert ran.exit_code == 1, ran.output
    assert "calls failed" in json.loads(ran.output)["broken"][0]
