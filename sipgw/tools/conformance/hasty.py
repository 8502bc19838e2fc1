"""An event loop on which time passes only while it waits, and which waits at most a moment for sockets and threads."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any

MOMENT, LONG_MOMENT = 0.005, 0.05
"""Seconds that really pass of a wait, and of one of more than a second."""
_SCHEDULED = "/proc/self/task/{}/schedstat"
WATCHED: ContextVar[bool] = ContextVar("watched", default=False)
"""Whether tasks that are begun now, and by them, are the provider's."""


def starved(thread: int) -> float:
    """Seconds for which a thread of this process has had to wait for a processor so far, as far as Linux tells."""
    try:
        return int(Path(_SCHEDULED.format(thread)).read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class _Selector(selectors.DefaultSelector):
    now = 1000.0
    busy_since: float | None = None
    hasty: Callable[[], bool]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.busy_since = None
        if timeout is None or timeout <= 0:
            ready = super().select(timeout)
        else:
            began, hasty = time.monotonic(), self.hasty()
            ready = super().select(min(timeout, MOMENT if hasty and timeout <= 1 else LONG_MOMENT))
            if not (hasty and self.hasty()):
                self.now += time.monotonic() - began
            elif not ready:
                self.now += timeout
        self.busy_since = time.monotonic()
        return ready


class HastyLoop(asyncio.SelectorEventLoop):
    """Time limits of seconds pass in a moment, and a busy machine makes nobody late.

    While it is not `hasty`, a wait lasts as long as it says, because others compute meanwhile.
    """

    def __init__(self, *, hasty: Callable[[], bool] = lambda: True) -> None:
        self._waiting = _Selector()
        self._waiting.hasty = hasty
        super().__init__(self._waiting)
        self.watched: list[asyncio.Task[Any]] = []
        """The tasks of the provider."""
        self.set_task_factory(self._task)  # type: ignore[arg-type]  # it takes any coroutine

    @property
    def busy_since(self) -> float | None:
        """The real time since which it has not been waiting; for another thread."""
        return self._waiting.busy_since

    def _task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **more)
        if WATCHED.get():
            self.watched.append(task)
        return task

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self._waiting.now
