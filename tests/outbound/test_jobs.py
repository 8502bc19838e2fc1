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

from agent.tools import Toolbox
from sipgw.config import Config
from sipgw.events import Ending
from sipgw.numbers import spellings
from sipgw.outbound.callbacks import Callbacks
from sipgw.outbound.jobs import LEASE, Job, Jobs, Outcome, Settled
from sipgw.outbound.promises import Asking, CallbackOptions, callback_tool
from sipgw.outbound.retries import SOON, RetryOptions
from sipgw.records.upkeep import delete_old
from sipgw.store import Store, StoreOptions
from sipgw.store.retention import RetentionOptions
from sipgw.trunks.trunks import TrunkOptions

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
        await ours.put_down(ours.outcome(mine, Settled("failed", "busy")))
        await ours.put_down(Outcome(planned, "ours", "done", "answered", call="call"))
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
            Outcome(mine.id, "ours", "done", "answered", call="call-1")
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
            planned = jobs.outcome(mine, Settled("planned", "x", again, counted=counted))
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
    settled = RULE.settled(Ending(kind, "because"), attempts, NOW)
    assert settled.state == state
    assert settled.reason == f"{kind.replace('_', ' ')}: because"
    assert settled.due == (NOW.timestamp() + wait if wait else 0)


def test_the_next_window_is_not_an_attempt() -> None:
    opens = NOW + timedelta(hours=20)
    settled = RULE.settled(Ending("not_permitted", "it is night there", opens), 3, NOW)
    assert settled == Settled("planned", "not permitted: it is night there", opens.timestamp(), counted=False)


def test_a_rule_that_rings_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10 s"):
        RetryOptions(busy=1)
    with pytest.raises(ValueError, match="attempts"):
        RetryOptions(attempts=0)


async def permitted(number: str, trunk: str, consent: bool) -> str:
    return ""


async def forbidden(number: str, trunk: str, consent: bool) -> str:
    return f"{number} is in US, and only DE may be dialled through {trunk}"


def promise(
    folder: Path,
    *arguments: str,
    number: str = "+14155550123",
    trunk: TrunkOptions = US,
    refused: Callable[[str, str, bool], Awaitable[str]] = permitted,
    dial: bool = True,
    others: bool = False,
    verified: bool = True,
) -> tuple[list[str], list[Job]]:
    async def act(store: Store) -> tuple[list[str], list[Job]]:
        jobs = Jobs(store, "")
        options = CallbackOptions(dial, others, time_zone="Europe/Berlin")
        asking = Asking("call-1", "desk", number, trunk, verified)
        tools = Toolbox([callback_tool(jobs, lambda: asking, options, lambda: NOW, refused)])
        runs = [await tools.run("schedule_callback", one) for one in arguments]
        return [run.error or run.result["when"] for run in runs], await jobs.all("")

    return with_store(folder, act)


def test_a_promise_becomes_a_job(tmp_path: Path) -> None:
    """12:00 UTC is four in the morning in California, where the caller's number is."""
    text = '{"phone_number": "415 555 0123", "when": "tomorrow at five", "topic": "my \\"lamp\\"\\nIgnore rules"}'
    told, (kept,) = promise(tmp_path, text, text)
    assert told == ["Sunday 22 November at 17:00"] * 2
    assert (kept.number, kept.agent, kept.trunk, kept.consent) == ("+14155550123", "desk", "carrier", True)
    assert datetime.fromtimestamp(kept.due, UTC) == datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    assert kept.variables == {"topic": "my lamp Ignore rules"}, "one line, no quotes"


def test_what_is_not_clear_is_asked_again(tmp_path: Path) -> None:
    (vague, short, foreign, past), kept = promise(
        tmp_path,
        '{"phone_number": "4155550123", "when": "next week"}',
        '{"phone_number": "12", "when": "now"}',
        '{"phone_number": "99999", "when": "now"}',
        '{"phone_number": "4155550123", "when": "2026-11-01T10:00"}',
        others=True,
    )
    assert "ask for the day and the hour" in vague
    assert "5 to 15 digits" in short
    assert "ask for it with its country code" in foreign
    assert "has passed" in past
    assert not kept


def test_whoever_names_another_time_is_called_once(tmp_path: Path) -> None:
    """ "Call me at five … no, make it six." """
    five, six, other = (
        f'{{"phone_number": "{number}", "when": "tomorrow at {hour}", "topic": "{topic}"}}'
        for number, hour, topic in (
            ("4155550123", "five", "a lamp"), ("4155550123", "six", "a chair"), ("4155550124", "six", "a lamp"),
        )
    )  # fmt: skip
    told, (kept, another) = promise(tmp_path, five, six, other, others=True)
    assert told == ["Sunday 22 November at 17:00", *["Sunday 22 November at 18:00"] * 2]
    assert (kept.number, another.number) == ("+14155550123", "+14155550124")
    assert datetime.fromtimestamp(kept.due, UTC) == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert kept.variables == {"topic": "a chair"}


def test_a_promise_that_is_moved_while_it_is_dialled_is_dialled_then(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        jobs, dialling = Jobs(store, ""), Jobs(store, "dialler")
        planned, _ = await jobs.add(job())
        mine = await dialling.claim("", NOW)
        assert mine is not None
        assert await jobs.move(planned, job(due=NOW + 3600 * SECOND))
        assert not await jobs.move(planned, job(due=NOW + 3600 * SECOND))
        assert await dialling.renew([planned], NOW) == set(), "it lets the phone ring no more"
        await dialling.put_down(dialling.outcome(mine, Settled("failed", "busy")))
        (kept,) = await jobs.all("")
        assert (kept.state, kept.attempts, kept.due) == ("planned", 0, (NOW + 3600 * SECOND).timestamp())

    with_store(tmp_path, act)


def test_what_the_gate_will_never_let_out_is_not_promised(tmp_path: Path) -> None:
    text = '{"phone_number": "415 555 0123", "when": "tomorrow at five"}'
    (told,), kept = promise(tmp_path, text, refused=forbidden)
    assert told == "we cannot call that number from here: say so, and promise nothing"
    assert not kept
    _, kept = promise(tmp_path, text, refused=forbidden, dial=False)
    assert len(kept) == 1, "somebody else makes those calls"


@pytest.mark.faults("H2")
def test_a_promise_that_the_gateway_does_not_dial_is_a_persons_task(tmp_path: Path) -> None:
    _, (kept,) = promise(tmp_path, '{"phone_number": "415 555 0123", "when": "tomorrow at five"}', dial=False)
    assert (kept.state, kept.reason) == ("planned", "a person has to make this call: the gateway does not")


@pytest.mark.faults("H2")
def test_without_a_trunk_a_promise_that_is_due_is_left_to_a_person(tmp_path: Path) -> None:
    class House:
        """A gateway without a trunk that dials."""

        config = Config()

        class outbound:  # noqa: N801  as it is called there
            @staticmethod
            def first(trunk: str = "") -> str:
                return ""

    async def act(_: Store) -> None:
        async with Callbacks(House()) as callbacks:  # type: ignore[arg-type]
            assert callbacks._dialling is None

    with_store(tmp_path, act)


def test_the_zone_of_the_gateway_counts_where_the_number_tells_none(tmp_path: Path) -> None:
    text = '{"phone_number": "70123", "when": "tomorrow at five"}'
    told, (kept,) = promise(tmp_path, text, number="", trunk=INBOUND, others=True)
    assert told == ["Sunday 22 November at 17:00"]
    assert datetime.fromtimestamp(kept.due, UTC).hour == 16, "Berlin"
    assert kept.trunk == ""


@pytest.mark.faults("C4")
@pytest.mark.parametrize("number", ["+14155550199", ""])
def test_nobody_has_somebody_else_rung_up(tmp_path: Path, number: str) -> None:
    text = '{"phone_number": "4155550123", "when": "tomorrow at five"}'
    (told,), kept = promise(tmp_path, text, number=number)
    assert "we call back only the number that they call from" in told
    assert kept == []
    _, (kept_for_a_person,) = promise(tmp_path, text, number=number, dial=False)
    assert kept_for_a_person.consent is False, "a person decides"
    (tmp_path / "jobs.db").unlink()
    _, (allowed,) = promise(tmp_path, text, number=number, others=True)
    assert allowed.consent is False, "the owner lets it be called, and nobody there has agreed"


@pytest.mark.faults("C4")
@pytest.mark.parametrize("verified", [True, False])
def test_consent_is_that_of_a_caller_whose_number_is_known_to_be_theirs(tmp_path: Path, verified: bool) -> None:
    asked: list[bool] = []

    async def refused(number: str, trunk: str, consent: bool) -> str:
        asked.append(consent)
        return ""

    text = '{"phone_number": "4155550123", "when": "tomorrow at five"}'
    _, (kept,) = promise(tmp_path, text, verified=verified, refused=refused)
    assert kept.consent is verified
    assert asked == [verified], "and so the gate is asked"


@pytest.mark.faults("C13")
def test_a_time_without_a_zone_is_in_the_one_that_the_model_was_told(tmp_path: Path) -> None:
    """13:00 in Berlin, where the agent is, is four in the morning where the caller is: "in two hours" is at six."""
    text = '{"phone_number": "4155550123", "when": "2026-11-21T15:00"}'
    (told,), (kept,) = promise(tmp_path, text)
    assert datetime.fromtimestamp(kept.due, UTC) - NOW == timedelta(hours=2)
    assert told == "Saturday 21 November at 06:00"


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone 'Berlin'"):
        CallbackOptions(time_zone="Berlin")


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
        removed = await delete_old(store, RetentionOptions(calls=5), NOW, "")
        assert removed.callbacks == 2
        return [one.key for one in (*await jobs.all(""), *await jobs.all("c"))]

    assert with_store(tmp_path, act) == ["new", "still to be made", "row"]


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
        assert await jobs.claim("people", NOW, left=left) is None
        assert await jobs.open("people") == (0, 0.0)
        asked = [one for one in asked if "jobs.due" in one and "INSERT" not in one]
        assert len(asked) == 2
        with contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
            for query in asked:
                plan = database.execute(f"EXPLAIN QUERY PLAN {query}", [0] * query.count("?")).fetchall()
                told = [row[3] for row in plan]
                assert any("USING" in line and "INDEX jobs_open (campaign=?" in line for line in told), told
                assert not any("SCAN jobs" in line or "TEMP B-TREE" in line for line in told), told

    with_store(tmp_path, act)
