"""Jobs in the database: claimed by one process at a time, retried by rule, never lost. The clock is the test's."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import event

from sipgw.config.numbers import spellings
from sipgw.config.outbound import RetryOptions
from sipgw.config.records import RetentionOptions, StoreOptions
from sipgw.config.tenants import TenantOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition
from sipgw.outbound.jobs import LEASE, JobOutcome, Jobs
from sipgw.outbound.retries import SOON, JobResult, next_step
from sipgw.outbound.tables import Campaign, Job
from sipgw.records.artifacts.maintenance import delete_old
from sipgw.records.store.store import Store

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
US = TrunkOptions("carrier", "peer", networks=("192.0.2.1/32",), domain="carrier.example", country="US")
INBOUND = TrunkOptions("local", "peer", networks=("192.0.2.1/32",))


def with_store(folder: Path, act: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Store(StoreOptions(str(folder / "jobs.db"))) as store:
            return await act(store)

    return asyncio.run(run())


def job(key: str = "a", due: datetime = NOW, campaign: str = "") -> Job:
    return Job(campaign=campaign, key=key, number="+14155550100", agent="agent", due=due.timestamp())


def test_tenants_take_turns_however_many_callbacks_of_one_are_due(tmp_path: Path) -> None:
    asyncio.run(tenants_take_turns(StoreOptions(str(tmp_path / "sipgw.db"))))


async def tenants_take_turns(options: StoreOptions) -> None:
    """Hold the order of the claims in a database; tests/interop/test_shared_database.py asks PostgreSQL."""
    tenants = TenantOptions("acme", ("sales", "desk")), TenantOptions("globex", ("books",))
    due = ["sales", "desk", "sales", "desk", "sales", "books", "books", "house"]
    async with Store(options) as store:
        jobs = Jobs(store, "process", tenants=tenants)
        for number, agent in enumerate(due):
            planned = job(str(number), NOW - timedelta(minutes=60 - number))
            planned.agent = agent
            await jobs.add(planned)
        claimed = list[str]()
        while (one := await jobs.claim("", NOW)) is not None:
            claimed.append(one.agent)
    assert claimed == ["house", "sales", "books", "desk", "books", "sales", "desk", "sales"]


@pytest.mark.slow
def test_two_processes_never_hold_the_same_job(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        processes = [Jobs(store, f"process {number}") for number in range(4)]
        for number in range(40):
            await processes[0].add(job(str(number)))

        taken: list[int] = []

        async def work(jobs: Jobs) -> None:
            while (claimed := await jobs.claim("", NOW)) is not None:
                taken.append(claimed.id)

        async with asyncio.TaskGroup() as group:
            for jobs in processes:
                group.create_task(work(jobs))
        assert sorted(taken) == list(range(1, 41))

    with_store(tmp_path, act)


@pytest.mark.slow
def test_a_job_is_claimed_when_it_is_due_and_free_again_when_its_process_is_gone(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        ours, theirs = Jobs(store, "ours"), Jobs(store, "theirs")
        planned, new = await ours.add(job())
        assert new
        assert await ours.add(job(due=NOW + 5 * SECOND)) == (planned, False), "the same job once"
        assert await ours.claim("", NOW - SECOND) is None
        assert await ours.claim("another campaign", NOW) is None
        mine = await ours.claim("", NOW)
        assert mine is not None
        assert (mine.id, mine.attempts, mine.state) == (planned, 1, "dialling")
        assert await theirs.claim("", NOW + LEASE * SECOND) is None
        assert await ours.renew([planned], NOW + 40 * SECOND) == {planned}
        assert await theirs.claim("", NOW + 90 * SECOND) is None
        assert await theirs.claim("", NOW + 101 * SECOND, left=False) is None
        later = await theirs.claim("", NOW + 101 * SECOND)
        assert later is not None
        assert later.attempts == 2
        assert await ours.renew([planned], NOW + 102 * SECOND) == set()
        await ours.put_down(ours.outcome(mine, JobResult("failed", "busy")))
        await ours.put_down(JobOutcome(planned, "ours", "done", "answered", call="call"))
        (kept,) = await theirs.all("")
        assert (kept.state, kept.holder) == ("dialling", "theirs"), "who has lost the job has no say in it any more"

    with_store(tmp_path, act)


def test_a_clock_that_jumps_lets_nobody_be_called_twice(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        ours = Jobs(store, "ours")
        planned, _ = await ours.add(job())
        assert await ours.claim("", NOW)
        hours_later = NOW + timedelta(hours=2)
        assert await ours.claim("", hours_later, held=[planned]) is None
        assert await ours.claim("", hours_later), "what we do not hold after all, is not lost"

    with_store(tmp_path, act)


def test_who_has_answered_is_not_called_again_by_the_next_process(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        ours, theirs = Jobs(store, "ours"), Jobs(store, "theirs")
        await ours.add(job())
        mine = await ours.claim("", NOW)
        assert mine is not None
        await ours.put_down(
            JobOutcome(mine.id, "ours", "done", "answered", call="call-1")
        )  # and now the process is killed
        assert await theirs.claim("", NOW + timedelta(days=1)) is None
        (kept,) = await theirs.all("")
        assert (kept.state, kept.reason, kept.call) == ("done", "answered", "call-1")
        assert await theirs.open("") == (0, 0.0)
        assert await theirs.states() == {"": {"done": 1}}

    with_store(tmp_path, act)


def test_an_attempt_that_was_none_does_not_count(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        jobs = Jobs(store, "ours")
        await jobs.add(job())
        again = NOW.timestamp()
        for counted, attempts in ((False, 1), (True, 1), (False, 2), (True, 2)):
            mine = await jobs.claim("", NOW)
            assert mine is not None
            assert mine.attempts == attempts
            planned = jobs.outcome(mine, JobResult("planned", "x", again, counted=counted))
            await jobs.put_down(planned)
            await jobs.put_down(planned)  # after a commit of which we were not told
        (kept,) = await jobs.all("")
        assert kept.attempts == 2

    with_store(tmp_path, act)


RULE = RetryOptions(attempts=3, busy=300, no_answer=1800, machine=0, failed=600)


@pytest.mark.parametrize(
    ("kind", "attempts", "state", "wait"),
    [
        ("busy", 1, "planned", 300),
        ("busy", 3, "failed", 0),
        ("no_answer", 2, "planned", 1800),
        ("no_answer", 3, "failed", 0),
        ("failed", 1, "planned", 600),
        ("line_lost", 1, "planned", 600),
        ("declined", 1, "failed", 0),
        ("wrong_number", 1, "failed", 0),
        ("not_permitted", 1, "failed", 0),
        ("too_late", 1, "failed", 0),
        ("fax", 1, "failed", 0),
        ("machine", 1, "failed", 0),
        ("message_left", 1, "done", 0),
        ("callee_hung_up", 1, "done", 0),
        ("agent_hung_up", 3, "done", 0),
        ("transferred", 1, "done", 0),
        ("not_placed", 3, "planned", SOON),
        ("gateway_stopped", 3, "planned", SOON),
    ],
)
def test_what_follows_from_an_ending(kind: str, attempts: int, state: str, wait: float) -> None:
    settled = next_step(RULE, Disposition(kind, "because"), attempts, NOW)
    settled = next_step(RULE, Disposition(kind, "because"), attempts, NOW)
    assert settled.state == state
    assert settled.reason == f"{kind.replace('_', ' ')}: because"
    assert settled.due == (NOW.timestamp() + wait if wait else 0)


def test_the_next_window_is_not_an_attempt() -> None:
    opens = NOW + timedelta(hours=20)
    settled = next_step(RULE, Disposition("not_permitted", "it is night there", opens), 3, NOW)
    settled = next_step(RULE, Disposition("not_permitted", "it is night there", opens), 3, NOW)
    assert settled == JobResult("planned", "not permitted: it is night there", opens.timestamp(), counted=False)


def test_a_rule_that_rings_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10 s"):
        RetryOptions(busy=1)
    with pytest.raises(ValueError, match="attempts"):
        RetryOptions(attempts=0)


def test_a_callback_that_was_made_is_kept_for_its_days_and_rows_of_campaigns_are_not_called_again(
    tmp_path: Path,
) -> None:
    async def act(store: Store) -> list[str]:
        jobs = Jobs(store, "one")
        for key, state, age, campaign in (
            ("old", "done", 10, ""), ("given up", "failed", 10, ""), ("new", "done", 1, ""), ("row", "done", 10, "c"),
            ("still to be made", "planned", 10, ""),
        ):  # fmt: skip
            one = job(key, NOW - timedelta(days=age), campaign)
            one.state = state
            await jobs.add(one)
        removed = await delete_old(store, RetentionOptions(calls=5), NOW, jobs.purge)
        assert removed.callbacks == 2
        return [one.key for one in (*await jobs.all(""), *await jobs.all("c"))]

    assert with_store(tmp_path, act) == ["new", "still to be made", "row"]


@pytest.mark.parametrize("answered", [True, False])
def test_a_campaign_can_be_deleted_though_its_process_was_killed_in_a_call(tmp_path: Path, answered: bool) -> None:
    async def act(store: Store) -> None:
        killed, next_one = Jobs(store, "killed"), Jobs(store, "next")
        await killed.start(Campaign(name="spring"), [job(campaign="spring")])
        claimed = await killed.claim("spring", NOW)
        assert claimed is not None
        if answered:  # else somebody stops the campaign, so nobody claims the job again
            await killed.put_down(JobOutcome(claimed.id, "killed", "done", "answered", over=False))
        else:
            await next_one.set_state("spring", "stopped")
        assert not await next_one.remove("spring", NOW + (LEASE - 1) * SECOND), "the call may go on"
        assert await next_one.remove("spring", NOW + (LEASE + 1) * SECOND)
        assert not await next_one.all("spring") and not await next_one.has("spring")

    with_store(tmp_path, act)


def test_who_is_forgotten_is_not_called_back(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with Store(StoreOptions(path=str(tmp_path / "x.db"))) as store:
            jobs = Jobs(store, "one")
            for number in ("+14155550100", "+14155550101"):
                await jobs.add(Job(campaign="", key=number, number=number, agent="agent", due=0.0))
            assert await jobs.forget(spellings("4155550100")) == 0
            assert await jobs.forget(spellings("14155550100")) == 1
            return [job.number for job in await jobs.all("")]

    assert asyncio.run(scenario()) == ["+14155550101"]


@pytest.mark.faults("C10")
@pytest.mark.parametrize("left", [True, False])
def test_jobs_that_are_over_are_not_looked_at(tmp_path: Path, left: bool) -> None:
    """The plan of the database, not its speed: no scan, and no sorting of all that are due."""

    async def act(store: Store) -> None:
        asked: list[str] = []
        async with store.read() as session:
            connection = await session.connection()
            event.listen(connection.sync_engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
        jobs = Jobs(store, "me")
        await jobs.add(job())
        await jobs.start(Campaign(name="people", state="running"), [])
        asked.clear()
        assert await jobs.claim("people", NOW, left=left) is None
        assert await jobs.open("people") == (0, 0.0)
        assert await jobs.campaigns(only_open=True) == []
        asked = [one for one in asked if "FROM jobs" in one]
        assert len(asked) == 4, asked
        with contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
            for query in asked:
                plan = database.execute(f"EXPLAIN QUERY PLAN {query}", [0] * query.count("?")).fetchall()
                told = [row[3] for row in plan]
                assert any(
                    "INDEX jobs_open (campaign=?" in line or "INDEX jobs_held (campaign=?" in line for line in told
                )
                assert not any("SCAN jobs" in line or "TEMP B-TREE" in line for line in told), told

    with_store(tmp_path, act)
