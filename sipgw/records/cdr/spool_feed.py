"""Call events on their way into the spool: one thread redacts, encodes and appends them in order."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from agent.pool import Pool, PoolFullError
from sipgw.bounds import FULL
from sipgw.records.artifacts.artifact import known
from sipgw.records.store.spool import Entry
from sipgw.sip.boundaries import contained

log = structlog.get_logger()

SPOOL = Pool("the spool", workers=1, waiting=10_000)
"""One thread redacts the events of all calls, and reads and writes the files of the spool: all in order."""
TOGETHER = 0.02
"""Seconds in which events are gathered for the thread, because each hand-over costs as much as an event. A kill loses
the events of this time, but no beginning or end of a call."""
WAITING = 10_000
"""Events that may wait for the thread."""
PATIENCE = 0.2
"""Seconds that a call waits for the thread before it rings or its INVITE is sent: usually it takes less than 1 ms."""


class SpoolFeed:
    """Gives the events of one gateway to the thread `SPOOL`."""

    def __init__(self, append: Callable[[Entry], str], changed: Callable[[], None]) -> None:
        """`append` writes an entry in the thread, and returns why it is not on the disk, or ""; `changed` is called
        when there is something for the thread."""
        self._append = append
        self._changed = changed
        self._gathered = deque[Callable[[], Entry | None]]()
        """The events that the thread has not taken yet, in order."""
        self._timer: asyncio.TimerHandle | None = None
        """The timer of the next hand-over; None if no events are gathered."""
        self._asked: Future[str] | None = None
        """The last hand-over; until it is done, the thread may still take gathered events."""
        self._handed = 0
        """Number of entries and events for the thread so far."""
        self._taken = 0
        """Number of entries and events that the thread has taken."""

    @property
    def behind(self) -> bool:
        """Whether the thread has not taken everything yet."""
        return self._taken < self._handed

    def gather(self, entry: Callable[[], Entry | None], *, at_once: bool) -> bool:
        """Have the thread append the result of `entry`, unless it is None, after all earlier ones: `at_once`, or
        together with the events of the next `TOGETHER` seconds. Returns False, and counts the loss, if there is no
        room."""
        if len(self._gathered) >= WAITING:
            _count_lost("the disk of the spool does not answer")
            return False
        self._gathered.append(entry)
        self._expect()
        if at_once:
            self.stop()
            self._hand_over()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TOGETHER, self._hand_over)
        return True

    async def appended(self) -> None:
        """Wait until the thread has appended all events gathered so far, for `PATIENCE` seconds at most."""
        with contextlib.suppress(PoolFullError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await SPOOL.run(self._take)

    def keep(self, entry: Entry) -> Future[str]:
        """Append an entry at once. The result of the future is the reason why the entry is not on the disk, or ""; it
        never raises."""
        try:
            kept = SPOOL.submit(self._take, lambda: entry)
        except PoolFullError as full:
            _count_lost(str(full))
            return known(str(full))
        self._expect()
        return kept

    def stop(self) -> None:
        """Cancel the next timed hand-over."""
        if self._timer:
            self._timer.cancel()

    def _expect(self) -> None:
        self._handed += 1
        self._changed()

    def _hand_over(self) -> None:
        """Have the thread take all gathered events with one call, because each call wakes the thread."""
        self._timer = None
        with contextlib.suppress(PoolFullError):
            if self._asked is None or self._asked.done():
                self._asked = SPOOL.submit(self._take)
                return
        self._timer = asyncio.get_running_loop().call_later(TOGETHER, self._hand_over)

    def _take(self, last: Callable[[], Entry | None] | None = None) -> str:
        """In the thread: append all gathered events, then `last`; returns the reason why `last` is not on the disk, or
        ""."""
        while self._gathered:
            self._take_one(self._gathered.popleft())
        return "" if last is None else self._take_one(last)

    def _take_one(self, entry: Callable[[], Entry | None]) -> str:
        problem = "an error that stands in the log"
        with contained("record not kept"):
            found = entry()
            problem = "" if found is None else self._append(found)
        self._taken += 1
        return problem


def _count_lost(cause: str) -> None:
    FULL["records"] += 1
    if FULL["records"] % 1000 == 1:
        log.error("records are lost", lost=FULL["records"], cause=cause)
