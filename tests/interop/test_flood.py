"""Calls of a trunk go on while strangers send 5,000 datagrams a second."""

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs("sipp")


@dataclass
class Flooded:
    """What became of SIPp's calls meanwhile, and of the user agent."""

    failed: int
    succeeded: int
    resent: int
    sent: int
    """Datagrams of the flood."""
    agent: dict[str, object]


def flooded(seconds: int, sources: int, rate: int = 5000, calls: int = 20) -> Flooded:
    """SIPp's `uac`, `calls` a second of 1 s each, beside a flood of as many seconds."""
    command = [sys.executable, "-m", "tests.interop.guarded"]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        port = agent.stdout.readline().split()[1]
        flood = [sys.executable, "-m", "tests.interop.flood", port, str(rate), str(seconds), str(sources)]
        screen = Path(folder) / "screen.txt"
        options = ["-sn", "uac", "-r", str(calls), "-m", str(calls * seconds), "-d", "1000", "-nostdin"]
        options += ["-trace_screen", "-screen_file", str(screen)]
        with subprocess.Popen(flood, stdout=subprocess.PIPE, text=True) as flooding:
            subprocess.run(["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", *options], capture_output=True, check=False)
            assert flooding.stdout
            sent = int(flooding.stdout.read())
        agent.terminate()
        figures = json.loads(agent.stdout.read().splitlines()[-1])
        text = screen.read_text()
    (failed,) = re.findall(r"Failed call\s+\|\s+\d+\s+\|\s+(\d+)", text)[-1:]
    (succeeded,) = re.findall(r"Successful call\s+\|\s+\d+\s+\|\s+(\d+)", text)[-1:]
    resent = sum(map(int, re.findall(r"(?:-->|<--)-*\s+(?:\w-RTD\d+)?\s*\d+\s+(\d+)", text)))
    return Flooded(int(failed), int(succeeded), resent, sent, figures)


@pytest.mark.parametrize("sources", [1, 1000], ids=["from one address", "from a thousand addresses"])
def test_a_flood_of_strangers_fails_no_call(sources: int) -> None:
    run = flooded(5, sources)
    assert run.failed == 0
    assert run.succeeded == 100
    # Nearly all of it is not even read; what the socket's buffer lost under the load of this machine is not counted.
    assert run.agent["unread"] > 2 * run.agent["read"], run  # type: ignore[operator]
    assert run.agent["mib"] < 120  # type: ignore[operator]
