"""The deadline of one stream that a caller waits for; it moves with each piece."""

import asyncio
from types import TracebackType


class Deadline:
    """A time limit on waits: ``with deadline: await ...`` raises `TimeoutError`, as ``asyncio.timeout`` does.

    ``asyncio.timeout`` sets and removes a timer for each wait, which takes longer than most pieces of a stream. This
    class keeps its timer when a wait ends or the deadline moves. When the timer fires, it checks whether the deadline
    is over. It allows one wait at a time.
    """

    __slots__ = ("_cancelling", "_expired", "_loop", "_task", "_timer", "_when", "limit")

    def __init__(self, limit: float) -> None:
        """Set the deadline to `limit` seconds from now."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        """The task that waits at the moment."""
        self._cancelling = 0
        self._expired = False
        self.move(limit)

    def move(self, limit: float) -> None:
        """Move the deadline to `limit` seconds from now."""
        self.limit = limit
        self._when = self._loop.time() + limit

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  who waits is a task
        self._task, self._cancelling, self._expired = task, task.cancelling(), False
        if self._timer is None or self._timer.when() > self._when:
            self._arm()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        task, self._task = self._task, None
        if self._expired and task and task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._when, self._fire)

    def _fire(self) -> None:
        armed, self._timer = self._timer, None
        if self._task is None:  # the next wait arms it
            return
        if armed is not None and armed.when() < self._when:
            self._arm()
            return
        self._expired = True
        self._task.cancel()
