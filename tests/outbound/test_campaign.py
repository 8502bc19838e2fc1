"""Campaigns: the rows of a CSV file, called by one process and by several."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.agent import AgentOptions
from sipgw.config.records import StoreOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.outbound.campaign import CampaignRow, FileError, InvalidRow, read, unused
from sipgw.outbound.job_dialer import JobDialer
from sipgw.outbound.jobs import Jobs, TooSoonError
from sipgw.outbound.tables import Campaign, Job
from sipgw.records.store.store import Store
from sipgw.sip.events import Phase
from sipgw.sip.leg import Leg
from tests.callee import Callee, callee, carrier_lines
from tests.cloud import Cloud
from tests.interop.served import CONFIG, GATE
from tests.outbound.test_call_out import calling_out
from tests.ports import free_ports
from tests.waiting import HANG, until

AGENT = AgentOptions(variables=("name",))
TRUNK = TrunkOptions("carrier", "peer", networks=("192.0.2.1/32",), domain="carrier.example", country="US")


def rows(text: str, trunk: TrunkOptions = TRUNK) -> list[CampaignRow | InvalidRow]:
    return list(read(text.splitlines(keepends=True), AGENT, trunk))


def test_rows_become_people_to_be_called() -> None:
    text = '\ufeffnumber,name,city\n+14155550100,Ann,Oslo\n"(415) 555-0101","Lee, Bob",\n\n'
    assert rows(text) == [
        CampaignRow(2, "+14155550100", {"name": "Ann"}),
        CampaignRow(3, "+14155550101", {"name": "Lee, Bob"}),
    ]
    assert unused(["number", "name", "city", ""], AGENT) == ["city"]
    assert rows("name;number\nAnn;+14155550100\n") == [CampaignRow(2, "+14155550100", {"name": "Ann"})]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("+14155550100", "1 columns instead of 2"),
        ("+14155550100,Ann,more", "3 columns instead of 2"),
        (",Ann", "no number"),
        ("nobody,Ann", "is no telephone number"),
        ("12,Ann", "too short or too long"),
        ("+14155550100,", "the agent needs a value for name"),
        ('+14155550100,"Ann', "unexpected end of data"),
        ("+14155550100,A\x07nn", "without line breaks"),
        ("+14155550100,A\ufffdnn", "not UTF-8"),
        ("+1 415 555 0199,Ann", "the same number as in line 2"),
        ("+14155550100," + "A" * 30_000, "longer than"),
    ],
)
def test_a_broken_row_is_told_by_line_and_the_rest_runs(row: str, problem: str) -> None:
    first, broken, last = rows(f"number,name\n+14155550199,Zoe\n{row}\n+14155550198,Eve\n")
    assert isinstance(first, CampaignRow)
    assert isinstance(last, CampaignRow)
    assert isinstance(broken, InvalidRow)
    assert broken.line == 3
    assert problem in broken.problem


@pytest.mark.parametrize(
    ("header", "problem"), [("", "no column 'number'"), ("name,phone", "there are name, phone"),
                            ("number,name,name", "two columns are called 'name'")],
)  # fmt: skip
def test_a_file_without_numbers_is_refused(header: str, problem: str) -> None:
    with pytest.raises(FileError, match=problem):
        rows(f"{header}\n+14155550100,Ann\n")


def test_extensions_pass_where_the_trunk_takes_them() -> None:
    pbx = TrunkOptions("pbx", "peer", networks=("192.0.2.1/32",), domain="pbx.example", number_format="as_dialled")
    assert rows("number,name\n200,Ann\n", pbx) == [CampaignRow(2, "200", {"name": "Ann"})]


@given(st.lists(st.text(max_size=60), max_size=20))
def test_whatever_stands_in_a_file_is_read_or_told(lines: list[str]) -> None:
    for one in rows("number,name\n" + "\n".join(lines)):
        assert one.line >= 2


def planned(count: int) -> list[Job]:
    return [
        Job(
            campaign="c", key=str(at), number=f"+1415555{at:04}", agent="agent", due=datetime.now(UTC).timestamp(),
            consent=True,
        )
        for at in range(count)
    ]  # fmt: skip


def says_no(_: Callee, leg: Leg) -> None:
    leg.reject(603)


def fast(concurrent: int = 4, state: str = "running") -> Campaign:
    return Campaign(name="c", state=state, concurrent=concurrent, per_second=50.0, attempts=2, busy=10, no_answer=10)


@contextlib.asynccontextmanager
async def dialled(world: Cloud, processes: int = 1) -> AsyncIterator[list[JobDialer]]:
    """Several processes dial, without callbacks; they finish when the block ends."""
    dialers = [JobDialer(Jobs(world.gateway.store, f"process {number}"), world.gateway) for number in range(processes)]
    async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
        for one in dialers:
            group.create_task(one.run())
        yield dialers
        for one in dialers:
            one.finish()


async def reached(jobs: Jobs, **counts: int) -> None:
    """Wait until the campaign has so many jobs in each state."""
    async with asyncio.timeout(HANG):
        while await jobs.states() != {"c": counts}:
            await asyncio.sleep(0.05)


@pytest.mark.slow
def test_no_more_calls_than_wanted_are_up_and_a_crowd_of_dialers_calls_each_once(tmp_path: Path) -> None:
    up: list[int] = []

    def slowly(person: Callee, leg: Leg) -> None:
        leg.ringing()
        up.append(len([one for one in person.legs if one.phase is not Phase.ENDED]))
        person.after(0.2, lambda one: one.reject(603), leg)

    async def scenario() -> None:
        async with callee(slowly) as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            assert await jobs.start(fast(), planned(12)) == 12
            assert await jobs.start(fast(), planned(13)) == 1, "a file that has grown"
            async with dialled(world, 2):
                await reached(jobs, failed=13)
            called = sorted(leg.request.uri.user for leg in person.legs)
            assert called == [f"+1415555{at:04}" for at in range(13)]
            assert 2 <= max(up) <= 4, "of both together"

    asyncio.run(scenario())


def test_a_dialer_that_finishes_lets_calls_come_to_their_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            await jobs.start(fast(concurrent=1), planned(2))
            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                one = JobDialer(Jobs(world.gateway.store, "one"), world.gateway)
                running = group.create_task(one.run())
                while not person.phones:
                    await asyncio.sleep(0.02)
                one.finish()
                await asyncio.sleep(0.3)
                assert not running.done()
                person.legs[0].hangup()
            assert await jobs.states() == {"c": {"done": 1, "planned": 1}}

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_campaign_that_is_paused_lets_calls_end_and_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            await jobs.start(fast(concurrent=2), planned(3))
            async with dialled(world):
                await reached(jobs, dialling=2, planned=1)
                assert await jobs.set_state("c", "paused")
                await until(lambda: len(person.legs) == 2)
                person.legs[0].reject(603)
                await reached(jobs, dialling=1, failed=1, planned=1)
                assert await jobs.calls("c", datetime.now(UTC)) == 1, "the other one still rings"
                assert await jobs.claim("c", datetime.now(UTC)) is None
                await jobs.set_state("c", "running")
                await reached(jobs, dialling=2, failed=1)
                await until(lambda: len(person.legs) == 3)
                for leg in person.legs[1:]:
                    leg.reject(603)
                await reached(jobs, failed=3)

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_campaign_that_is_stopped_ends_its_calls_and_loses_nobody(tmp_path: Path) -> None:
    def takes(person: Callee, leg: Leg) -> None:
        (person.pick_up if str(leg.request.uri.user).endswith("0") else Leg.ringing)(leg)

    async def scenario() -> None:
        async with callee(takes) as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            await jobs.start(fast(), planned(2))
            async with dialled(world):
                await reached(jobs, dialling=1, done=1)
                assert await jobs.calls("c", datetime.now(UTC)) == 2, "one is answered, and goes on"
                await jobs.set_state("c", "stopped")
                await reached(jobs, done=1, planned=1)
                async with asyncio.timeout(HANG):
                    while world.gateway.calls or await jobs.calls("c", datetime.now(UTC)):
                        await asyncio.sleep(0.05)
                spoken, rang = await jobs.all("c")
                assert spoken.reason == "answered; the campaign was stopped", "nobody is called twice for it"
                assert (rang.attempts, rang.reason) == (0, "cancelled: the campaign was stopped")
            assert sorted(leg.how for leg in person.ended) == ["BYE", "CANCEL"]

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_campaign_that_is_stopped_ends_its_calls_also_if_they_are_the_last(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            await jobs.start(fast(), planned(2))
            async with dialled(world):
                await reached(jobs, done=2)
                await jobs.set_state("c", "stopped")
                await until(lambda: len(person.ended) == 2)
            assert {one.reason for one in await jobs.all("c")} == {"answered; the campaign was stopped"}

    asyncio.run(scenario())


def test_the_pace_of_a_campaign_holds_and_a_clock_that_is_set_back_does_not_stop_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            jobs, now = Jobs(store, "one"), datetime.now(UTC) + timedelta(minutes=1)
            slow = Campaign(name="c", state="running", concurrent=3, per_second=0.5)
            await jobs.start(slow, planned(5))
            assert await jobs.claim("unknown", now) is None
            assert await jobs.claim("c", now)
            with pytest.raises(TooSoonError) as early:  # a call every two seconds
                await jobs.claim("c", now + timedelta(seconds=1.5))
            assert early.value.wait == pytest.approx(0.5)
            assert await Jobs(store, "two").claim("c", now + timedelta(seconds=2))
            an_hour_ago = now - timedelta(hours=1)
            async with store.write() as session:
                anew = {"state": "planned", "holder": "", "lease": 0.0, "due": an_hour_ago.timestamp()}
                await session.execute(update(Job).values(**anew))
            for _ in range(3):
                an_hour_ago += timedelta(seconds=2)
                assert await jobs.claim("c", an_hour_ago)
            assert await jobs.claim("c", an_hour_ago + timedelta(seconds=2)) is None, "three calls are up"
            assert await jobs.claim("c", an_hour_ago + timedelta(hours=1)), "their processes live no more"

    asyncio.run(scenario())


# The command


def configured(folder: Path, port: int) -> None:
    text = CONFIG.format(
        stt="local", llm="local", tts="local", port=free_ports(), first=32000, last=32398,
        database=folder / "gateway.db", more=carrier_lines(port),
    )  # fmt: skip
    text = text.replace("[agent]", '[agent]\nvariables = ["name"]\noutbound_greeting = "Hello {{name}}."')
    (folder / "sipgw.toml").write_text(text + GATE)
    (folder / "people.csv").write_text(
        "number,name,city\n+14155550101,Ann,x\n+14155550102,Bob,x\nbroken,Eve,x\n+14155550103,Cid,x\n+14155550104,,x\n"
    )


def campaign(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "sipgw", "campaign", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_campaign_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    import sqlite3

    def takes(person: Callee, leg: Leg) -> None:
        number = leg.request.uri.user
        if number == "+14155550101":
            leg.reject(603)
        elif number == "+14155550103" and busy:
            leg.reject(busy.pop())
        elif ringing:
            leg.ringing()
        else:
            person.pick_up(leg)
            person.after(1.0, Leg.hangup, leg)

    ringing, busy = [True], [486]

    def written() -> bool:
        """What became of the calls that were answered stands in the database."""
        with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
            states = dict(database.execute("SELECT number, state FROM jobs"))
        return (states["+14155550101"], states["+14155550103"]) == ("failed", "planned")

    async def scenario() -> None:
        async with callee(takes) as person:
            configured(tmp_path, person.port)
            first = campaign(tmp_path, "run", "people.csv", "--consent", "--busy", "10")
            async with asyncio.timeout(HANG):
                while len(person.legs) < 3:
                    await asyncio.sleep(0.05)
                await until(lambda: written())
            first.send_signal(signal.SIGKILL)
            first.wait()
            called = [leg.request.uri.user for leg in person.legs]
            assert sorted(called) == ["+14155550101", "+14155550102", "+14155550103"]
            with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
                database.execute("UPDATE jobs SET lease = lease - 3600, due = due - 3600")  # an hour goes by
                database.commit()
            ringing.clear()
            both = [campaign(tmp_path, "run", "people.csv", "--consent", "--busy", "10") for _ in range(2)]
            told = [await asyncio.to_thread(one.communicate, timeout=HANG) for one in both]  # noqa: TID251
            assert [one.returncode for one in both] == [0, 0], told
            again = [leg.request.uri.user for leg in person.legs][3:]
            assert sorted(again) == ["+14155550102", "+14155550103"], "each once, though two processes dial"
            for printed, errors in told:
                assert "people: 0 new rows, 3 of an earlier run" in printed
                assert "people: 2 done, 1 failed" in printed
                assert "left out line 4: 'broken' is no telephone number" in errors
                assert "left out line 6: the agent needs a value for name" in errors
                assert "no variable 'city'" in errors
            with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
                endings = database.execute("SELECT ending FROM calls WHERE answered IS NOT NULL").fetchall()
            assert endings == [("callee_hung_up",)] * 2, "no command leaves before the last call has ended"
        shown = campaign(tmp_path, "status", "people").communicate(timeout=HANG)[0]
        assert "+14155550101" in shown
        assert "declined" in shown
        assert "+14155550102" not in shown, "what is done needs nobody's eyes"
        assert "people" in campaign(tmp_path, "status").communicate(timeout=HANG)[0]

    asyncio.run(scenario())


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, free_ports())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("name\nAnn\n")
    for arguments, problem in (
        (("empty.csv",), "there is no column 'number'"),
        (("missing.csv",), "No such file"),
        (("people.csv", "--agent", "nobody"), "there is no agent 'nobody'"),
        (("people.csv", "--trunk", "moon"), "there is no trunk 'moon'"),
        (("people.csv", "--name", "a/b"), "no name for a campaign"),
    ):
        ran = CliRunner().invoke(app, ["campaign", "run", *arguments])
        assert ran.exit_code == 2
        assert problem in ran.output
