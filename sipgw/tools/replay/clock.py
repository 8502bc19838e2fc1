"""An asyncio event loop whose clock jumps to the next timer when there is nothing to do."""

import asyncio
import selectors
from collections.abc import Callable

PATIENCE = 5.0
"""Seconds of real time that a thread has for its work before it counts as one that hangs."""


class _Jump(selectors.PollSelector):
    """Instead of waiting, moves the loop's clock."""

    def __init__(self, in_threads: Callable[[], int] | None) -> None:
        super().__init__()
        self.now = 1000.0
        self._in_threads = in_threads
        self._hanging = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = [] if self._in_threads is None else super().select(0)
        if not ready and timeout != 0 and self._in_threads:
            awaited = self._in_threads()
            self._hanging = min(self._hanging, awaited)
            if awaited > self._hanging:
                ready = super().select(PATIENCE)
                self._hanging = self._hanging if ready else awaited
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen again: a deadlock")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Ten minutes of call take milliseconds, every time the same. No sockets, no processes."""

    def __init__(self, in_threads: Callable[[], int] | None = None) -> None:
        """`in_threads`: how many pieces of work in threads are awaited: their work takes no time, however long it
        really takes, unless it hangs. Without it no thread wakes the loop from outside, so that it needs no polling.
        """
        self._jump = _Jump(in_threads)
        super().__init__(self._jump)

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self._jump.now


def now() -> float:
    """The time on the clock of the loop that runs."""
    return asyncio.get_running_loop().time()


async def until(at: float) -> None:
    """Wait until that is the time."""
    await asyncio.sleep(max(0.0, at - now()))
