"""Stops without dropping a call: new calls are refused, running calls may end within a limit."""

import asyncio
import contextlib
from collections.abc import Callable

from sipgw.calls.registry import CallRegistry

GOODBYE = 10.0
"""Seconds for the agents' goodbye after the limit; then the calls are hung up."""
POLL = 0.25
"""Seconds between checks of the number of calls."""
LINGER = 2.0
"""Seconds that the sockets stay open after the last call: a peer that missed our answer to its BYE repeats the BYE
after half a second, and after one more (RFC 3261 §17.1.2.2)."""


async def drain(calls: CallRegistry, limit: float, hurry: asyncio.Event, say: Callable[[int], None]) -> int:
    """Wait until no call is left, `hurry` is set, or the goodbyes after `limit` seconds are over. Returns the number of
    calls that are left. `say` gets the number of calls at each change. After the last call it waits for `LINGER`.

    The gateway must have been told to `turn_away` new calls.
    """
    there = len(calls)
    left = await _left(calls, limit, hurry, say)
    if left and limit and not hurry.is_set() and calls.dismiss_all():
        left = await _left(calls, GOODBYE, hurry, lambda _: None)
    if there and not left:
        await _waited(LINGER, hurry)
    return left


async def _left(calls: CallRegistry, limit: float, hurry: asyncio.Event, say: Callable[[int], None]) -> int:
    """Wait until no call is left, for `limit` seconds, or until `hurry` is set; returns the number of calls that are
    left."""
    told, loop = 0, asyncio.get_running_loop()
    until = loop.time() + limit
    while left := len(calls):
        if left != told:
            say(left)
            told = left
        if not await _waited(min(POLL, until - loop.time()), hurry):
            break
    return left


async def _waited(seconds: float, hurry: asyncio.Event) -> bool:
    """Wait for `seconds`. Returns False as soon as `hurry` is set, or if `seconds` is not positive."""
    if seconds <= 0:
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hurry.wait()
    return not hurry.is_set()
