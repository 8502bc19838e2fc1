"""How fast calls are played again: ``make bench AREA=tools``.

Seconds of the calls of `tests/data/bundles` by the CPU of their replay, so that other programs do not count.
"""

import time
from collections.abc import Iterator

from sipgw.records.bundles.bundle import read_bundle
from sipgw.tools.replay.run import replay
from tests.bench.gate import Gate
from tests.tools.replay.making import BUNDLES

AREA = "tools"


def gates() -> Iterator[Gate]:
    """Play every bundle; the first one, which imports what the others use, is played before."""
    calls = [read_bundle(path) for path in sorted(BUNDLES.glob("*.call.zip"))]
    replay(calls[0])
    began = time.process_time()
    seconds = sum(replay(call).seconds for call in calls)
    speed = seconds / (time.process_time() - began)
    yield Gate(AREA, f"replay of {len(calls)} calls", f"{speed:.0f} times as fast", ">= 100", speed >= 100)
