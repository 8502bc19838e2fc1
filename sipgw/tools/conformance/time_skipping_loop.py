"""An event loop that skips most of each wait. Its clock moves only while it waits. For sockets and threads it really
waits a moment."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any

MOMENT, LONG_MOMENT = 0.005, 0.05
"""Real seconds of a wait, and of a wait of more than a second."""
_SCHEDULED = "/proc/self/task/{}/schedstat"
WATCHED: ContextVar[bool] = ContextVar("watched", default=False)
"""Whether new tasks, and the tasks that these begin, belong to the provider."""


def starved(thread: int) -> float:
    """Seconds for which a thread of this process has waited for a processor so far; 0 where Linux does not tell."""
    try:
        return int(Path(_SCHEDULED.format(thread)).read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class _Selector(selectors.DefaultSelector):
    now = 1000.0
    busy_since: float | None = None
    skips: Callable[[], bool]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.busy_since = None
        if timeout is None or timeout <= 0:
            ready = super().select(timeout)
        else:
            began, skips = time.monotonic(), self.skips()
            ready = super().select(min(timeout, MOMENT if skips and timeout <= 1 else LONG_MOMENT))
            if not (skips and self.skips()):
                self.now += time.monotonic() - began
            elif not ready:
                self.now += timeout
        self.busy_since = time.monotonic()
        return ready


class TimeSkippingLoop(asyncio.SelectorEventLoop):
    """Skips most of each wait: a time limit of seconds passes in a moment, and on a busy machine nothing is late.

    While `skips` returns False, a wait takes its whole time, because other processes compute meanwhile.
    """

    def __init__(self, *, skips: Callable[[], bool] = lambda: True) -> None:
        self._waiting = _Selector()
        self._waiting.skips = skips
        super().__init__(self._waiting)
        self.watched: list[asyncio.Task[Any]] = []
        """The tasks of the provider."""
        self.set_task_factory(self._task)  # type: ignore[arg-type]  # it takes any coroutine

    @property
    def busy_since(self) -> float | None:
        """The real time since which the loop has been busy; None while it waits. Another thread may read it."""
        return self._waiting.busy_since

    def _task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **more)
        if WATCHED.get():
            self.watched.append(task)
        return task

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self._waiting.now
