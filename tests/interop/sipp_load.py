"""Many callers at once, by SIPp, which counts what they noticed."""

import contextlib
import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.interop.scenario import invite, request, response, scenario

ROUTED = "[routes]"
SLACK = 80
"""Seconds that a busy machine may take longer; then SIPp gives up what goes on."""


class Counts(NamedTuple):
    """How many calls ended as they were meant to, and how many did not."""

    good: int
    bad: int
    log: str
    """Why."""


class Load:
    """SIPp that runs."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._process = process

    def counts(self, seconds: float = 60) -> Counts:
        """What came of it, once it is over."""
        self._process.wait(seconds)
        with (self._folder / "stat.csv").open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        errors = self._folder / "errors.log"
        log = errors.read_text()[-3000:] if errors.exists() else ""
        return Counts(int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), log)


@contextlib.contextmanager
def load(folder: Path, port: int, calls: int, rate: float, seconds: float, patience: float = 40) -> Iterator[Load]:
    """`calls` callers, `rate` new ones a second, each of which hangs up after `seconds`.

    Whoever hears nothing for `patience` seconds gives up.
    """
    folder.mkdir()
    answered = (
        '<recv response="100" optional="true"/><recv response="180" optional="true"/>'
        '<recv response="200" rrs="true"><action>'
        '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="them"/></action></recv>'
    )
    steps = scenario(
        invite(), answered, request("ACK", 1, ROUTED), f'<pause milliseconds="{seconds * 1000:.0f}"/>',
        request("BYE", 2, ROUTED), response(200),
    )  # fmt: skip
    (folder / "calls.xml").write_text(steps)
    command = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-nostdin", "-sf", "calls.xml", "-m", str(calls)]
    command += ["-r", str(rate), "-l", str(calls), "-trace_stat", "-stf", "stat.csv", "-fd", "1"]
    command += ["-trace_err", "-error_file", "errors.log"]
    command += ["-timeout", f"{calls / rate + seconds + SLACK:.0f}"]
    # A 100 that comes twice, because the INVITE did on a busy machine, is no reason to end a call.
    command += ["-default_behaviors", "all,-abortunexp", "-recv_timeout", f"{patience * 1000:.0f}"]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        yield Load(folder, process)
    finally:
        process.kill()
        process.wait(10)
