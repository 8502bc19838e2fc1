"""SIPp, the field's traffic generator, against our user agent with media off."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import HANG, SIPP_LIMIT

pytestmark = pytest.mark.programs("sipp")

SCENARIOS = Path(__file__).parent / "sipp"


def agent(module: str, *arguments: str) -> Iterator[str]:
    """The port of a user agent of ours that runs until the generator is closed."""
    command = [sys.executable, "-m", f"tests.interop.{module}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().split()[1]
        process.terminate()
        assert process.wait(HANG) == 0
    finally:
        process.kill()


@pytest.fixture(scope="module")
def port():
    yield from agent("autoanswer", "0")


@pytest.fixture(scope="module")
def guarded():
    """It knows one account, and challenges by MD5 alone: SIPp can no SHA-256, and looks at one challenge only."""
    yield from agent("guarded", "MD5")


def sipp(port: str, folder: Path, *options: str) -> str:
    """Run SIPp; every call must succeed. Returns its last screen."""
    screen = folder / "screen.txt"
    command = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-nostdin", "-timeout", SIPP_LIMIT, "-timeout_error"]
    command += ["-trace_screen", "-screen_file", str(screen), *options]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG, check=False)
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


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_who_has_an_account_proves_it(guarded: str, tmp_path: Path, transport: str) -> None:
    scenario, uri = str(SCENARIOS / "challenged.xml"), f"agent@127.0.0.1:{guarded}"
    more = ("-i", "127.0.0.2", "-sf", scenario, "-auth_uri", uri, "-t", transport)
    sipp(guarded, tmp_path, *more, "-r", "20", "-m", "20")
