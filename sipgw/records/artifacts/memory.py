"""Forgets what this process has in memory of calls whose rows were deleted: by retention, by another gateway, or by
``sipgw records forget``."""

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import select

from sipgw.events import CallKey
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord

LOOK = 30.0
"""Seconds between two checks."""
BATCH = 250
"""Calls in one question to the database."""


class Memory(Protocol):
    """The calls in the memory of a process."""

    def calls(self) -> Collection[CallKey]:
        """The calls of which data is in memory."""

    def forget(self, calls: Collection[CallKey]) -> None:
        """Drop the data of `calls`, except of running calls."""


class MemoryCleaner:
    """Compares the memory of this process with the database."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._stored = set[CallKey]()
        """Calls that had a row at the last check. The row of another call may still be in the spool."""

    async def look(self) -> None:
        """Forget the calls that have lost their rows. Raises the errors of the database."""
        calls, stored = list(self._memory.calls()), set[CallKey]()
        async with self._store.read() as session:
            for at in range(0, len(calls), BATCH):
                some = calls[at : at + BATCH]
                names = [name for call in some for name in (call.call, call.name)]
                query = select(CallRecord.id, CallRecord.began).where(CallRecord.id.in_(names))
                rows = {row.id: row.began for row in await session.execute(query)}
                stored.update(call for call in some if call.name in rows or rows.get(call.call) == call.began)
        self._memory.forget(self._stored - stored)
        self._stored = stored
