"""The plan of a campaign, which the command line and the dashboard make by the same function."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from sipgw.config.config import GatewayConfig, parse
from sipgw.config.outbound import CallbackOptions
from sipgw.config.records import StoreOptions
from sipgw.config.tenants import TenantOptions
from sipgw.outbound import callback_tools
from sipgw.outbound.campaign import FileError
from sipgw.outbound.jobs import BATCH, Jobs
from sipgw.outbound.planning import AT_ONCE, CampaignRequest, Plan, begin, decisions, plan
from sipgw.policy.gate.rules import GateRefusal, GateRequest, Permit
from sipgw.records.store.store import Store

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CONFIG = """
[[trunks]]
name = "incoming"
mode = "peer"
networks = ["192.0.2.1/32"]
calls_per_second = 9
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["192.0.2.2/32"]
domain = "carrier.example"
country = "US"
calls_per_second = 2
"""


def planned(rows: list[str], config: GatewayConfig | None = None, **wanted: object) -> Plan:
    request = CampaignRequest(**{"name": "winter", **wanted})  # type: ignore[arg-type]
    return plan(config or parse(CONFIG, "test.toml", {}), {}, ["number\n", *rows], request, NOW)


def numbers(count: int) -> list[str]:
    return [f"+1415555{number:04}\n" for number in range(count)]


def test_the_pace_and_the_numbers_are_those_of_a_trunk_that_can_call_out() -> None:
    made = planned(["(415) 555-0100\n"])
    assert (made.trunk, made.per_second, made.jobs[0].number) == ("carrier", 2.0, "+14155550100")
    assert made.jobs[0].due == NOW.timestamp()
    assert planned(numbers(1), per_second=0.5).campaign().per_second == 0.5
    with pytest.raises(FileError, match="no trunk 'incoming' to call through"):
        planned(numbers(1), trunk="incoming")
    with pytest.raises(FileError, match="there is no trunk to call through"):
        planned(numbers(1), GatewayConfig())


def test_plans_that_make_the_same_calls_have_the_same_digest_and_no_others() -> None:
    same = [planned(numbers(2)).digest() for _ in range(2)]
    assert same[0] == same[1]
    others = [planned(numbers(3)), planned(numbers(2), consent=True), planned(numbers(2), attempts=2),
              planned(numbers(2), trunk="carrier"), planned(numbers(2), name="spring")]  # fmt: skip
    assert len({same[0], *(other.digest() for other in others)}) == 6


class Judge:
    """A gate that refuses every second number for good, and every fourth one for now."""

    def __init__(self) -> None:
        self.asked: list[GateRequest] = []
        self.most = 0

    async def permit(self, request: GateRequest) -> Permit | GateRefusal:
        raise AssertionError("a plan makes no call")

    async def judge(self, request: GateRequest, *, later: bool = False) -> Permit | GateRefusal:
        self.asked.append(request)
        if int(request.number) % 4 == 1:
            return GateRefusal("window", "too early", again=NOW)
        return GateRefusal("never", f"not {request.number}") if int(request.number) % 2 else Permit(request.number)

    async def judge_all(self, dials: Sequence[GateRequest], *, alone: bool = False) -> list[Permit | GateRefusal]:
        self.most = max(self.most, len(dials))
        return [await self.judge(one) for one in dials]


def test_the_gate_is_asked_as_for_a_call_of_this_campaign_and_the_answers_are_counted_by_rule() -> None:
    gate = Judge()
    told = asyncio.run(decisions(gate, planned(numbers(8), consent=True)))
    counted = {(one.verdict, one.rule): (one.lines, one.example) for one in told}
    assert counted == {
        ("now", ""): ([2, 4, 6, 8], ""),
        ("later", "window"): ([3, 7], "too early"),
        ("never", "never"): ([5, 9], "not +14155550003"),
    }
    assert gate.asked[0] == GateRequest("+14155550000", "carrier", "agent", "campaign", True, "winter")


def test_the_gate_is_asked_about_the_number_that_a_tenant_shows() -> None:
    gate, tenant = Judge(), TenantOptions("acme", ("agent",), numbers=("+14155550177", "+14155550178"))
    config = replace(parse(CONFIG, "test.toml", {}), tenants=(tenant,))
    made = planned(numbers(1), config, tenant="acme")
    asyncio.run(decisions(gate, made))
    assert [one.caller_id for one in gate.asked] == ["+14155550177"]


def test_the_gate_judges_a_promise_by_the_number_that_a_tenant_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, tenant = Judge(), TenantOptions("acme", ("agent",), numbers=("+14155550177",))
    config, made = GatewayConfig(tenants=(tenant,)), dict[str, Any]()
    monkeypatch.setattr(callback_tools, "callback_tool", lambda *_, **more: made.update(more))
    call = SimpleNamespace(info=SimpleNamespace(agent="agent"))
    agent = SimpleNamespace(config=SimpleNamespace(callbacks=CallbackOptions()), gateway=config)
    originator = SimpleNamespace(gate=gate, first=lambda trunk="": trunk or "carrier")
    callback_tools.callback_tools(Mock(), originator)(call, agent)  # type: ignore[arg-type]
    assert asyncio.run(made["refused"]("+14155550100", "", True)) == ""
    assert [(one.caller_id, one.tenant) for one in gate.asked] == [("+14155550177", "acme")]


def test_of_a_long_file_the_gate_is_asked_about_some_numbers_from_all_of_it() -> None:
    gate = Judge()
    told = asyncio.run(decisions(gate, planned(numbers(2500))))
    lines = sorted(line for one in told for line in one.lines)
    assert (len(gate.asked), gate.most) == (834, AT_ONCE) and len(lines) == 834
    assert (lines[0], lines[-1]) == (2, 2501)


def test_rows_are_planned_once_however_many_steps_it_takes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            jobs = Jobs(store, "")
            assert await begin(jobs, planned(numbers(BATCH + 5))) == BATCH + 5
            assert await jobs.known("winter", planned(numbers(2 * BATCH)).jobs) == BATCH + 5
            assert await begin(jobs, planned(numbers(2 * BATCH + 1))) == BATCH - 4
            assert await jobs.states() == {"winter": {"planned": 2 * BATCH + 1}}

    asyncio.run(scenario())


def test_two_processes_that_plan_the_same_at_the_same_time_plan_each_row_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with asyncio.TaskGroup() as group:
                both = [group.create_task(begin(Jobs(store, ""), planned(numbers(BATCH + 5)))) for _ in range(2)]
            assert sorted(one.result() for one in both) == [0, BATCH + 5]

    asyncio.run(scenario())
