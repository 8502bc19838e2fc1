"""Counts of outgoing calls for all gateways that share a PostgreSQL database; gateways of one machine share the
audit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Float, String, delete, select, text
from sqlalchemy.orm import Mapped, mapped_column

from sipgw.policy.gate.caps import WEEK
from sipgw.records.store.store import Store
from sipgw.records.store.tables import TENANT, Base

LIMIT = 2.0
"""Seconds that a decision may wait for the database and for other gateways."""
LOCK = 0x51B6D1A
"""Number of the lock that lets one gateway at a time decide."""
TIDY = timedelta(hours=1)
"""The time between two deletions of counts that no cap uses any more."""


class CountedCall(Base):
    """A call that was permitted."""

    __tablename__ = "dials"
    id: Mapped[int] = mapped_column(primary_key=True)
    """The number of the row, in the order of the decisions."""
    number: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[float] = mapped_column(Float, index=True)
    """Seconds since 1970."""
    tenant: Mapped[str] = mapped_column(String(TENANT), default="", server_default="")
    """Tenant whose call it was; empty: the operator's."""


class SharedCounts:
    """The permitted calls of all gateways. `take` gets the number, time and tenant of each, also of those of this
    gateway."""

    def __init__(self, store: Store, take: Callable[[str, datetime, str], None]) -> None:
        self._store = store
        self._take = take
        self._seen = 0
        self._tidied: datetime | None = None

    @contextlib.asynccontextmanager
    async def turn(self, now: datetime) -> AsyncIterator[Callable[[str, str], None]]:
        """Hold the lock for one decision, after all earlier calls were read. Yields the function that counts a
        number, called by a tenant. The count is stored if the block ends without an error. Raises `SQLAlchemyError` or
        `TimeoutError`.
        """
        counted = dict[str, str]()
        async with asyncio.timeout(LIMIT), self._store.write() as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            if self._tidied is None or now - self._tidied >= TIDY:
                await session.execute(delete(CountedCall).where(CountedCall.at <= (now - WEEK).timestamp()))
                self._tidied = now
            rows = select(CountedCall).where(CountedCall.id > self._seen).order_by(CountedCall.id)
            for row in await session.scalars(rows):
                self._take(row.number, datetime.fromtimestamp(row.at, UTC), row.tenant)
                self._seen = row.id
            yield counted.__setitem__
            session.add_all(
                CountedCall(number=number, at=now.timestamp(), tenant=tenant) for number, tenant in counted.items()
            )
