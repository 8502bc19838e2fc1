"""Dry runs: many calls are judged at once, beside the loop, and a tenant is told less."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from sipgw.policy.gate import rules
from sipgw.policy.gate.dnc import DncEntry
from sipgw.policy.gate.gate import GateRefusal
from sipgw.policy.gate.rules import GateCase, GateRequest, Permit
from tests.gate_world import ALWAYS, CALIFORNIA, World, run


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


NUMBERS = (CALIFORNIA, "(415) 555-0101", "+14155550102", "+19005551234", "911", "+447400123456", "12", "+14155550103")


def test_what_is_judged_about_many_is_what_is_judged_about_each(world: World) -> None:
    async def scene() -> None:
        listed = world.folder / "list.csv"
        listed.write_text("+14155550103\n")
        options = {"windows": ALWAYS, "per_number_per_day": 1, "dnc_files": (str(listed),), "countries": ("US",)}
        async with world.up(**options):
            await world.own.add("+14155550102", "cli", note="the lawyer wrote")
            await world.dial(CALIFORNIA)
            dials = [GateRequest(number, "us", "agent", "campaign") for number in NUMBERS]
            dials.append(GateRequest(CALIFORNIA, "elsewhere"))
            each = [await world.gate.judge(one) for one in dials]
            assert await world.gate.judge_all(dials) == each
            rules = [one.rule if isinstance(one, GateRefusal) else "" for one in each]
            assert rules == [
                "cap_number", "", "do_not_call", "premium", "emergency", "country", "number", "do_not_call_file",
                "trunk",
            ]  # fmt: skip
            alone = await world.gate.judge_all(dials, alone=True)
            assert [isinstance(one, Permit) for one in alone] == [True] * 3 + [False] * 4 + [True, False]
            assert len(world.lines) == 1, "nothing is counted or written down"

    run(scene())


def test_rules_about_many_run_beside_the_loop_and_a_hidden_list_is_read_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with world.up(windows=ALWAYS):
            threads, read, window = set[str](), list[int](), rules.AFTER_LISTS[0]
            find_all = world.own.find_all

            def seen(case: GateCase) -> GateRefusal | None:
                threads.add(threading.current_thread().name)
                return window(case)

            async def counted(numbers: Sequence[str]) -> dict[str, DncEntry]:
                read.append(len(numbers))
                return await find_all(numbers)

            monkeypatch.setattr("sipgw.policy.gate.gate.AFTER_LISTS", (seen,))
            monkeypatch.setattr(world.own, "find_all", counted)
            monkeypatch.setattr(world.own, "find", None)
            dials = [GateRequest(f"+1415555{number:04}", "us") for number in range(100)]
            assert await world.gate.judge_all(dials) == [Permit(one.number) for one in dials]
            assert read == [100]
            assert {name.rpartition(" ")[0] for name in threads} == {"dry runs of calls out"}

    run(scene())


def test_a_tenant_is_told_its_own_and_no_more() -> None:
    secret = "+14155550100 is on our own do-not-call list since 2026-01-01 (the lawyer wrote)"
    window = GateRefusal("window", "it is 23:00 there")
    assert window.told("acme") == window.told("") == "it is 23:00 there"
    assert GateRefusal("do_not_call", secret).told("") == secret
    assert GateRefusal("do_not_call", secret).told("acme") == "the number is on a do-not-call list"
    assert "/var/lib" not in GateRefusal("audit", "the audit /var/lib/x cannot be used").told("acme")
    assert "secret" not in GateRefusal("of_tomorrow", "secret").told("acme"), "a rule that is new is not told"
