"""Campaigns of tenants: each has its own, under names that others may have too."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sipgw.bounds import FULL
from sipgw.calls.request import NO_NUMBERS
from sipgw.config.config import AgentConfig
from sipgw.outbound import jobs
from sipgw.outbound.job_dialer import request_of
from sipgw.outbound.tables import Campaign, Job
from sipgw.records.store.tables import CallRecord
from sipgw.trunks.route_selector import NO_ROOM, NoRoom
from sipgw.web.principal import ALL
from sipgw.web.tables import AuditEntry
from tests.cdr_events import START, add_call
from tests.web.gateway_view import Visit, visit
from tests.web.test_campaigns import PATH, TOML

TENANTS = """
[[tenants]]
name = "acme"
agents = ["sales-acme"]
numbers = ["+15550111"]
max_calls = 7
[[tenants]]
name = "globex"
agents = ["sales-globex"]
numbers = ["+15550222"]
"""
FILE = "number\n+14155550101\n+14155550102\n"


class Company:
    """A program of a tenant, or of the installation."""

    def __init__(self, there: Visit, key: str, agent: str) -> None:
        self.there, self.agent = there, agent
        self.headers = {"Authorization": f"Bearer {key}"}

    async def post(self, path: str, **body: Any) -> Any:
        return await self.there.browser.post(f"{PATH}{path}", json=body, headers=self.headers)

    async def dry_run(self, **changes: Any) -> Any:
        return await self.post("/dry-run", **({"name": "winter", "file": FILE, "agent": self.agent} | changes))

    async def start(self, **changes: Any) -> Any:
        confirm = (await self.dry_run(**changes)).json()["confirm"]
        given = {"name": "winter", "file": FILE, "agent": self.agent, "confirm": confirm} | changes
        return await self.post("", **given)

    async def campaigns(self) -> dict[str, str]:
        found = (await self.there.browser.get(PATH, headers=self.headers)).json()["campaigns"]
        return {one["name"]: one["state"] for one in found}


@contextlib.asynccontextmanager
async def companies(folder: Path) -> AsyncIterator[tuple[Visit, Company, Company, Company]]:
    async with visit(folder, TOML + TENANTS) as there:
        there.gateway.others = {name: AgentConfig() for name in ("sales-acme", "sales-globex", "house")}
        keys = [await there.auth.accounts.add_key("x", ALL, tenant) for tenant in ("acme", "globex", "")]
        agents = ("sales-acme", "sales-globex", "house")
        acme, globex, house = (Company(there, key, agent) for key, agent in zip(keys, agents, strict=True))
        yield there, acme, globex, house


def test_tenants_have_campaigns_of_one_name_and_neither_reaches_that_of_the_other(tmp_path: Path) -> None:
    async def look() -> None:
        async with companies(tmp_path) as (there, acme, globex, house):
            for one in (acme, globex, house):
                assert (await one.start()).json() == {"name": "winter", "new": 2}
            assert (await acme.start()).json()["new"] == 0, "a second time it calls nobody again"
            assert (await globex.dry_run()).json()["known"] == 2
            assert await acme.campaigns() == await globex.campaigns() == {"winter": "running"}
            assert await house.campaigns() == {
                "acme/winter": "running",
                "globex/winter": "running",
                "winter": "running",
            }
            assert (await acme.post("/winter/state", state="paused")).status_code == 200
            for name in ("globex/winter", "../globex/winter", "acme/winter", "spring"):
                assert (await acme.post(f"/{name}/state", state="stopped")).status_code == 404, name
            assert await globex.campaigns() == {"winter": "running"}
            assert (await house.post("/globex/winter/state", state="stopped")).status_code == 200, "the operator may"
            found = {"acme/winter": "paused", "globex/winter": "stopped", "winter": "running"}
            assert await house.campaigns() == found
            async with there.gateway.store.read() as session:
                targets = set(
                    await session.scalars(select(AuditEntry.target).where(AuditEntry.target.contains("winter")))
                )
                rows = list(await session.scalars(select(Job).where(Job.campaign == "globex/winter")))
            assert targets == set(found), "the audit log says whose"
            assert {request_of(job).tenant for job in rows} == {"globex"}

    asyncio.run(look())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"agent": "sales-globex"}, "there is no agent 'sales-globex'; there are sales-acme"),
        ({"agent": "agent"}, "there is no agent 'agent'; there are sales-acme"),
        ({"trunk": "carrier"}, "the trunk is chosen by the installation"),
        ({"name": "globex/winter"}, "is no name for a campaign"),
        ({"name": "x" * 60}, "more than 59 letters"),
        ({"per_second": 500}, "you may make 1 new calls in a second"),
        ({"concurrent": 500}, "you may have 7 calls at the same time"),
    ],
)
def test_a_tenant_calls_with_its_agents_alone(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    async def look() -> None:
        async with companies(tmp_path) as (_, acme, _globex, house):
            refused = await acme.dry_run(**changes)
            assert (refused.status_code, says in refused.json()["detail"]) == (409, True), refused.text
            given = {"name": "x", "file": FILE, "confirm": "x", "agent": "sales-acme"} | changes
            assert (await acme.post("", **given)).status_code == 409
            assert await house.campaigns() == {}

    asyncio.run(look())


def test_a_tenant_takes_half_of_the_pace_of_its_trunk(tmp_path: Path) -> None:
    async def look() -> None:
        async with companies(tmp_path) as (_, acme, globex, house):
            for one, asked, granted in ((acme, 0, 1.0), (acme, 0.2, 0.2), (globex, 1, 1.0), (house, 0, 2.0)):
                assert (await one.dry_run(per_second=asked)).json()["per_second"] == granted
            assert (await house.dry_run(per_second=500, concurrent=500)).status_code == 200, "the operator knows"

    asyncio.run(look())


def test_a_tenant_without_numbers_starts_nothing_and_learns_why(tmp_path: Path) -> None:
    async def look() -> None:
        async with companies(tmp_path) as (there, acme, _, house):
            confirm = (await acme.dry_run()).json()["confirm"]
            tenants = tuple(replace(one, numbers=()) for one in there.gateway.config.tenants)
            there.gateway.config = replace(there.gateway.config, tenants=tenants)
            given = {"name": "winter", "file": FILE, "agent": "sales-acme", "confirm": confirm}
            for answer in (await acme.dry_run(), await acme.post("", **given)):
                assert (answer.status_code, answer.json()["detail"]) == (409, NO_NUMBERS)
            assert await house.campaigns() == {}, "no row is burned"

    asyncio.run(look())


def test_a_dry_run_tells_a_tenant_what_rules_say_of_its_numbers_and_nothing_of_others(tmp_path: Path) -> None:
    async def look() -> None:
        async with companies(tmp_path) as (there, acme, _, house):
            await there.gateway.gate.own.add("+14155550101", "cli", note="the lawyer wrote")
            people = FILE + "+442079460018\n"
            told = (await acme.dry_run(file=people, consent=True)).json()
            found = {one["rule"]: (one["verdict"], one["numbers"]) for one in told["decisions"]}
            assert found == {"": ("now", 2), "country": ("never", 1)}
            assert told["trunk"] == ""
            assert "lawyer" not in str(told) and "carrier" not in str(told)
            whole = (await house.dry_run(file=people, consent=True)).json()
            assert {one["rule"] for one in whole["decisions"]} == {"", "country", "do_not_call"}
            assert (whole["trunk"], "lawyer" in str(whole)) == ("carrier", True)

    asyncio.run(look())


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant has so many campaigns and rows, and room again when it deletes one."""
    monkeypatch.setattr(jobs, "MOST_CAMPAIGNS", 2)
    monkeypatch.setattr(jobs, "MOST_ROWS", 5)

    async def look() -> None:
        async with companies(tmp_path) as (there, acme, globex, house):
            full = FULL["campaigns of tenants"]
            assert (await acme.start()).status_code == (await acme.start(name="spring")).status_code == 201
            third = await acme.start(name="autumn")
            assert (third.status_code, "delete one that is over" in third.json()["detail"]) == (409, True)
            more = await acme.start(name="spring", file=FILE + "+14155550103\n+14155550104\n")
            assert (more.status_code, FULL["campaigns of tenants"] - full) == (409, 2)
            assert await acme.campaigns() == {"winter": "running", "spring": "running"}, "all or nothing"
            assert (await globex.start()).status_code == 201, "each has a bound of its own"
            for name in ("one", "two", "three"):
                assert (await house.start(name=name)).status_code == 201, "the operator has none"

            async def delete(name: str) -> int:
                address = f"{PATH}/{name}"
                return int((await there.browser.delete(address, headers=acme.headers)).status_code)

            assert [await delete(name) for name in ("winter", "globex/winter", "one", "gone")] == [409, 404, 404, 404]
            await acme.post("/winter/state", state="stopped")
            assert (await delete("winter"), await delete("winter")) == (200, 404)
            assert await acme.campaigns() == {"spring": "running"}
            assert await globex.campaigns() == {"winter": "running"}
            again = await acme.start(name="autumn")
            assert (again.status_code, again.json()["new"]) == (201, 2)
            async with there.gateway.store.read() as session:
                noted = select(AuditEntry.target).where(AuditEntry.action == "deleted a campaign")
                assert list(await session.scalars(noted)) == ["acme/winter"]

    asyncio.run(look())


def test_the_page_of_calls_out_has_the_callbacks_and_campaigns_of_the_tenant(tmp_path: Path) -> None:
    async def look() -> None:
        async with companies(tmp_path) as (there, acme, globex, house):
            for one in (acme, globex, house):
                await one.start(name=f"spring-{one.agent}")
            for tenant in ("acme", "globex", ""):
                row = CallRecord(
                    id=f"call-{tenant}", trunk="carrier", agent="x", caller="x", called="x", began=START, tenant=tenant
                )
                await add_call(there.gateway.store, row, [])
                promised = {"campaign": "", "agent": "x", "due": 0.0, "call": row.id}
                async with there.gateway.store.write() as session:
                    session.add(Job(key=f"{row.id} 1", number=f"back-{tenant or 'house'}", **promised))
                    failed = Campaign(name=f"{tenant}/old" if tenant else "old")
                    session.add(failed)
                    lost = {"key": "1", "number": f"lost-{tenant or 'house'}", "agent": "x", "due": 0.0}
                    session.add(Job(campaign=failed.name, state="failed", **lost))
            await there.auth.accounts.set_user("ann", "operator", "battery staple", "acme")
            await there.browser.post("/sign-in", data={"name": "ann", "password": "battery staple"})
            page = (await there.browser.get("/outbound")).text
            for own in ("spring-sales-acme", "back-acme", "lost-acme", "<option>sales-acme</option>"):
                assert own in page, own
            for foreign in ("globex", "-house", "carrier", "Decisions of the gate"):
                assert foreign not in page, foreign

    asyncio.run(look())


def test_why_a_call_is_not_made_is_told_to_whom_it_concerns(tmp_path: Path) -> None:
    def full(_: object) -> None:
        raise NoRoom("globex has taken all")

    async def look() -> None:
        async with companies(tmp_path) as (there, acme, _, house):
            there.gateway.originate = full  # type: ignore[assignment,method-assign]
            for who, why in ((acme, NO_ROOM), (house, "globex has taken all")):
                body = {"to": "+15550123", "agent": "sales-acme"}
                answer = await there.browser.post("/api/v1/calls", json=body, headers=who.headers)
                assert (answer.status_code, answer.json()["detail"]) == (503, why)

    asyncio.run(look())
