"""Calls with an Idempotency-Key: each is made once, however often and at whichever process it is requested."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from sipgw.bounds import FULL
from sipgw.records.store.store import Store
from sipgw.web.tables import PlacedCall

KEPT = 24 * 3600.0
"""Seconds for which a key is known."""
MOST = 10_000
"""Number of remembered keys; the oldest are forgotten first."""


class PlacedCalls:
    """The call of each key. Every method may raise `SQLAlchemyError`: then no call must be made."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, who: str, key: str, call: str) -> str:
        """Claim a key for `call`. Returns the identity of an earlier call with this key, or an empty string. The claim
        is stored before the call is made, so that nobody is called twice if the process ends in between.
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
        """The call was not made: release the key for another request."""
        async with self._store.write() as session:
            await session.execute(delete(PlacedCall).where(PlacedCall.who == who, PlacedCall.key == key))
