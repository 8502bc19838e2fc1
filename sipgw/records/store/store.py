"""The store: sample orders and the record of every call, in one database (SQLAlchemy 2)."""

import contextlib
from typing import Any, Self

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from sipgw.config.records import StoreOptions
from sipgw.config.storage import StorageOptions
from sipgw.records.store import tenancy
from sipgw.records.store.calls import CallFilter, RecordPage, events_of, page_of, whole
from sipgw.records.store.engine import Database
from sipgw.records.store.object_store import ObjectStore
from sipgw.records.store.reports import report_of
from sipgw.records.store.tables import CallRecord, Order, columns

SAMPLE_ORDERS = (
    Order(number="7346", item="a blue raincoat", status="out for delivery", expected="today before six p.m."),
    Order(number="1234", item="a coffee grinder", status="being packed", expected="on Friday"),
    Order(number="8005", item="two desk lamps", status="delivered", expected="delivered yesterday at noon"),
    Order(number="30865", item="a pair of hiking boots", status="delayed at the warehouse", expected="next Tuesday"),
)


class Store(Database):
    """The database of one gateway, and the storage of its files. Use it as an async context manager."""

    def __init__(self, options: StoreOptions, storage: StorageOptions | None = None, tenant: str = "") -> None:
        super().__init__(options, tenant)
        self.objects = ObjectStore(storage) if storage and storage.url else None
        """The object storage for files of calls; None if none is configured."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        with contextlib.suppress(IntegrityError):  # another gateway, started at the same time, has added the orders
            async with self.write() as session:
                if not await session.scalar(select(func.count()).select_from(Order)):
                    session.add_all(Order(**columns(order)) for order in SAMPLE_ORDERS)
        return self

    def of(self, tenant: str) -> "Store":
        """The records of `tenant` alone, to be read; they are open as long as this store."""
        found = self._tenants.get(tenant)
        if not isinstance(found, Store):
            tenancy.check(tenant)
            found = Store(self.options, tenant=tenant)
            found.objects, self._tenants[tenant] = self.objects, found
        return found

    async def order(self, number: str) -> dict[str, Any] | None:
        """The order with that number, or None."""
        async with self.read() as session:
            found = await session.get(Order, number)
            return None if found is None else columns(found)

    async def calls(self, wanted: CallFilter | None = None) -> list[dict[str, Any]]:
        """All matching calls with their turns and tools, oldest first; by default the ended ones."""
        query = select(CallRecord).where(*(wanted or CallFilter(ended=True)).clauses()).order_by(CallRecord.began)
        async with self.read() as session:
            return await whole(session, query)

    async def page(self, wanted: CallFilter, limit: int = 50, after: str = "") -> RecordPage:
        """Up to `limit` matching calls, newest first, without their words. Raises `ValueError` if `after` is not the
        `next` of a page.
        """
        async with self.read() as session:
            return await page_of(session, wanted, limit, after)

    async def latest(self, most: int) -> list[str]:
        """The identities of the latest calls, oldest first."""
        async with self.read() as session:
            latest = select(CallRecord.id).order_by(CallRecord.began.desc(), CallRecord.id.desc()).limit(most)
            return [*await session.scalars(latest)][::-1]

    async def call(self, call: str) -> dict[str, Any] | None:
        """All data of a call, also while it goes on; None for an unknown identity."""
        async with self.read() as session:
            found = await whole(session, select(CallRecord).where(CallRecord.id == call))
            more = {"events": await events_of(session, call), "report": await report_of(session, call)}
            return found[0] | more if found else None

    async def report(self, call: str) -> dict[str, Any] | None:
        """The report on a call, see `report_of`."""
        async with self.read() as session:
            return await report_of(session, call)
