"""The garbage of a process that must not stand still: cycles are looked for when nobody is in a call.

CPython's full collection looks at every object there is, which takes longer than a turn may be late: the modules of a
gateway alone are a quarter of a million. So what there is at the start is left out for good, and a full collection
waits for a moment without calls. Objects without cycles, nearly all, are freed at once as ever.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable

PAUSE = 60.0
"""Seconds between two looks."""
PATIENCE = 30
"""Looks that found calls, after which it is done in spite of them: what leaks must not grow without bounds."""


@contextlib.asynccontextmanager
async def when_quiet(busy: Callable[[], object]) -> AsyncIterator[None]:
    """Collect only while not `busy`, until the block ends."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(before[0], before[1], 1_000_000)  # the youngest two generations are small
    looking = asyncio.get_running_loop().create_task(_look(busy), name="garbage")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait((looking,))
        gc.set_threshold(*before)
        gc.unfreeze()


async def _look(busy: Callable[[], object]) -> None:
    waited = 0
    while True:
        await asyncio.sleep(PAUSE)
        waited += 1
        if not busy() or waited >= PATIENCE:
            gc.collect()
            waited = 0
