"""100 calls at the same time while both gateways behind Kamailio are drained and started again: how many are lost?"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.gate import Gate
from tests.interop.rolling import deploy

CALLS, RATE, SECONDS = 450, 5.0, 20.0
"""5 new calls a second that last 20 s each are 100 at the same time; 450 of them last as long as both drains."""


def gates() -> Iterator[Gate]:
    with tempfile.TemporaryDirectory() as folder:
        done = deploy(Path(folder), CALLS, RATE, SECONDS)
    good, bad, why, *_ = done.counts
    if bad:
        print(why, file=sys.stderr)
    drained = " and ".join(f"{seconds:.0f} s" for seconds in done.drained)
    name = (
        f"calls lost of {CALLS}, {RATE * SECONDS:.0f} at a time, both gateways drained (within {drained}) and restarted"
    )
    yield Gate("cluster", name, f"{bad} lost, {good} well", "0", bad == 0 and good == CALLS)
