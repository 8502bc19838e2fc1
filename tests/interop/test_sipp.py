"""SIPp, the field's traffic generator, against our user agent with media off."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parent / "sipp"


@pytest.fixture(scope="module")
def port():
    command = [sys.executable, "-m", "tests.interop.autoanswer", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().split()[1]
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()


def sipp(port: str, folder: Path, *options: str) -> str:
    """Run SIPp; every call must succeed. Returns its last screen."""
    screen = folder / "screen.txt"
    command = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-nostdin", "-timeout", "60", "-timeout_error"]
    command += ["-trace_screen", "-screen_file", str(screen), *options]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    return screen.read_text()


def test_two_hundred_calls_at_50_a_second_need_no_retransmission(port: str, tmp_path: Path) -> None:
    screen = sipp(port, tmp_path, "-sn", "uac", "-r", "50", "-m", "200", "-d", "500")
    rows = re.findall(r"(?:-->|<--)(?:-)*\s+(?:\w-RTD\d+)?\s*\d+\s+(\d+)", screen)
    assert len(rows) >= 6, screen
    assert all(retransmissions == "0" for retransmissions in rows), screen


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-lost", "5", "-r", "20", "-m", "100"), id="5 % lost both ways"),
        pytest.param(("-t", "t1", "-r", "50", "-m", "100"), id="one TCP connection"),
        pytest.param(("-t", "tn", "-max_socket", "60", "-r", "50", "-m", "100"), id="a TCP connection per call"),
    ],
)
def test_calls_succeed(port: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    sipp(port, tmp_path, "-sn", "uac", "-d", "300", *options)
