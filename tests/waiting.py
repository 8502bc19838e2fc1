"""Waiting in tests that run over real sockets and processes."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until `true()` holds; a test that waits in vain fails after `seconds`, which a busy machine may need."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)
