"""The gateway that has registered with the carrier is killed: how long until another has?"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.gate import Gate
from tests.interop.stack import stack
from tests.waiting import HANG

GOAL = 5.0


def _until(true: Callable[[], object]) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + HANG
        time.sleep(0.01)
    return time.monotonic() - began


def gates() -> Iterator[Gate]:
    with tempfile.TemporaryDirectory() as name, stack(Path(name)) as running:
        world = running.carrier
        _until(lambda: len(world.here) == 1)
        (holder,) = world.here
        running.kill(running.ports.index(holder))
        taken = _until(lambda: world.here - {holder})
    yield Gate(
        "cluster", "registration taken over after kill -9", f"{taken:.1f} s", f"under {GOAL:.0f} s", taken < GOAL
    )
