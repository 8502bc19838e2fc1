"""Calls that were promised to people, as the full stack keeps them: looked at, waited for, and hurried on."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, true, update

from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from tests.interop.stack import Stack
from tests.waiting import HANG


async def jobs_of(running: Stack) -> dict[str, Job]:
    async with running.store() as store:
        return {job.key: job for job in await Jobs(store, "test").all("")}


async def job_is(running: Stack, key: str, state: str) -> Job:
    """Wait until a promise has come so far."""
    async with asyncio.timeout(HANG):
        while (job := (await jobs_of(running)).get(key)) is None or job.state != state:
            await asyncio.sleep(0.1)
        return job


async def hurry(running: Stack) -> None:
    """As if the half minutes between two tries of a promise passed at once."""
    async with running.store() as store, store.write() as session:
        due = datetime.now(UTC).timestamp()
        await session.execute(update(Job).where(Job.state == "planned").values(due=due))


async def due_now(running: Stack, reached: Callable[[], object]) -> None:
    """Wait, and hurry."""
    async with asyncio.timeout(HANG):
        while not reached():
            await hurry(running)
            await asyncio.sleep(0.5)


async def leases_run_out(running: Stack, key: str = "") -> None:
    """As if a minute had passed since the gateways renewed the jobs that they hold, or this one."""
    which: ColumnElement[bool] = Job.key == key if key else true()
    async with running.store() as store, store.write() as session:
        await session.execute(update(Job).where(Job.state == "dialling", which).values(lease=1.0))
