"""``sipgw demo``: a recorded human voice, the embedded models, real SIP and RTP; sox reads the recording."""

import json
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from tests.waiting import HANG

pytestmark = pytest.mark.programs("sox")


def test_the_demo_holds_its_conversation(tmp_path: Path) -> None:
    """Recorded human digits, the embedded models, real SIP and RTP: the whole promise of the README."""
    command = [sys.executable, "-m", "sipgw", "demo", "--json", "demo.json", "--wav", "demo.wav"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads((tmp_path / "demo.json").read_text())
    assert report["succeeded"]
    runs = {run["name"]: run for turn in report["turns"] for run in turn["tools"]}
    assert runs["get_order_status"]["arguments"] == {"order_number": "7346"}
    number = runs["schedule_callback"]["arguments"]["phone_number"]
    assert SequenceMatcher(None, number, "4155550123").ratio() > 0.8, "a busy machine may hear a digit too few"
    assert "hang_up" in runs
    interrupted = [turn for turn in report["turns"] if turn["interrupted"]]
    assert interrupted
    assert all(turn["said"].startswith(turn["heard"].removesuffix(" —")[:20]) for turn in interrupted)
    assert all(turn["latency_ms"]["total"] > 0 for turn in report["turns"] if turn["caller"] and turn["said"])
    info = subprocess.run(["soxi", "demo.wav"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "Channels       : 2" in info
    for channel in ("1", "2"):
        options = ["demo.wav", "-n", "remix", channel, "stat"]
        stat = subprocess.run(["sox", *options], cwd=tmp_path, capture_output=True, text=True, check=True).stderr
        level = float(next(line for line in stat.splitlines() if "RMS     amplitude" in line).split()[-1])
        assert 0.005 < level < 0.3
