"""Tells when the machine itself stood still: ``python -m tests.soak.witness CPU``.

A virtual machine is stopped now and then by the one that it runs in. This process does nothing but ask to be woken
every 10 ms on one CPU, at a priority above that of the media process: when it is woken late, nobody could run there.
It prints the priority that it was granted and, at the end of its input, a JSON list of ``[begin, end]`` in seconds of
the machine's monotonic clock; with less than ``realtime`` lateness says nothing, and the list is empty.
"""

import json
import math
import os
import select
import sys
import time
from collections.abc import Iterable

from media.process.priority import raise_priority

EVERY = 0.01
LATE = 0.01
"""Seconds: what is shorter costs no slot."""
SLOT = 0.02
PRIORITY = 20
"""Above that of the media process."""


def slots(stops: Iterable[tuple[float, float]]) -> int:
    """How many slots one call may have missed: those that each stop covers, on however many CPUs it was noticed."""
    found, until = 0, -math.inf
    for begin, end in sorted(stops):
        if end > until:
            found += math.ceil((end - max(begin, until)) / SLOT)
            until = end
    return found


def main() -> None:
    """Watch until the end of stdin."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    granted = raise_priority(PRIORITY)
    stops: list[tuple[float, float]] = []
    before, over = time.monotonic(), False
    print(granted, flush=True)
    while not over:
        over = bool(select.select([0], [], [], EVERY)[0])
        now = time.monotonic()
        if granted == "realtime" and now - before > EVERY + LATE:
            stops.append((before, now))
        before = now
    print(json.dumps(stops))


if __name__ == "__main__":
    main()
