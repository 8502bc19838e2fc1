"""Garbage collection without pauses in calls: full collections run while there is no call.

CPython's full collection visits every object and delays a turn too long: the modules of a gateway alone have 250,000
objects. So the objects of the start are frozen (never visited), and a full collection waits for a moment
without calls. Objects without cycles, nearly all, are freed at once as usual.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from functools import partial

from sipgw.sip.boundaries import lasting

PAUSE = 60.0
"""Seconds between two checks for a moment without calls."""
PATIENCE = 30
"""Checks in a row that find calls, after which the collection runs during calls, so that leaks stay bounded."""


@contextlib.asynccontextmanager
async def when_quiet(busy: Callable[[], object]) -> AsyncIterator[None]:
    """Collect only while not `busy`, until the block ends."""
    before, others = gc.get_threshold(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    gc.set_threshold(before[0], before[1], 1_000_000)  # the youngest two generations are small
    looking = asyncio.get_running_loop().create_task(
        lasting(partial(_look, busy), "garbage is not collected"), name="garbage"
    )
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait((looking,))
        gc.set_threshold(*before)
        if not others:  # objects that somebody else froze before stay frozen, and nobody can tell ours from them
            gc.unfreeze()


async def _look(busy: Callable[[], object]) -> None:
    waited = 0
    while True:
        await asyncio.sleep(PAUSE)
        waited += 1
        if not busy() or waited >= PATIENCE:
            gc.collect()
            waited = 0
