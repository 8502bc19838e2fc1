"""CPU of the media process with its packet path in C and in Python, beside the bare system calls of the same minute."""

import asyncio
from collections.abc import Iterator

from media.fast import why_not
from tests.bench.gate import Gate
from tests.bench.media import CALLS, FULL, floor, run_calls

AREA = "fast"
GOAL = 1.5
"""Times the bare system calls."""


def cost(calls: int, *, native: bool, kept: bool) -> float:
    """CPU milliseconds per call-second."""
    return asyncio.run(run_calls(calls, kept=kept, fast=native)).cpu


def gates() -> Iterator[Gate]:
    """Each figure between two of the bare system calls."""
    if why := why_not():
        yield Gate(AREA, "the packet path in C", why, "used", met=False)
        return
    for calls in (CALLS, FULL):
        for kept in (False, True):
            before = floor(calls)
            ours, python = cost(calls, native=True, kept=kept), cost(calls, native=False, kept=kept)
            bare = (before + floor(calls)) / 2
            figures = f"{ours:.2f} ms per call-second, in Python {python:.2f}, the bare system calls {bare:.2f}"
            name = f"{calls} calls, {'packets' if kept else 'nothing'} kept: CPU of the media process"
            yield Gate(AREA, name, f"{ours / bare:.2f} times ({figures})", f"<= {GOAL} times", ours <= GOAL * bare)
