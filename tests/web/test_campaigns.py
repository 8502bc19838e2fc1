"""Campaigns by the REST interface: a dry run that does nothing, a start that fits it, pause, resume and stop."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from sipgw.outbound import planning
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from sipgw.records.store.tables import CallRecord
from sipgw.web import outbound
from sipgw.web.campaign_models import LONGEST
from sipgw.web.principal import Role
from sipgw.web.tables import AuditEntry
from tests.web.gateway_view import Visit, visit

PATH = "/api/v1/campaigns"
TOML = """
[web]
password = "${PASSWORD}"
[agent]
variables = ["name"]
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["192.0.2.1/32"]
domain = "carrier.example"
country = "US"
calls_per_second = 2
[gate]
countries = ["US"]
[[gate.windows]]
hours = "00:00-24:00"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""
OPEN = TOML.replace('password = "${PASSWORD}"', "")
PEOPLE = (
    "number,name,city\n+14155550101,Ann,x\n+14155550102,Bob,x\nbroken,Eve,x\n+442079460018,Cid,x\n+14155550104,,x\n"
)


def people(**changes: Any) -> dict[str, Any]:
    return {"name": "winter", "file": PEOPLE, "consent": True} | changes


async def refuse(there: Visit, number: str) -> None:
    """Put a number on the do-not-call list."""
    await there.gateway.gate.own.add(number, "cli")  # type: ignore[attr-defined]


async def audit(there: Visit) -> list[tuple[str, str, str, str]]:
    async with there.gateway.store.read() as session:
        rows = await session.scalars(select(AuditEntry).where(AuditEntry.action.contains("campaign")))
        return [(row.who, row.action, row.target, row.detail) for row in rows]


def test_a_dry_run_tells_what_a_start_would_do_and_does_nothing(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            await refuse(there, "+14155550102")
            told = (await there.browser.post(f"{PATH}/dry-run", json=people())).json()
            assert (told["numbers"], told["known"], told["left_out"], told["judged"]) == (3, 0, 2, 3)
            assert [row["line"] for row in told["broken"]] == [4, 6]
            assert told["broken"][1]["problem"].startswith("the agent needs a value for name")
            assert (told["unused"], told["trunk"], told["per_second"]) == (["city"], "carrier", 2.0)
            decided = {(one["verdict"], one["rule"]): one["lines"] for one in told["decisions"]}
            assert decided == {("now", ""): [2], ("never", "do_not_call"): [3], ("never", "country"): [5]}
            assert any("do-not-call list" in one["example"] for one in told["decisions"])
            assert told["cost"] is None, "the agent has made no call yet"
            assert (await there.browser.get(PATH)).json() == {"campaigns": []}
            assert await audit(there) == []
            assert there.gateway.errands == []

    asyncio.run(look())


def test_the_cost_is_that_of_ended_calls_of_the_agent_to_everybody_who_may_be_called(tmp_path: Path) -> None:
    def call(number: int, direction: str, cost: float | None, **changes: Any) -> CallRecord:
        began = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=number)
        values = {"id": f"call-{number}", "trunk": "carrier", "caller": "", "called": "", "agent": "agent"}
        return CallRecord(
            **values
            | {"direction": direction, "cost": cost, "began": began, "answered": began, "ended": began, "media": {}}
            | changes
        )

    async def keep(there: Visit, *calls: CallRecord) -> dict[str, Any]:
        async with there.gateway.store.write() as session:
            session.add_all(calls)
        told: dict[str, Any] = (await there.browser.post(f"{PATH}/dry-run", json=people())).json()["cost"]
        return told

    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            incoming = await keep(there, call(1, "in", 0.5), call(2, "out", 9.0, agent="other"))
            assert (incoming["direction"], incoming["per_call"]) == ("in", 0.5)
            told = await keep(
                there,
                call(3, "out", 0.1),
                call(4, "out", 0.3),
                call(5, "out", 0.0, answered=None),
                call(6, "out", 7.0, ended=None),
            )
            expected = {"per_call": 0.2, "calls": 2, "direction": "out", "currency": "USD", "total": 0.4}
            assert told == expected, "two of the three numbers may be called"

    asyncio.run(look())


def test_a_campaign_starts_once_it_was_checked_and_goes_on_with_a_file_that_has_grown(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            checked = (await there.browser.post(f"{PATH}/dry-run", json=people())).json()["confirm"]
            for other in ({"concurrent": 9}, {"consent": False}, {"file": PEOPLE + "+14155550105,Dan,x\n"}):
                answer = await there.browser.post(PATH, json=people(confirm=checked, **other))
                assert (answer.status_code, "dry run" in answer.json()["detail"]) == (409, True), other
            assert (await there.browser.get(PATH)).json() == {"campaigns": []}
            answer = await there.browser.post(PATH, json=people(confirm=checked))
            assert (answer.status_code, answer.json()) == (201, {"name": "winter", "new": 3})
            (campaign,) = await Jobs(there.gateway.store, "").campaigns()
            assert (campaign.state, campaign.concurrent, campaign.per_second) == ("running", 5, 2.0)
            grown = people(file=PEOPLE + "+14155550105,Dan,x\n")
            told = (await there.browser.post(f"{PATH}/dry-run", json=grown)).json()
            assert (told["numbers"], told["known"]) == (4, 3)
            answer = await there.browser.post(PATH, json=grown | {"confirm": told["confirm"]})
            assert answer.json()["new"] == 1
            jobs = await Jobs(there.gateway.store, "").all("winter")
            assert [(job.line, job.number, job.variables) for job in jobs][-1] == (7, "+14155550105", {"name": "Dan"})
            assert [entry[1:] for entry in await audit(there)] == [
                ("started a campaign", "winter", "3 new numbers, agent agent"),
                ("started a campaign", "winter", "1 new numbers, agent agent"),
            ]

    asyncio.run(look())


def test_a_campaign_is_paused_resumed_and_stopped(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            checked = (await there.browser.post(f"{PATH}/dry-run", json=people())).json()["confirm"]
            await there.browser.post(PATH, json=people(confirm=checked))
            for state in ("paused", "running", "stopped"):
                answer = await there.browser.post(f"{PATH}/winter/state", json={"state": state})
                assert answer.json() == {"id": "winter"}
                (found,) = (await there.browser.get(PATH)).json()["campaigns"]
                assert (found["state"], found["planned"], found["failed"]) == (state, 3, 0)
            actions = [entry[1] for entry in await audit(there)][1:]
            assert actions == ["paused a campaign", "resumed a campaign", "stopped a campaign"]
            assert (await there.browser.post(f"{PATH}/spring/state", json={"state": "paused"})).status_code == 404
            assert (await there.browser.post(f"{PATH}/winter/state", json={"state": "over"})).status_code == 422

    asyncio.run(look())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"file": "name\nAnn\n"}, "no column 'number'"),
        ({"agent": "nobody"}, "there is no agent 'nobody'"),
        ({"trunk": "moon"}, "there is no trunk 'moon'"),
        ({"name": "a/b"}, "no name for a campaign"),
        ({"name": ".."}, "no name for a campaign"),
        ({"name": "callbacks"}, "no name for a campaign"),
    ],
)
def test_a_file_or_setting_that_cannot_be_used_is_told(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            for path, more in ((f"{PATH}/dry-run", {}), (PATH, {"confirm": "x"})):
                answer = await there.browser.post(path, json=people(**changes) | more)
                assert (answer.status_code, problem in answer.json()["detail"]) == (409, True)

    asyncio.run(look())


def test_a_file_with_nobody_to_call_starts_nothing(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            nobody = people(file="number,name\nbroken,Eve\n")
            told = (await there.browser.post(f"{PATH}/dry-run", json=nobody)).json()
            assert (told["numbers"], told["left_out"]) == (0, 1)
            answer = await there.browser.post(PATH, json=nobody | {"confirm": told["confirm"]})
            assert (answer.status_code, answer.json()["detail"]) == (409, "there is nobody to call in it")

    asyncio.run(look())


@pytest.mark.slow
def test_a_file_is_longer_than_other_requests_may_be_and_not_longer_than_its_limit(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            rows = "".join(f"+1415555{number:04},Ann\n" for number in range(10_000))
            many = people(file=f"number,name\n{rows}{rows.replace('+1415', '+1212')}")
            told = (await there.browser.post(f"{PATH}/dry-run", json=many)).json()
            assert (told["numbers"], told["judged"]) == (20_000, planning.JUDGED), "evenly over the file"
            assert max(line for one in told["decisions"] for line in one["lines"]) > 2
            for size, status in ((LONGEST + 1, 422), (5 * LONGEST, 413)):
                answer = await there.browser.post(f"{PATH}/dry-run", json=people(file="x" * size))
                assert answer.status_code == status
            answer = await there.browser.post("/api/v1/calls", json={"to": "1" * 300_000})
            assert answer.status_code == 413

    asyncio.run(look())


def test_the_gate_is_asked_for_a_limited_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "JUDGING", -1.0)

    async def look() -> None:
        async with visit(tmp_path, OPEN) as there:
            told = (await there.browser.post(f"{PATH}/dry-run", json=people())).json()
            assert (told["numbers"], told["judged"], told["decisions"]) == (3, 0, [])

    asyncio.run(look())


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
def test_operators_run_campaigns_from_a_page_of_ours_and_viewers_see_them(
    tmp_path: Path, role: Role, status: int
) -> None:
    async def look() -> None:
        async with visit(tmp_path, TOML) as there:
            await there.auth.accounts.set_user("ann", role, "battery staple")
            await there.browser.post("/sign-in", data={"name": "ann", "password": "battery staple"})
            token = await there.token("/outbound")
            assert (await there.browser.post(f"{PATH}/dry-run", json=people())).status_code == 403, "no CSRF token"
            checked = await there.browser.post(f"{PATH}/dry-run", json=people(), headers=token)
            assert checked.status_code == status
            confirm = checked.json().get("confirm", "x")
            started = await there.browser.post(PATH, json=people(confirm=confirm), headers=token)
            assert started.status_code == (201 if status == 200 else 403)
            paused = await there.browser.post(f"{PATH}/winter/state", json={"state": "paused"}, headers=token)
            assert paused.status_code == status
            assert (await there.browser.get(PATH)).status_code == 200
            assert [entry[0] for entry in await audit(there)] == (["ann"] * 2 if status == 200 else [])
            assert ("data-campaign-form" in (await there.browser.get("/outbound")).text) == (status == 200)

    asyncio.run(look())


def test_a_program_needs_the_scope(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, TOML) as there:
            for scope, status in (("calls:place", 403), ("calls:control", 403), ("campaigns:run", 200)):
                headers = {"Authorization": f"Bearer {await there.auth.accounts.add_key('crm', [scope])}"}
                answer = await there.browser.post(f"{PATH}/dry-run", json=people(), headers=headers)
                assert answer.status_code == status, scope
            assert (await there.browser.get(PATH, headers=headers)).status_code == 403, "it cannot read"

    asyncio.run(look())


def test_the_page_reads_no_more_callbacks_than_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were made stay in the database for as long as `[retention]` says, or for ever."""
    read = list[str]()

    def loaded(job: Job, _: object) -> None:
        read.append(job.number)

    async def look() -> None:
        async with visit(tmp_path) as there:
            for number in range(5):
                await Jobs(there.gateway.store, "").add(
                    Job(campaign="", key=str(number), number=f"+1555010{number}", agent="agent", due=0.0)
                )
            monkeypatch.setattr(outbound, "CALLBACKS", 2)
            event.listen(Job, "load", loaded)
            try:
                page = (await there.browser.get("/outbound")).text
            finally:
                event.remove(Job, "load", loaded)
            assert read == ["+15550104", "+15550103"]
            assert page.index("+15550104") < page.index("+15550103") and "+15550102" not in page

    asyncio.run(look())
