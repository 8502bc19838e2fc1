"""CPU of the media process with its packet path in C and in Python, beside the bare system calls of the same minute."""

import asyncio
from collections.abc import Iterator

from media.fast import why_not
from tests.bench.gate import Gate
from tests.bench.media import CALLS, FULL, floor, run_calls

AREA = "fast"
GOAL = 1.5
"""Times the bare system calls."""
BRIDGED_GOAL = 1.7
"""The same for calls that are bridged two by two."""


def gates() -> Iterator[Gate]:
    """Each figure between two of the bare system calls."""
    if why := why_not():
        yield Gate(AREA, "the packet path in C", why, "used", met=False)
        return
    for calls in (CALLS, FULL):
        yield compared(calls, "nothing kept", GOAL, kept=False)
        yield compared(calls, "packets kept", GOAL, kept=True)
        yield compared(calls, "nothing kept, bridged two by two", BRIDGED_GOAL, kept=False, bridged=True)


def compared(calls: int, name: str, goal: float, *, kept: bool, bridged: bool = False) -> Gate:
    """One kind of calls, with both paths, between two measurements of the bare system calls."""
    before = floor(calls)
    ours, python = (
        asyncio.run(run_calls(calls, kept=kept, bridged=bridged, fast=native)).cpu for native in (True, False)
    )
    bare = (before + floor(calls)) / 2
    figures = f"{ours:.2f} ms per call-second, in Python {python:.2f}, the bare system calls {bare:.2f}"
    name = f"{calls} calls, {name}: CPU of the media process"
    return Gate(AREA, name, f"{ours / bare:.2f} times ({figures})", f"<= {goal} times", ours <= goal * bare)
