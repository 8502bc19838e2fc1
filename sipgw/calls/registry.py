"""Which calls go on, each under an identity of its own."""

import asyncio
import contextlib
from typing import Any

from agent.records import Outcome
from agent.steering import CannotSteer
from sipgw.bounds import FULL
from sipgw.calls.live import STOPPED, LiveCall
from sipgw.events import Disposition
from sipgw.evidence.capture import CALL_ID

REMEMBERED = 10_000
"""Call-IDs of which it is remembered how many calls had them, the latest."""


class CallRegistry:
    """The calls that go on, and the tasks that serve them."""

    def __init__(self) -> None:
        self._live: dict[str, LiveCall] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._given: dict[str, int] = {}

    def identity(self, call_id: str) -> str:
        """An identity for a call with that Call-ID: the Call-ID itself, or with a number if another call has had it.

        Whoever calls chooses the Call-ID, and both ends of a call may be here (RFC 3261 §12 tells them apart by tags).
        """
        call_id = call_id[:CALL_ID]
        times = self._given.pop(call_id, 0) + 1
        identity = call_id if times == 1 else f"{call_id} {times}"
        while identity in self._live:  # its Call-ID was forgotten, or ends like one of ours
            times += 1
            identity = f"{call_id} {times}"
        self._given[call_id] = times
        if len(self._given) > REMEMBERED:
            del self._given[next(iter(self._given))]
            FULL["Call-IDs"] += 1
        return identity

    def add(self, live: LiveCall, task: asyncio.Task[Any]) -> None:
        """`live` goes on as long as `task`."""
        self._live[live.id], self._tasks[live.id] = live, task

        def over(_: asyncio.Task[Any]) -> None:
            del self._live[live.id], self._tasks[live.id]

        task.add_done_callback(over)

    @property
    def calls(self) -> dict[str, LiveCall]:
        """All of them, by their identity."""
        return dict(self._live)

    def __len__(self) -> int:
        return len(self._live)

    def get(self, call: str) -> LiveCall | None:
        """The call of that identity, if it goes on."""
        return self._live.get(call)

    def stop(self, call: str, cause: str) -> None:
        """End a call that goes on, also while it rings."""
        if live := self._live.get(call):
            live.stopped = live.stopped or Disposition("ended_here", cause)
            self._tasks[call].cancel()

    def dismiss_all(self) -> int:
        """Have the agents of those that are answered say goodbye; returns how many do."""
        told = 0
        for live in self._live.values():
            if live.conversation is not None and live.answered:
                with contextlib.suppress(CannotSteer):  # it is ending already
                    live.conversation.dismiss(Outcome("gateway_stopped", STOPPED.cause))
                    told += 1
        return told

    async def stop_all(self, limit: float) -> None:
        """End them all; they have `limit` seconds for it."""
        for task in self._tasks.values():
            task.cancel()  # a cancelled call hangs up
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=limit)
