"""A PostgreSQL that answers nothing for longer than a statement may take: a database error, and no call ends by it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from sipgw.config.records import StoreOptions
from sipgw.events import Disposition
from sipgw.outbound import job_dialer
from sipgw.outbound.job_dialer import JobDialer, Pace
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from sipgw.records.store import postgresql
from sipgw.records.store.store import Store
from sipgw.web.accounts import Accounts
from sipgw.web.principal import Principal
from tests.interop.postgresql import Server, server
from tests.outbound.test_outcomes import House
from tests.waiting import HANG, until

__all__ = ["server"]
pytestmark = pytest.mark.programs("postgresql")


@contextlib.asynccontextmanager
async def opened(server: Server, folder: Path) -> AsyncIterator[Store]:
    """A database of the newest schema, whose limits are short."""
    options = StoreOptions(str(folder / "x.db"), server.url)
    async with asyncio.timeout(HANG), contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(Store(options))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(postgresql, "STATEMENT", 2.0)
        patch.setattr(postgresql, "CONNECT", 2.0)
        store = await stack.enter_async_context(Store(options))
        try:
            yield store
        finally:
            server.thaw()


async def a_read(server: Server, store: Store) -> None:
    async with store.read() as session:
        await session.execute(text("SELECT 1"))
        server.freeze()
        await session.execute(text("SELECT 2"))


async def a_commit(server: Server, store: Store) -> None:
    async with store.write() as session:
        await session.execute(text("SELECT 1"))
        server.freeze()


async def a_connection_of_the_pool(server: Server, store: Store) -> None:
    async with store.read() as session:
        await session.execute(text("SELECT 1"))
    server.freeze()
    async with store.read() as session:
        await session.execute(text("SELECT 1"))


async def a_new_connection(server: Server, store: Store) -> None:
    async with store.read() as first:
        await first.execute(text("SELECT 1"))
        server.freeze()
        async with store.read() as second:
            await second.execute(text("SELECT 1"))


@pytest.mark.parametrize("act", [a_read, a_commit, a_connection_of_the_pool, a_new_connection])
def test_whatever_is_not_answered_in_time_is_a_database_error(
    act: Callable[[Server, Store], Awaitable[None]], server: Server, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with opened(server, tmp_path) as store:
            with pytest.raises(OperationalError):
                await act(server, store)
            server.thaw()
            async with store.read() as session:
                assert await session.scalar(text("SELECT 3")) == 3, "the pool has no broken connection left"

    asyncio.run(scenario())


def test_who_writes_into_the_audit_log_goes_on(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(server, tmp_path) as store:
            accounts = Accounts(store)
            await accounts.note(Principal.named("ann"), "", "signed in")
            server.freeze()
            await accounts.note(Principal.named("ann"), "", "made a call", "+14155550100")

    asyncio.run(scenario())


def test_calls_of_jobs_go_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leases cannot be renewed, outcomes and campaigns cannot be read; the people who speak do not notice."""

    monkeypatch.setattr(job_dialer, "RENEW", 0.2)

    async def scenario() -> None:
        async with opened(server, tmp_path) as store:
            jobs, gateway = Jobs(store, "me"), House()
            for key in ("a", "b"):
                await jobs.add(Job(campaign="", key=key, number="+14155550100", agent="agent", due=0.0))
            dialer = JobDialer(jobs, gateway, Pace(per_second=100))  # type: ignore[arg-type]
            async with asyncio.TaskGroup() as group:
                group.create_task(dialer.run())
                await until(lambda: len(gateway.placed) == 2)
                with capture_logs() as told:
                    server.freeze()
                    await until(lambda: len(told) >= 2)
                gateway.placed[0].over.set_result(Disposition("caller_hung_up", ""))
                server.thaw()
                await until(lambda: len(dialer._held) == 1)
                gateway.placed[1].over.set_result(Disposition("caller_hung_up", ""))
                dialer.finish()
            assert {line["event"] for line in told} == {"the jobs cannot be read or written"}
            assert [call.stopped for call in gateway.placed] == ["", ""]
            assert (await jobs.states())[""] == {"done": 2}

    asyncio.run(scenario())
