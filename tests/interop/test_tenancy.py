"""Tenants in PostgreSQL; tests/records/store/test_tenancy.py asks SQLite."""

import asyncio

import asyncpg
import pytest
from alembic import command
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import create_async_engine

from sipgw.config.records import StoreOptions
from sipgw.records.store import schema
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, TurnRecord
from tests.cdr_events import START
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


def call(name: str) -> CallRecord:
    return CallRecord(id=name, trunk="", agent="", caller="", called="", began=START, tenant="acme")


def test_turns_have_the_tenant_of_their_call_whichever_is_written_first(server: Server) -> None:
    earlier = server.url.removesuffix("postgres") + "earlier"

    async def of(store: Store, tenant: str) -> tuple[list[str], int]:
        async with store.of(tenant).read() as session:
            turns = await session.scalar(text("SELECT count(*) FROM turns"))
        return [one["id"] for one in (await store.of(tenant).page(CallFilter(words="hello"))).calls], turns

    async def run() -> None:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE DATABASE earlier")
        await connection.close()
        engine = create_async_engine(earlier.replace("postgresql", "postgresql+asyncpg", 1))
        async with engine.begin() as begun:
            await begun.run_sync(lambda its: command.upgrade(schema.config(its), "0030"))
            await begun.execute(CallRecord.__table__.insert().values(  # type: ignore[attr-defined]
                id="a", direction="in", trunk="", caller="", called="", began=START, tenant="acme",
            ))  # fmt: skip
            await begun.execute(text("INSERT INTO turns (call, number, caller) VALUES ('a', 0, 'Hello')"))
        await engine.dispose()
        async with Store(StoreOptions(url=earlier)) as store:
            assert await of(store, "acme") == (["a"], 1)
            for rows in ([TurnRecord(call="b", number=0, caller="Hello")], [call("b")],
                         [TurnRecord(call="b", number=1, caller="")]):  # fmt: skip
                async with store.write() as session:
                    session.add_all(rows)
            assert await of(store, "acme") == (["b", "a"], 3)
            async with store.write() as session:
                await session.execute(update(CallRecord).where(CallRecord.id == "b").values(tenant="globex"))
            assert (await of(store, "acme"), await of(store, "globex")) == ((["a"], 1), (["b"], 2))

    asyncio.run(run())
