"""Stopping without dropping a call: no new ones are taken, those that run may end, within a limit."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

POLL = 0.25
"""Seconds between looks at the calls."""


@dataclass(frozen=True)
class DrainOptions:
    """What a gateway that is told to stop (SIGTERM, Ctrl-C) does."""

    limit: float = 300.0
    """Seconds that running calls may go on; then they are hung up. 0 hangs up at once."""

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= 86400:
            raise ValueError("limit must be from 0 to 24 hours")


class Draining(Protocol):
    """A gateway that can be stopped so."""

    def turn_away(self) -> None:
        """Take no new calls: 503 to INVITE and OPTIONS, registrations are given up."""

    def running(self) -> int:
        """How many calls go on."""


async def drain(gateway: Draining, limit: float, hurry: asyncio.Event, say: Callable[[int], None]) -> int:
    """Return when no call is left, `limit` seconds are over or `hurry` is set; how many calls are left then.

    `say` is told the number of calls whenever it has changed.
    """
    gateway.turn_away()
    told = -1
    loop = asyncio.get_running_loop()
    until = loop.time() + limit
    while (left := gateway.running()) and loop.time() < until and not hurry.is_set():
        if left != told:
            say(left)
            told = left
        try:
            async with asyncio.timeout(min(POLL, until - loop.time())):
                await hurry.wait()
        except TimeoutError:
            continue
    return left
