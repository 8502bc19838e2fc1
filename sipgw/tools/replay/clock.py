"""An asyncio event loop whose clock jumps to the next timer when there is nothing to do."""

import asyncio
import selectors


class _Jump(selectors.SelectSelector):
    """Instead of waiting, moves the loop's clock."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__()
        self.now = 1000.0
        self._alone = alone

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = [] if self._alone else super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen again: a deadlock")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Ten minutes of call take milliseconds, every time the same. No threads, no sockets, no processes."""

    def __init__(self, *, alone: bool = False) -> None:
        """`alone`: no thread wakes the loop from outside, so that it needs no polling."""
        self._jump = _Jump(alone=alone)
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
