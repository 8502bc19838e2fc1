"""An asyncio event loop whose clock jumps to the next timer when there is nothing to do."""

import asyncio
import selectors
from collections.abc import Callable

PATIENCE = 5.0
"""Real seconds that a thread may work before it counts as hanging."""


class _Jump(selectors.PollSelector):
    """A selector that moves the loop's clock instead of waiting."""

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
    """An event loop on a virtual clock: ten minutes of a call take milliseconds, with the same result every time. It
    supports no sockets and no processes."""

    def __init__(self, in_threads: Callable[[], int] | None = None) -> None:
        """`in_threads` returns how many results of threads are awaited. The clock stands still for them, unless a
        thread hangs. Without `in_threads`, no thread may wake the loop, so that the loop needs no polling.
        """
        self._jump = _Jump(in_threads)
        super().__init__(self._jump)

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self._jump.now


def now() -> float:
    """The time on the clock of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


async def until(at: float) -> None:
    """Wait until the time `at` on the clock of the running loop."""
    await asyncio.sleep(max(0.0, at - now()))
