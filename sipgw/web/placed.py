"""Calls with an Idempotency-Key: each is made once, however often and at whichever process it is requested."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from sipgw.bounds import FULL
from sipgw.records.store.store import Store
from sipgw.web.principal import Principal
from sipgw.web.tables import PlacedCall

KEPT = 24 * 3600.0
"""Seconds for which a key is known."""
MOST = 10_000
"""Number of remembered keys of one person or program; the oldest are forgotten first."""


class PlacedCalls:
    """The call of each Idempotency-Key. Every method may raise `SQLAlchemyError`; then no call must be made."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, who: Principal, key: str, call: str) -> str:
        """Claim a key for `call`. Returns the identity of an earlier call with this key, or an empty string. The claim
        is stored before the call is made, so that nobody is called twice if the process ends between the two.
        """
        now, name = datetime.now(UTC).timestamp(), _name(who)
        try:
            async with self._store.write() as session:
                await session.execute(delete(PlacedCall).where(PlacedCall.at < now - KEPT))
                own = select(PlacedCall.at).where(PlacedCall.who == name).order_by(PlacedCall.at.desc())
                oldest = own.offset(MOST - 1).limit(1)
                forgotten = delete(PlacedCall).where(PlacedCall.who == name, PlacedCall.at <= oldest.scalar_subquery())
                gone: Any = await session.execute(forgotten)
                FULL["idempotency keys"] += gone.rowcount
                session.add(PlacedCall(who=name, key=key, call=call, at=now))
        except IntegrityError:
            async with self._store.read() as session:
                return (await session.get_one(PlacedCall, (name, key))).call
        return ""

    async def give_up(self, who: Principal, key: str) -> None:
        """Release the key for another request, because the call was not made."""
        async with self._store.write() as session:
            await session.execute(delete(PlacedCall).where(PlacedCall.who == _name(who), PlacedCall.key == key))


def _name(who: Principal) -> str:
    """The unique name of the owner of keys. People of two tenants may have the same name at an identity provider."""
    return hashlib.sha256(f"{who.tenant}/{who.name}".encode()).hexdigest() if who.tenant else who.name
