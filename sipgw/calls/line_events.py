"""The events of a line on their way to its listener, such as the conversation."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from agent.line import Audio, Gone, LineEvent
from sipgw.bounds import FULL

EVENTS_KEPT = 500
"""Events that may wait for a listener (50 s of sound); beyond that new sound and keys are dropped."""


class _Listener(NamedTuple):
    take: Callable[[LineEvent], None]
    over: asyncio.Future[BaseException | None]
    """Done when the listening ends. An error of `take` is its result, because a future cannot raise `StopIteration`."""
    context: contextvars.Context


class LineEvents:
    """A queue of line events. A listener gets sound at once, so that no task is woken for each piece."""

    def __init__(self) -> None:
        self._waiting = deque[LineEvent]()  # the listener is taking the first event
        self._listener: _Listener | None = None

    def has_room(self) -> bool:
        """Whether a further key, or piece of sound, can wait; counts it as dropped if it cannot."""
        if len(self._waiting) < EVENTS_KEPT:
            return True
        FULL["sound and keys of a call"] += 1
        return False

    def put(self, event: LineEvent) -> None:
        """Have `event` taken soon, but after this method returns: the listener itself may call this method."""
        self._waiting.append(event)
        if (listener := self._listener) is not None and len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._hand_out, listener, context=listener.context)

    def give(self, sound: Audio) -> None:
        """Have the listener take `sound` before this method returns, unless older events still wait."""
        waiting, listener = self._waiting, self._listener
        if waiting and not self.has_room():
            return
        waiting.append(sound)
        if listener is not None and len(waiting) == 1:
            listener.context.run(self._hand_out, listener)

    async def listen(self, take: Callable[[LineEvent], None]) -> None:
        """See `agent.line.Line.listen`."""
        over: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._listener = listener = _Listener(take, over, contextvars.copy_context())
        try:
            self._hand_out(listener)
            if (error := await over) is not None:
                raise error
        finally:
            if self._listener is listener:
                self._listener = None

    def _hand_out(self, listener: _Listener) -> None:
        """Have `listener` take all waiting events. If it raises an error, its `listen` raises the error."""
        waiting, (take, over, _) = self._waiting, listener
        while waiting and not over.done():
            event = waiting[0]
            try:
                take(event)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  raised by `listen`
                if not over.done():
                    over.set_result(error)
            waiting.popleft()
            if isinstance(event, Gone) and not over.done():
                over.set_result(None)
