"""Tenants in PostgreSQL; tests/records/store/test_tenancy.py asks SQLite."""

import asyncio
from typing import Any

import pytest

from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from tests.interop.postgresql import Server, server
from tests.records.store.test_tenancy import (
    changes_nothing,
    fill,
    holds_on_every_connection,
    sees_no_trunk,
    sees_only_its_own,
)

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]


def test_a_tenant_reads_its_own_calls_and_nothing_else(server: Server) -> None:
    async def run() -> None:
        async with Store(StoreOptions(url=server.url)) as store:
            await fill(store)
            looks: tuple[Any, ...] = (sees_only_its_own, changes_nothing, holds_on_every_connection, sees_no_trunk)
            for look in looks:
                await look(store)

    asyncio.run(run())
