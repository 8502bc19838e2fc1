"""Counts the recent calls of visitors of web sites. The count is in the database, so it survives a restart and includes
other gateways.
"""

from datetime import UTC, datetime

from sqlalchemy import delete, func, select

from sipgw.config.embed import EmbedOptions
from sipgw.records.store.store import Store
from sipgw.web.tables import Visit

HOUR, DAY = 3600.0, 86400.0


class Visits:
    """The visitors' calls of the last day. Every method may raise `SQLAlchemyError`; then no call must be made."""

    def __init__(self, store: Store, options: EmbedOptions) -> None:
        self._store = store
        self._options = options

    async def claim(self, site: str) -> int:
        """Count a call from `site`. Returns the number of the visit for `give_back`, or 0 if there are too many calls.

        The call is stored before the calls are counted, so that two gateways at the same time never admit too many.
        """
        now = datetime.now(UTC).timestamp()
        async with self._store.write() as session:
            await session.execute(delete(Visit).where(Visit.at <= now - DAY))
            visit = Visit(site=site, at=now)
            session.add(visit)
            await session.flush()
            number = visit.id
        counted = select(func.count()).select_from(Visit)
        async with self._store.read() as session:
            today = await session.scalar(counted.where(Visit.at > now - DAY)) or 0
            lately = await session.scalar(counted.where(Visit.site == site, Visit.at > now - HOUR)) or 0
        if today <= self._options.calls_per_day and lately <= self._options.calls_per_hour:
            return number
        await self.give_back(number)
        return 0

    async def give_back(self, number: int) -> None:
        """Undo the count of a call that was not made."""
        async with self._store.write() as session:
            await session.execute(delete(Visit).where(Visit.id == number))
