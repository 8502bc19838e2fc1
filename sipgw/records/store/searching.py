"""Searches from pages and programs. Each has a time limit, and only a few search for words at the same time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.bounds import NoPlace, Places
from sipgw.records.store.calls import CallFilter, RecordPage, page_of
from sipgw.records.store.store import Store

LIMIT = 5.0
"""Time limit of one search in seconds."""
AT_ONCE = 2
"""Searches for words at the same time; a tenant makes half of them."""
TOO_SLOW = "The search took too long. Give a time span, or fewer conditions."
TOO_MANY = "Others are searching for words just now. Try again in a moment."
_CANCELLED = "57014"
"""SQLSTATE query_canceled."""


class SearchRefused(Exception):  # noqa: N818  a state, not a fault
    """A search that was refused or stopped; the message says why."""


class Searches:
    """The searches of one gateway."""

    def __init__(self) -> None:
        self._for_words = Places("searches for words", AT_ONCE)

    async def page(self, store: Store, wanted: CallFilter, limit: int, after: str) -> RecordPage:
        """A page as `Store.page` makes it. Raises `SearchRefused`, `ValueError`, `SQLAlchemyError`."""
        try:
            with self._for_words.held(store.tenant) if wanted.words else contextlib.nullcontext():
                async with store.read() as session, _limited(session):
                    return await page_of(session, wanted, limit, after)
        except NoPlace:
            raise SearchRefused(TOO_MANY) from None


@contextlib.asynccontextmanager
async def _limited(session: AsyncSession) -> AsyncIterator[None]:
    """Stop the statements of the session after `LIMIT` seconds, and raise `SearchRefused`."""
    stopped = asyncio.Event()
    connection = await session.connection()
    driver = (await connection.get_raw_connection()).driver_connection

    async def stop() -> None:
        """Interrupt the running statement, repeatedly, because another statement may begin at the same moment."""
        await asyncio.sleep(LIMIT)
        while driver is not None and connection.dialect.name == "sqlite":
            stopped.set()
            await driver.interrupt()
            await asyncio.sleep(1)

    if connection.dialect.name == "postgresql":
        await session.execute(text(f"SET LOCAL statement_timeout = {int(LIMIT * 1000)}"))
        # A plan for any word, which PostgreSQL makes at the sixth search, is slow for rare ones.
        await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    stopping = asyncio.get_running_loop().create_task(stop(), name="limit of a search")
    try:
        yield
    except DBAPIError as error:
        if stopped.is_set() or getattr(error.orig, "sqlstate", "") == _CANCELLED:
            raise SearchRefused(TOO_SLOW) from None
        raise
    finally:
        stopping.cancel()
