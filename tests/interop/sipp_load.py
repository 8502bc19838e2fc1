"""Many callers at once, by SIPp, which counts what they noticed."""

import contextlib
import csv
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.interop.scenario import invite, reply, request, scenario
from tests.waiting import HANG

ROUTED = "[routes]"
NAMES = RANG, ANSWERED, WELL, TOLD = "rang", "answered", "over", "hung_up_on"


class Counts(NamedTuple):
    """How many calls ended as they were meant to, and how many did not."""

    good: int
    bad: int
    log: str
    """Why."""
    every: frozenset[str]
    """The Call-IDs of all that were to be made."""
    noticed: frozenset[str]
    """The Call-IDs of those that rang or were answered."""
    answered: frozenset[str]
    """The Call-IDs of those that were answered."""
    well: frozenset[str]
    """The Call-IDs of those that ended as they were meant to."""
    told: frozenset[str]
    """The Call-IDs of those that the other side hung up."""


class Load:
    """SIPp that runs."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], calls: int) -> None:
        self._calls = calls
        self._folder = folder
        self._process = process

    def counts(self, seconds: float = HANG) -> Counts:
        """What came of it, once it is over."""
        self._process.wait(seconds)
        with (self._folder / "stat.csv").open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        errors = self._folder / "errors.log"
        log = errors.read_text()[-3000:] if errors.exists() else ""
        lines = [line.split() for line in (self._folder / "calls.log").read_text().splitlines()]
        rang, answered, well, told = (frozenset(call for what, call in lines if what == name) for name in NAMES)
        good, bad = int(last["SuccessfulCall(C)"]) - len(told), int(last["FailedCall(C)"]) + len(told)
        every = frozenset(f"{number}-{self._process.pid}@127.0.0.1" for number in range(1, self._calls + 1))
        return Counts(good, bad, log, every, rang | answered, answered, well, told)


@contextlib.contextmanager
def load(
    folder: Path,
    port: int,
    calls: int,
    rate: float,
    seconds: float,
    patience: float = HANG,
    options: Sequence[str] = (),
) -> Iterator[Load]:
    """`calls` callers, `rate` new ones a second, each of which hangs up after `seconds`.

    Whoever hears nothing for `patience` seconds gives up. `options` are SIPp's.
    """
    folder.mkdir()
    answered = (
        '<recv response="100" optional="true"/>'
        f'<recv response="180" optional="true"><action>{_note(RANG)}</action></recv>'
        '<recv response="200" rrs="true"><action>'
        f'<ereg regexp=".*" search_in="hdr" header="To:" assign_to="them"/>{_note(ANSWERED)}</action></recv>'
    )
    # By its transaction: else a doubled 200 to the INVITE counts as the answer to a BYE that was lost.
    bye = request("BYE", 2, ROUTED).replace("<send", '<send start_txn="bye"', 1)
    talking = f'<recv request="BYE" timeout="{seconds * 1000:.0f}" ontimeout="1"><action>{_note(TOLD)}</action></recv>'
    steps = scenario(
        invite(), answered, request("ACK", 1, ROUTED),
        talking, reply(200, "OK").replace("<send>", '<send next="2">'),
        '<label id="1"/>', bye, f'<recv response="200" response_txn="bye"><action>{_note(WELL)}</action></recv>',
        '<label id="2"/>',
    )  # fmt: skip
    (folder / "calls.xml").write_text(steps)
    command = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-nostdin", "-sf", "calls.xml", "-m", str(calls)]
    command += ["-r", str(rate), "-l", str(calls), "-trace_stat", "-stf", "stat.csv", "-fd", "1"]
    command += [
        "-trace_err",
        "-error_file",
        "errors.log",
        "-trace_logs",
        "-log_file",
        "calls.log",
        "-deadcall_wait",
        "0",
    ]
    command += ["-timeout", f"{calls / rate + seconds + HANG:.0f}"]
    # A 100 that comes twice, because the INVITE did on a busy machine, is no reason to end a call.
    command += ["-default_behaviors", "all,-abortunexp", "-recv_timeout", f"{patience * 1000:.0f}"]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([*command, *options], cwd=folder, stdout=out, stderr=out)
    try:
        yield Load(folder, process, calls)
    finally:
        process.kill()
        process.wait(HANG)


def _note(what: str) -> str:
    return f'<log message="{what} [call_id]"/>'
