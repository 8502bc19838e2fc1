"""Nobody is called more often than is agreed, whoever asks and whatever crashes; and nothing goes unwritten."""

import asyncio
import itertools
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sipgw.policy.gate import audit
from sipgw.policy.gate.gate import GateRefusal
from sipgw.policy.gate.rules import GateRequest, Permit
from tests.gate_world import ALWAYS, CALIFORNIA, NOON, World, run
from tests.waiting import HANG, until, within


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_number_is_called_so_often_in_a_day_and_in_a_week(world: World) -> None:
    async def scene() -> None:
        async with world.up(per_number_per_day=2, per_number_per_week=3, windows=ALWAYS):
            first = world.now
            assert await world.dial() == Permit(CALIFORNIA)
            world.now += timedelta(hours=3)
            assert await world.dial() == Permit(CALIFORNIA)
            assert await world.dial() == GateRefusal(
                "cap_number",
                f"{CALIFORNIA} was called 2 times within 24 hours, and [gate] per_number_per_day is 2",
                first + timedelta(days=1),
            )
            assert isinstance(await world.dial("+12125550100"), Permit)
            world.now = first + timedelta(days=1)
            assert await world.dial() == Permit(CALIFORNIA)
            world.now += timedelta(days=2)
            _, reason = await world.refused()
            assert "was called 3 times within 7 days, and [gate] per_number_per_week is 3" in reason
            world.now = first + timedelta(days=7)
            assert await world.dial() == Permit(CALIFORNIA)

    run(scene())


def test_all_calls_of_a_day_together(world: World) -> None:
    async def scene() -> None:
        async with world.up(per_day=2):
            await world.dial("+14155550101")
            await world.dial("+14155550102")
            assert await world.refused() == ("cap_day", "2 calls were made within 24 hours; [gate] per_day is 2")

    run(scene())


def test_tenants_leave_calls_of_a_day_for_each_other_and_the_operator(world: World) -> None:
    async def called(count: int, tenant: str) -> int:
        """How many of `count` calls to different numbers are let out."""
        numbers = [f"+1415555{next(last):04}" for _ in range(count)]
        return sum([isinstance(await world.dial(number, tenant=tenant), Permit) for number in numbers])

    async def scene() -> None:
        async with world.up(per_day=8, windows=ALWAYS):
            assert await called(9, "acme") == 4
            share = "4 calls were made within 24 hours, 4 of them by acme, which may use half of what others leave"
            assert await world.refused(tenant="acme") == ("cap_day", f"{share}; [gate] per_day is 8")
            world.now += timedelta(hours=1)
        async with world.up(per_day=8, windows=ALWAYS):
            assert await called(9, "acme") == 0, "a restart forgets nothing"
            assert await called(9, "globex") == 2
            assert await called(9, "") == 2, "the operator may use the rest"
            refused = await world.dial(tenant="acme")
            assert isinstance(refused, GateRefusal) and refused.again
            world.now = refused.again - timedelta(seconds=1)
            assert isinstance(await world.dial(tenant="acme"), GateRefusal), "no later than need be"
            world.now = refused.again
            assert isinstance(await world.dial(tenant="acme"), Permit), "then it may"

    last = itertools.count(100)
    run(scene())


def test_a_restart_forgets_no_call_and_another_process_counts_too(world: World) -> None:
    async def scene() -> None:
        other = World(world.folder)
        async with world.up(per_number_per_day=2), other.up(per_number_per_day=2):
            assert await world.dial() == Permit(CALIFORNIA)
            assert await other.dial() == Permit(CALIFORNIA)
            assert (await world.refused())[0] == "cap_number"
        world.now += timedelta(hours=1)
        async with world.up(per_number_per_day=2):
            assert (await world.refused())[0] == "cap_number"

    run(scene())


def test_a_week_that_began_in_the_month_before_counts(world: World) -> None:
    async def scene() -> None:
        world.now = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)
        async with world.up(per_number_per_week=1):
            assert await world.dial() == Permit(CALIFORNIA)
            world.now += timedelta(days=2)
            assert (await world.refused())[0] == "cap_number"
        async with world.up(per_number_per_week=1):
            assert (await world.refused())[0] == "cap_number"
        assert sorted(file.name for file in (world.folder / "audit").iterdir()) == [
            "gate-2026-12.jsonl", "gate-2027-01.jsonl",
        ]  # fmt: skip

    run(scene())


@pytest.mark.parametrize("waited", [timedelta(hours=2), timedelta(days=40)], ids=["to the next month", "for a month"])
def test_a_process_that_was_idle_when_the_month_ended_counts_the_last_calls_of_another(
    world: World, waited: timedelta
) -> None:
    """In California the months of the audit, which are those of UTC, end in the afternoon."""

    async def scene() -> None:
        other = World(world.folder)
        world.now = datetime(2026, 11, 30, 23, 0, tzinfo=UTC) - waited
        other.now = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
        async with world.up(per_number_per_day=1, windows=ALWAYS), other.up(per_number_per_day=1, windows=ALWAYS):
            assert await other.dial() == Permit(CALIFORNIA)
            world.now = other.now + timedelta(hours=2)
            assert (await world.refused())[0] == "cap_number"
        assert len(list((world.folder / "audit").iterdir())) == (2 if waited < timedelta(days=1) else 3)

    run(scene())


def test_many_who_ask_at_once_do_not_get_more_than_the_cap(world: World) -> None:
    async def scene() -> None:
        async with world.up(per_number_per_day=3), asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(world.dial()) for _ in range(20)]
        assert sum(isinstance(task.result(), Permit) for task in asked) == 3
        assert len(world.lines) == 20

    run(scene())


def test_a_clock_that_was_set_back_calls_nobody(world: World) -> None:
    async def scene() -> None:
        async with world.up():
            await world.dial()
            world.now -= timedelta(hours=2)
            rule, reason = await world.refused("+14155550101")
            assert rule == "clock"
            assert "this machine's clock says 2026-11-19 18:00 UTC, but the last decision was made at" in reason
            world.now = NOON - timedelta(minutes=2)  # what a time server corrects
            assert isinstance(await world.dial("+14155550101"), Permit)

    run(scene())


def test_to_judge_neither_counts_nor_writes(world: World) -> None:
    async def scene() -> None:
        async with world.up(per_number_per_day=1):
            for _ in range(3):
                assert await world.gate.judge(GateRequest(CALIFORNIA, "us")) == Permit(CALIFORNIA)
            assert not world.lines

    run(scene())


def test_no_call_without_its_line_in_the_audit(world: World) -> None:
    async def scene() -> None:
        async with world.up():
            world.now = datetime(2026, 12, 1, 20, tzinfo=UTC)
            (world.folder / "audit" / "gate-2026-12.jsonl").mkdir()
            found = await world.dial()
            assert isinstance(found, GateRefusal)
            assert found.rule == "audit"
            assert "cannot be written: Is a directory" in found.reason

    run(scene())


@pytest.mark.faults("C15")
def test_a_disk_that_does_not_answer_stops_no_call_and_nobody_is_called(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "DISK_LIMIT", 0.05)
    answers = threading.Event()

    async def scene() -> None:
        async with world.up():
            audit.DISK.submit(answers.wait, HANG)
            found = await within(world.dial())
            assert isinstance(found, GateRefusal) and found.unable
            assert found.reason.endswith("cannot be written: the disk did not answer within 0.05 s")
            answers.set()
            monkeypatch.setattr(audit, "DISK_LIMIT", HANG)
            assert await within(world.dial()) == Permit(CALIFORNIA)

    run(scene())


def test_a_dial_that_is_cancelled_while_its_line_is_written_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, answers, write = threading.Event(), threading.Event(), audit.Audit._write

    def slow(self: audit.Audit, line: audit.Line) -> int:
        size = write(self, line)
        written.set()
        answers.wait(HANG)
        return size

    async def scene() -> None:
        async with world.up(per_number_per_day=1):
            monkeypatch.setattr(audit.Audit, "_write", slow)
            async with asyncio.TaskGroup() as group:
                dial = group.create_task(world.dial())
                await until(written.is_set)
                dial.cancel()
            answers.set()
            monkeypatch.undo()
            assert (await world.refused())[0] == "cap_number"

    run(scene())


def test_lines_of_another_process_count_though_the_dial_that_read_them_was_cancelled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, answers, catch_up = threading.Event(), threading.Event(), audit.Audit._catch_up

    def slow(self: audit.Audit) -> tuple[list[bytes], int]:
        found = catch_up(self)
        read.set()
        answers.wait(HANG)
        return found

    async def scene() -> None:
        other = World(world.folder)
        async with world.up(per_number_per_day=1), other.up(per_number_per_day=1):
            assert isinstance(await other.dial(), Permit)
            monkeypatch.setattr(audit.Audit, "_catch_up", slow)
            async with asyncio.TaskGroup() as group:
                dial = group.create_task(world.dial("+14155550101"))
                await until(read.is_set)
                dial.cancel()
            answers.set()
            monkeypatch.undo()
            assert (await world.refused())[0] == "cap_number"

    run(scene())


def test_a_line_that_was_cut_off_by_a_crash_costs_only_itself(world: World) -> None:
    async def scene() -> None:
        async with world.up(per_number_per_day=1):
            await world.dial()
        (file,) = (world.folder / "audit").iterdir()
        file.write_text(file.read_text() + '{"at": "2026-11-19T2')
        async with world.up(per_number_per_day=1):
            assert (await world.dial("+14155550101")) == Permit("+14155550101")
            assert (await world.dial())[0] == "cap_number"
        lines = file.read_text().splitlines()
        assert len(lines) == 4
        assert json.loads(lines[2])["number"] == "+14155550101"

    run(scene())
