"""Threads for blocking work: a bounded pool for each kind of work, so that work that hangs does not delay other kinds.

The name resolution inside asyncio has such a pool, too (`agent.lookups`). Nothing uses the usual executor of an event
loop: it has few threads, and all work waits in one queue without a limit.
"""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")

POOLS: dict[str, "Pool"] = {}
"""All pools by name, for monitoring."""


class NotBegun(Exception):  # noqa: N818  what is known of the work, not a fault of its own
    """The work was not begun, and will not be. The message says why."""


class PoolFullError(NotBegun):
    """All threads of a pool are busy, and no more work may wait. The message names the pool."""


class Pool:
    """The threads for one kind of work; every event loop may give work to them.

    Threads are started when there is work. They are daemons: work that never returns does not keep the process from
    ending.
    """

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        """At most `workers` threads run at a time, and as many as `waiting` pieces of work wait for one."""
        self.name = name
        self.workers = workers
        self.waiting = waiting
        self.refused = 0
        """Pieces of work that were refused because the pool was full."""
        self.busy = 0
        """Threads that work at the moment."""
        self.awaited = 0
        """Tasks that wait for the result of their work."""
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._threads = list[threading.Thread]()
        POOLS[name] = self

    @property
    def queued(self) -> int:
        """Pieces of work that wait."""
        return len(self._queue)

    @property
    def threads(self) -> list[int]:
        """The ids of its threads in the system. A thread never ends."""
        return [one.native_id for one in list(self._threads) if one.native_id is not None]

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `function` called in a thread, with the context variables of now. Raises `PoolFullError`.

        Work begins in the order in which it is given: where there is one thread, all is done in that order.
        """
        work: Future[T] = Future()
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        with self._changed:
            if self.busy + len(self._queue) >= self.workers + self.waiting:
                self.refused += 1
                raise PoolFullError(
                    f"too much work: all {self.workers} threads for {self.name} are busy and {self.waiting} "
                    "more pieces of work wait"
                )
            self._queue.append((work, call))
            if (number := len(self._threads)) < min(self.workers, self.busy + len(self._queue)):
                thread = threading.Thread(target=self._work, name=f"{self.name} {number + 1}", daemon=True)
                thread.start()
                self._threads.append(thread)
            self._changed.notify()
        work.add_done_callback(self._give_up)
        return work

    def _give_up(self, work: Future[Any]) -> None:
        if work.cancelled():  # the work gives up its place
            with self._changed:
                self._queue = deque(one for one in self._queue if one[0] is not work)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a thread, with this task's context variables. Raises what it raises, and `PoolFullError`.

        A cancelled task no longer waits. Work that has not begun is never begun; the cancellation then has `NotBegun`
        as its cause (see `not_begun`). Work that has begun goes on, and occupies its thread.
        """
        work = self.submit(function, *args, **kwargs)
        self.awaited += 1
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError as cancelled:
            if work.cancel():
                raise cancelled from NotBegun(f"no thread for {self.name} became free in time")
            raise
        finally:
            self.awaited -= 1

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                work, call = self._queue.popleft()
                self.busy += 1
            self._carry_out(work, call)
            del work, call  # what was worked on is not kept until there is more

    def _carry_out(self, work: Future[Any], call: Callable[[], Any]) -> None:
        result: Any = None
        failed: BaseException | None = None
        if begun := work.set_running_or_notify_cancel():
            try:
                result = call()
            except StopIteration as error:  # no future can hold a StopIteration
                failed = RuntimeError("StopIteration")
                failed.__cause__ = error
            except BaseException as error:  # noqa: BLE001  it is raised where it was asked for
                failed = error
        with self._changed:
            self.busy -= 1
        if begun:
            work.set_result(result) if failed is None else work.set_exception(failed)


def awaited() -> int:
    """How many tasks wait for work in threads."""
    return sum(pool.awaited for pool in POOLS.values())


def not_begun(error: BaseException) -> bool:
    """Whether `error` shows that its work was not begun; it may also be a `TimeoutError` of ``asyncio.timeout``."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, NotBegun):
        cause = cause.__cause__
    return cause is not None


LOADING = Pool("what is loaded once", workers=2, waiting=64)
"""Threads for loading packages, models and certificates, which takes seconds the first time."""


class Loaded(Generic[T]):
    """Resource that takes long to load. It is loaded only once, in the threads of `LOADING`, even if several need it at
    a time."""

    def __init__(self, name: str, load: Callable[[], T]) -> None:
        """`name` is for the log, which tells why it could not be loaded."""
        self._name = name
        self._load = load
        self._work: Future[T] | None = None

    def begin(self) -> None:
        """Begin to load the resource, without waiting; again if that has failed before. Raises `NotBegun`."""
        if self._work is None or (self._work.done() and self._work.exception() is not None):
            self._work = LOADING.submit(self._load)
            self._work.add_done_callback(self._report)

    def _report(self, work: Future[T]) -> None:
        if (error := work.exception()) is not None:
            log.warning("not loaded: calls do without it", what=self._name, cause=repr(error))

    @property
    def value(self) -> T | None:
        """The resource; None until it is loaded."""
        work = self._work
        return work.result() if work is not None and work.done() and work.exception() is None else None
