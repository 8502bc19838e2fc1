"""Tenants in PostgreSQL; tests/records/store/test_tenancy.py asks SQLite."""

import asyncio

import pytest

from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from tests.interop.postgresql import Server, server
from tests.records.store.test_tenancy import LOOKS, fill

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]


def test_a_tenant_reads_its_own_calls_and_nothing_else(server: Server) -> None:
    async def run() -> None:
        async with Store(StoreOptions(url=server.url)) as store:
            await fill(store)
            for look in LOOKS:
                await look(store)

    asyncio.run(run())
