"""The running calls, each with a unique identity, and their tasks."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from agent.call_control import CallControlRefused
from agent.records import Outcome
from sipgw.bounds import FULL
from sipgw.calls.info import CallInfo
from sipgw.calls.session import STOPPED, CallSession
from sipgw.events import Disposition
from sipgw.records.captures.capture import CALL_ID

GOODBYE_LIMIT = 5.0
"""Seconds that calls have to end when the gateway stops."""
REMEMBERED = 10_000
"""Number of the latest Call-IDs whose use is counted."""


@dataclass(frozen=True)
class CallHandle:
    """A handle of an outgoing call, for the part of the gateway that requested it."""

    info: CallInfo
    _session: CallSession
    _task: asyncio.Task[Disposition]

    @property
    def id(self) -> str:
        """The identity of the call."""
        return self.info.id

    async def ended(self) -> Disposition:
        """Wait until the call has ended; returns how it ended."""
        await asyncio.wait({self._task})
        return self._session.context.stopped or STOPPED if self._task.cancelled() else self._task.result()

    def stop(self, cause: str = "it was cancelled here") -> None:
        """End the call, before or after its answer, for the reason `cause`."""
        _stop(self._session, self._task, Disposition("cancelled", cause))


def _stop(session: CallSession, task: asyncio.Task[Disposition], disposition: Disposition) -> None:
    """End a call. A call that is already ending is not cancelled again, because that would interrupt its hang-up."""
    if session.context.stopped is None:
        session.context.stop(disposition)
        task.cancel()


class CallRegistry:
    """The running calls."""

    def __init__(self) -> None:
        self._sessions: dict[str, CallSession] = {}
        self._tasks: dict[str, asyncio.Task[Disposition]] = {}
        self._given: dict[str, int] = {}

    def remember(self, calls: Iterable[str]) -> None:
        """Count the identities of ended `calls`, oldest first, so that no later call gets the identity or the files of
        one of them. A number follows the space in an identity, or the time that
        `sipgw.records.store.writing.Writer` has put there.
        """
        for call in calls:
            call_id, _, last = call.rpartition(" ")
            self._given[call] = self._given.pop(call, 1)
            if call_id:
                number = int(last) if last.isascii() and last.isdecimal() else 1
                self._given[call_id] = max(self._given.pop(call_id, 1), number)
        while len(self._given) > REMEMBERED:
            del self._given[next(iter(self._given))]

    def identity(self, call_id: str) -> str:
        """An identity for a call with that Call-ID: the Call-ID itself, or with a number if another call has had it, or
        if it stands for a folder in addresses of pages (RFC 3986 §5.2.4).

        The caller chooses the Call-ID, and both ends of a call may be here (RFC 3261 §12 tells them apart by tags).
        """
        call_id = call_id[:CALL_ID]
        times = self._given.pop(call_id, 0) + 1
        identity = call_id if times == 1 and call_id not in (".", "..") else f"{call_id} {times}"
        while identity in self._sessions:  # the Call-ID was dropped from the counts, or ends like an identity of ours
            times += 1
            identity = f"{call_id} {times}"
        self._given[call_id] = times
        while len(self._given) > REMEMBERED:
            del self._given[next(iter(self._given))]
            FULL["Call-IDs"] += 1
        return identity

    def add(self, session: CallSession, task: asyncio.Task[Disposition]) -> None:
        """Register `session`, and remove it when `task` ends."""
        call = session.info.id
        self._sessions[call], self._tasks[call] = session, task

        def over(_: asyncio.Task[Disposition]) -> None:
            del self._sessions[call], self._tasks[call]
            self.remember([call])  # files and rows of the call are written only now

        task.add_done_callback(over)

    @property
    def calls(self) -> dict[str, CallSession]:
        """All running calls by their identity."""
        return dict(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, call: str) -> CallSession | None:
        """The running call with the identity `call`; None if there is none."""
        return self._sessions.get(call)

    def stop(self, call: str, cause: str) -> None:
        """End the running or ringing call with the identity `call`, for the reason `cause`."""
        if session := self._sessions.get(call):
            _stop(session, self._tasks[call], Disposition("ended_here", cause))

    def dismiss_all(self) -> int:
        """Have the agents of answered calls say goodbye; returns their number."""
        told = 0
        for session in self._sessions.values():
            if (conversation := session.context.conversation) is not None and session.info.answered:
                session.all_hear()
                with contextlib.suppress(CallControlRefused):  # it is ending already
                    conversation.dismiss(Outcome("gateway_stopped", STOPPED.cause))
                    told += 1
        return told

    async def stop_all(self) -> None:
        """End all remaining calls within `GOODBYE_LIMIT` seconds."""
        for task in self._tasks.values():
            task.cancel()  # a cancelled call hangs up
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=GOODBYE_LIMIT)
