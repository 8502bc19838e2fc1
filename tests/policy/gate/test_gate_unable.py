"""A gate that cannot do its work lets nobody be called, and says when it is worth asking again: nobody is lost."""

import asyncio
import sqlite3
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.gate import GateOptions
from sipgw.config.records import StoreOptions
from sipgw.policy.gate.dnc import OWN, OwnList
from sipgw.policy.gate.gate import LONGEST, SOON, GateRefusal
from sipgw.policy.gate.rules import GateRequest, Permit
from sipgw.records.store.store import Store
from tests.gate_world import ALWAYS, CALIFORNIA, World, run
from tests.waiting import HANG, until

SLOW = """
import asyncio
slow = True
async def may_call(dial):
    if dial.agent == "" and slow:
        await asyncio.sleep(9)
    return True
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def again(world: World, **more: Any) -> tuple[str, datetime | None]:
    """The rule that refuses a dial, and when it is worth asking again."""
    found = await world.dial(**more)
    assert isinstance(found, GateRefusal)
    return found.rule, found.again


@pytest.mark.parametrize("source", [SLOW, "def may_call(dial): return 1 / 0"])
def test_a_hook_that_does_not_answer_is_asked_again(world: World, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.policy.gate.gate.HOOK_LIMIT", 0.05)
    path = world.folder / "hook.py"
    path.write_text(source)

    async def scene() -> None:
        async with world.up(hook=str(path)):
            assert await again(world) == ("hook", world.now + SOON)
            assert world.lines[-1]["again"] == (world.now + SOON).isoformat()

    run(scene())


def test_a_hook_that_says_no_is_not_asked_again(world: World) -> None:
    path = world.folder / "hook.py"
    path.write_text("def may_call(dial): return False")

    async def scene() -> None:
        async with world.up(hook=str(path)):
            assert await again(world) == ("hook", None)

    run(scene())


def test_a_list_that_is_away_for_a_moment(world: World) -> None:
    path = world.folder / "registry.csv"

    async def scene() -> None:
        async with world.up(dnc_files=(str(path),)):
            assert await again(world) == ("do_not_call_file", world.now + SOON)
            path.write_text(f"{CALIFORNIA}\n")
            assert await again(world) == ("do_not_call_file", None)

    run(scene())


def test_an_audit_and_a_database_that_are_away_for_a_moment(world: World) -> None:
    async def scene() -> None:
        async with world.up(windows=ALWAYS):
            world.gate.own = OwnList(Store(StoreOptions(str(world.folder / "nowhere" / "test.db"))))
            assert await again(world) == ("failed", world.now + SOON)
            world.gate.own = world.own
            world.now = world.now.replace(month=12, day=1)
            (world.folder / "audit" / "gate-2026-12.jsonl").mkdir()
            assert await again(world) == ("audit", world.now + SOON)
            (world.folder / "audit" / "gate-2026-12.jsonl").rmdir()
            assert await world.dial() == Permit(CALIFORNIA)

    run(scene())


def test_a_disk_that_hangs_lets_nobody_be_called_and_holds_nothing_else_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, real = threading.Event(), sqlite3.connect

    def hang(*given: Any, **more: Any) -> sqlite3.Connection:
        let_go.wait(HANG)
        return real(*given, **more)

    async def scene() -> None:
        async with world.up(windows=ALWAYS), asyncio.TaskGroup() as group:
            monkeypatch.setattr(sqlite3, "connect", hang)
            before, most = OWN.refused, OWN.workers + OWN.waiting
            dials = [group.create_task(world.dial()) for _ in range(most)]
            await until(lambda: (OWN.busy, OWN.queued) == (OWN.workers, OWN.waiting))
            rule, reason = await world.refused()
            assert (rule, "so nobody is called" in reason) == ("failed", True)
            assert OWN.refused - before == 1
            assert not any(one.done() for one in dials)
            let_go.set()
        assert Permit(CALIFORNIA) in [one.result() for one in dials], "until the caps of the number are reached"

    run(scene())


def test_the_longer_it_lasts_the_later_it_is_asked_again(world: World) -> None:
    """A campaign of thousands does not write a line a minute for each of them until somebody comes."""
    path = world.folder / "registry.csv"
    begun = world.now

    async def scene() -> None:
        async with world.up(dnc_files=(str(path),), windows=ALWAYS):
            for passed, wait in ((0, SOON), (1, SOON), (10, timedelta(minutes=10)), (70, LONGEST), (130, LONGEST)):
                world.now = begun + timedelta(minutes=passed)
                assert await again(world) == ("do_not_call_file", world.now + wait)
            path.write_text("+12125550100\n")
            assert await world.dial() == Permit(CALIFORNIA)
            path.unlink()
            assert await again(world) == ("do_not_call_file", world.now + SOON)
            world.now += timedelta(days=1)
            assert await again(world) == ("do_not_call_file", world.now + SOON), "not what was yesterday"

    run(scene())


def test_what_no_waiting_changes(world: World) -> None:
    """Asked before a call back is promised: the hour, the counts and what is away for a moment are no obstacles."""
    world.agents["strict"] = GateOptions(consent="always")
    away = world.folder / "registry.csv"

    async def judged(number: str = CALIFORNIA, agent: str = "") -> Permit | GateRefusal:
        return await world.gate.judge(GateRequest(number, "us", agent, "callback"), later=True)

    async def scene() -> None:
        async with world.up(per_number_per_day=1):
            assert await world.dial() == Permit(CALIFORNIA)
            world.now += timedelta(hours=12)
            assert await judged("415 555 0100") == Permit(CALIFORNIA)
            for number, agent, rule in (
                ("+442079460000", "", "country"), ("12", "", "number"), (CALIFORNIA, "strict", "consent"),
            ):  # fmt: skip
                found = await judged(number, agent)
                assert isinstance(found, GateRefusal)
                assert found.rule == rule
            await world.own.add(CALIFORNIA, "caller")
            assert isinstance(await judged(), GateRefusal)
            world.agents["strict"] = GateOptions(dnc_files=(str(away),))
            assert await judged("+12125550100") == Permit("+12125550100")
            assert len(world.lines) == 1
        world.agents.clear()
        async with world.up(windows=()):
            assert isinstance(await judged("+12125550100"), GateRefusal), "no window will ever open"

    run(scene())
