"""Gateways that share a database have separate disks: the gateways of this machine, and gateways that are gone."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select, true, update

from sipgw.records.artifacts.folders import Folders
from sipgw.records.store.spool import identities
from sipgw.records.store.store import Store
from sipgw.records.store.tables import SpoolRecord

GONE = timedelta(days=30)
"""Time without news after which a gateway and its disk count as gone."""


def here(store: Store) -> set[str]:
    """The gateways of this machine, running or not."""
    return identities(store.options.spool_folder)


def alive(now: datetime) -> Select[str]:
    """A query of the gateways that run, or may come back, at `now`."""
    return select(SpoolRecord.gateway).where(or_(SpoolRecord.seen.is_(None), SpoolRecord.seen >= now - GONE))


def ours(store: Store, now: datetime, gateway: Any) -> ColumnElement[bool]:
    """Whether the files of a row with that `gateway`, a column, are on this machine or on a machine that is gone."""
    return or_(gateway.in_(here(store)), gateway.not_in(alive(now))) if store.options.url else true()


async def seen(store: Store, now: datetime) -> None:
    """Tell the other gateways that this gateway is running at `now`."""
    async with store.write() as session:
        await session.execute(update(SpoolRecord).where(SpoolRecord.gateway.in_(here(store))).values(seen=now))


def folders(store: Store) -> Folders:
    """The marks of folders that this machine knows."""
    return Folders(store.options.spool_folder / "folders")
