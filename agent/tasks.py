"""The tasks of one conversation, with its error boundary: an error in one of them does not cancel the others.

It is not the boundary of the call (`sipgw.calls.session`), because the conversation still apologises to the caller or
connects them with a person, and because `agent` also runs without sipgw.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any, Self

import structlog

log = structlog.get_logger()


class Tasks:
    """Tasks that live as long as this context. Leaving it waits for all tasks that were not cancelled."""

    def __init__(self, crashed: Callable[[Exception], None]) -> None:
        """`crashed` is called with each exception of a task, after the exception was logged."""
        self._crashed = crashed
        self._group = asyncio.TaskGroup()
        self._going: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._group.__aexit__(*error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin `work`. If it is cancelled before its first step, its coroutine is closed."""
        task = self._group.create_task(self._bounded(work))
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        task.add_done_callback(lambda _: work.close())
        return task

    def cancel(self, but: Collection[asyncio.Task[None]] = ()) -> None:
        """Cancel all tasks except those in `but`."""
        for task in self._going.difference(but):
            task.cancel()

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        with self.boundary():
            await work

    @contextlib.contextmanager
    def boundary(self) -> Iterator[None]:
        """Context that passes errors of the block to `crashed`."""
        try:
            yield
        except Exception as error:  # an error of our own, or of a callback of the embedding program
            log.exception("conversation failed")
            self._crashed(error)
