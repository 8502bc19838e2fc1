"""Gates of recording: what it costs a packet, with a disk that is quiet and one kept busy; and that all is there."""

import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from media.g711 import RATE
from media.recording.stereo import Recording
from media.recording.wav import HEADER
from tests.bench.gate import Gate, percentile
from tests.bench.media import CALLS, P99_GOAL, SECONDS, run_calls
from tests.bench.rtp_load import TONE

AREA = "media"
COST_GOAL = 0.15
"""Milliseconds of CPU per call-second that recording may add."""
HAMMER = "while :; do dd if=/dev/zero of=$0/load bs=1M count=64 conv=fsync; done"


@contextlib.contextmanager
def busy_disk(folder: str) -> Iterator[None]:
    """Write to the same disk as fast as it takes it, and wait for it each 64 MB."""
    hammer = subprocess.Popen(["sh", "-c", HAMMER, folder], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        subprocess.run(["kill", "--", f"-{hammer.pid}"], check=False)
        hammer.wait()


def cost() -> Gate:
    """Milliseconds of the pacing thread for a second of a recorded call, the best of five."""
    best = float("inf")
    for _ in range(5):
        recording, began = Recording(), time.process_time()
        for slot in range(100 * 50):
            recording.caller(TONE)
            recording.agent(TONE)
            recording.take(slot)
        best = min(best, (time.process_time() - began) * 1000 / 100)
    figures = f"{best:.2f} ms per call-second"
    return Gate(AREA, "a recorded call, CPU on the pacing thread", figures, f"<= {COST_GOAL}", best <= COST_GOAL)


def gates() -> Iterator[Gate]:
    """Measure everything; a run with recording is judged beside one without, for the disk costs time by itself."""
    yield cost()
    for busy in (False, True):
        with tempfile.TemporaryDirectory(dir=".") as folder, tempfile.TemporaryDirectory(dir=".") as other:
            with busy_disk(other) if busy else contextlib.nullcontext():
                plain = percentile(asyncio.run(run_calls()).errors, 0.99)
                load = asyncio.run(run_calls(record=folder))
            lengths = [(path.stat().st_size - HEADER) / 2 / RATE for path in Path(folder).glob("*.wav")]
        p50, p99, worst = (percentile(load.errors, q) for q in (0.5, 0.99, 1.0))
        lost, shortest = load.lost_out + load.lost_in + load.broken, min(lengths, default=0.0)
        name = f"{CALLS} calls, all recorded" + (", disk busy" if busy else "")
        figures = f"p50 {p50:.2f} p99 {p99:.2f} max {worst:.2f} ms (not recorded: p99 {plain:.2f}), {lost} packets lost"
        goal = f"p99 < {P99_GOAL:.0f} ms or at most 1 ms more than not recorded, 0 lost"
        yield Gate(AREA, f"{name}: send-time error", figures, goal, p99 < max(P99_GOAL, plain + 1) and not lost)
        met = len(lengths) == CALLS and shortest >= SECONDS
        yield Gate(AREA, f"{name}: files", f"{len(lengths)}, the shortest {shortest:.1f} s", f"{CALLS}", met)
