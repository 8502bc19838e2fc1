"""Calls that were asked for with an Idempotency-Key: each is made once, however often and of whichever process."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from sipgw.bounds import FULL
from sipgw.records.store import Store
from sipgw.web.tables import PlacedCall

KEPT = 24 * 3600.0
"""Seconds for which a key is known."""
MOST = 10_000
"""Keys that are known; the oldest are forgotten first."""


class PlacedCalls:
    """Which call was made for which key. Every method may raise `SQLAlchemyError`: then nothing is to be called."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, who: str, key: str, call: str) -> str:
        """Have `call` made for a key, unless another was: returns the identity of that one, or an empty string.

        It is put down before the call is made, so that nobody is called twice when the process ends in between.
        """
        now = datetime.now(UTC).timestamp()
        try:
            async with self._store.write() as session:
                await session.execute(delete(PlacedCall).where(PlacedCall.at < now - KEPT))
                oldest = select(PlacedCall.at).order_by(PlacedCall.at.desc()).offset(MOST - 1).limit(1)
                gone: Any = await session.execute(delete(PlacedCall).where(PlacedCall.at <= oldest.scalar_subquery()))
                FULL["idempotency keys"] += gone.rowcount
                session.add(PlacedCall(who=who, key=key, call=call, at=now))
        except IntegrityError:
            async with self._store.read() as session:
                return (await session.get_one(PlacedCall, (who, key))).call
        return ""

    async def give_up(self, who: str, key: str) -> None:
        """The call was not made: it may be asked for anew."""
        async with self._store.write() as session:
            await session.execute(delete(PlacedCall).where(PlacedCall.who == who, PlacedCall.key == key))
