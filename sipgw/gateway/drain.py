"""Stopping without dropping a call: no new ones are taken, those that run may end, within a limit."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

GOODBYE = 10.0
"""Seconds for the goodbye of the agents whose calls have reached the limit; then they are hung up."""
POLL = 0.25
"""Seconds between looks at the calls."""
LINGER = 2.0
"""Seconds that the sockets stay after the last call: whoever has not heard our answer to its BYE sends it again after
half a second, and after one more (RFC 3261 §17.1.2.2)."""


class Draining(Protocol):
    """A gateway that can be stopped so."""

    def turn_away(self) -> None:
        """Take no new calls: 503 to INVITE and OPTIONS, registrations are given up."""

    def running(self) -> int:
        """How many calls go on."""

    def dismiss(self) -> int:
        """Have the agents say goodbye; returns how many do."""


async def drain(gateway: Draining, limit: float, hurry: asyncio.Event, say: Callable[[int], None]) -> int:
    """Return how many calls are left: when none is, `hurry` is set, or the goodbyes after `limit` seconds are over.

    `say` is told the number of calls whenever it has changed. If there were any it stays for `LINGER` after the last.
    """
    gateway.turn_away()
    there = gateway.running()
    left = await _left(gateway, limit, hurry, say)
    if left and limit and not hurry.is_set() and gateway.dismiss():
        left = await _left(gateway, GOODBYE, hurry, lambda _: None)
    if there and not left:
        await _waited(LINGER, hurry)
    return left


async def _left(gateway: Draining, limit: float, hurry: asyncio.Event, say: Callable[[int], None]) -> int:
    """How many calls are left once none is, or after `limit` seconds, or when `hurry` is set."""
    told, loop = 0, asyncio.get_running_loop()
    until = loop.time() + limit
    while left := gateway.running():
        if left != told:
            say(left)
            told = left
        if not await _waited(min(POLL, until - loop.time()), hurry):
            break
    return left


async def _waited(seconds: float, hurry: asyncio.Event) -> bool:
    """Wait so long; returns at once, and False, if `hurry` is set or there is nothing to wait for."""
    if seconds <= 0:
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hurry.wait()
    return not hurry.is_set()
