"""What a tenant's sessions can read; tests/interop/test_tenancy.py asks PostgreSQL the same."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from sipgw.config.records import StoreOptions
from sipgw.outbound.tables import Campaign, Job
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.searching import Searches
from sipgw.records.store.store import Store
from sipgw.records.store.tables import Base, CallRecord, EventRecord, ReportRecord, TurnRecord
from sipgw.web.accounts import audit_entries
from sipgw.web.tables import ApiKey, AuditEntry, User
from tests.cdr_events import START, add_call, artifact
from tests.waiting import HANG

HOLDERS = ("acme", "globex", "")
SECRET = {holder: f"word{holder or 'nobody'}" for holder in HOLDERS}
PROVIDER = "the installation"
"""In what the operator's people did, and in every detail."""
LOCKS = 25
"""More places than a pool has."""


async def fill(store: Store) -> None:
    """The same of each holder, with its secret in every row."""
    for holder in HOLDERS:
        said = SECRET[holder]
        call = CallRecord(
            id=f"call-{said}", trunk=said, agent=said, caller=said, called=said, began=START, ended=START,
            tenant=holder, cost=1.0, slowest_ms=900, recording=f"/{said}.wav",
        )  # fmt: skip
        tools = [{"name": said, "arguments": {}, "result": said}]
        await add_call(store, call, [{"caller": said, "said": said, "tools": tools}])
        async with store.write() as session:
            session.add(EventRecord(call=call.id, at=START, kind="transferred", about={"to": said}))
            session.add(ReportRecord(call=call.id, state="filled", at=START, content={"summary": said}))
            session.add(User(name=said, role="viewer", password="x", tenant=holder))
            session.add(ApiKey(id=f"k{holder}", name=said, scopes=[], secret=said, made=START, tenant=holder))
            for operated in (True, False):
                who = f"somebody at {PROVIDER}" if operated else said
                entry = AuditEntry(at=START, who=who, action="x", target=said, detail=PROVIDER, address=who)
                entry.tenant, entry.by_operator = holder, operated
                session.add(entry)
            name = f"{holder}/{said}" if holder else said
            session.add(Campaign(name=name))
            session.add(Job(campaign=name, key="k", number=said, agent=said, due=0.0))
            session.add(Job(campaign="", key=said, number=said, agent=said, due=0.0, call=call.id))
            session.add(Job(campaign="", key=f"{said} x", number=said, agent=said, due=0.0, call="unknown"))


async def rows(store: Store, statement: Any) -> Sequence[Any]:
    async with store.read() as session:
        return list(await session.execute(statement))


async def sees_only_its_own(store: Store) -> None:
    """Every way to ask, on every table that there is."""
    for holder in ("acme", "globex"):
        own, foreign = store.of(holder), {SECRET[other] for other in HOLDERS if other != holder}
        full = set()
        for table in Base.metadata.tables.values():
            plain = text(f"SELECT * FROM {table.name}")  # noqa: S608  a name of ours
            for statement in (plain, select(table)):
                told = str(await rows(own, statement))
                assert not [one for one in foreign if one in told], (holder, table.name)
                full |= {table.name} if SECRET[holder] in told else set()
        of_calls = {"calls", "turns", "tool_calls", "events", "artifacts", "reports"}
        assert full == {*of_calls, "campaigns", "jobs", "audit"}
        assert len(await rows(own, select(Job))) == 2, "one of its campaign, and one promised in its call"
        call = CallRecord
        near = select(call.id).cte("near")
        for counted in (
            select(func.count()).select_from(call),
            select(func.count(TurnRecord.said)),
            select(func.count()).select_from(near),
            select(func.count()).select_from(call).join(TurnRecord, TurnRecord.call == call.id),
        ):
            assert [tuple(row) for row in await rows(own, counted)] == [(1,)]
        mine, theirs = f"call-{SECRET[holder]}", f"call-{min(foreign)}"
        assert [one["id"] for one in await own.calls()] == [mine]
        assert await own.call(mine) and await own.call(theirs) is None and await own.report(theirs) is None
        for wanted in (CallFilter(), CallFilter(cost_from=0.5), CallFilter(number="word*"), CallFilter(words="word*")):
            found = await Searches().page(own, wanted, 50, "")
            assert [one["id"] for one in found.calls] == [mine]
        for said in foreign:
            assert not (await Searches().page(own, CallFilter(words=said), 50, "")).calls


async def changes_nothing(store: Store) -> None:
    """A tenant's connections only read."""
    for statement in (
        insert(EventRecord).values(call="x", at=datetime.now(UTC), kind="x", about={}),
        text("UPDATE calls SET tenant = 'acme'"),
        text("DELETE FROM users"),
    ):
        with pytest.raises(DBAPIError):
            async with store.of("acme").write() as session:
                await session.execute(statement)
    assert len(await store.calls()) == len(HOLDERS)


async def holds_on_every_connection(store: Store) -> None:
    """Each connection of the pool, and those that come after."""
    async with asyncio.TaskGroup() as group:
        found = [group.create_task(store.of("acme").calls()) for _ in range(LOCKS)]
    assert {len(calls.result()) for calls in found} == {1}
    assert len(await store.calls()) == len(HOLDERS)


async def sees_no_trunk(store: Store) -> None:
    """Not its own either, and no alarm, which counts the calls of all."""
    async with store.write() as session:
        for kind in ("answered", "trunk_alarm", "cost_alarm"):
            about = {"trunk": "carrier", "cause": "kept"}
            session.add(EventRecord(call="call-wordacme", at=START, kind=kind, about=about))
    (call,) = await store.of("acme").calls()
    assert (call["trunk"], call["agent"]) == ("", "wordacme")
    found = await rows(store.of("acme"), select(EventRecord.kind, EventRecord.about).order_by(EventRecord.id))
    assert [tuple(one) for one in found] == [("transferred", {"to": "wordacme"}), ("answered", {"cause": "kept"})]
    asked = await rows(
        store.of("acme"), select(EventRecord.kind).where(EventRecord.about["cause"].as_string() == "kept")
    )
    assert len(asked) == 1, "it is JSON still"


async def sees_nobody_of_the_operator(store: Store) -> None:
    """What they did to its calls is seen, without their names and addresses, and without details."""
    for holder in ("acme", "globex"):
        said = SECRET[holder]
        entry = AuditEntry
        shown = select(entry.who, entry.address, entry.target, entry.detail).order_by(entry.id)
        found = [tuple(one) for one in await rows(store.of(holder), shown)]
        assert found == [("", "", said, ""), (said, said, said, "")]
        hidden = select(func.count()).select_from(entry).where(entry.who.contains(PROVIDER))
        assert [tuple(one) for one in await rows(store.of(holder), hidden)] == [(0,)], "nor can they be asked for"
    assert len(await audit_entries(store)) == 2 * len(HOLDERS)


LOOKS = [sees_only_its_own, sees_no_trunk, sees_nobody_of_the_operator, changes_nothing, holds_on_every_connection]


@pytest.mark.parametrize("look", LOOKS)
def test_a_tenant_reads_its_own_calls_and_nothing_else(tmp_path: Path, look: Any) -> None:
    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await fill(store)
            await look(store)

    asyncio.run(run())


def test_a_process_without_the_dashboard_looks_as_a_tenant_too(tmp_path: Path) -> None:
    """It has not loaded the modules that declare the other tables."""
    look = (
        "import asyncio, sys\n"
        "from sipgw.config.records import StoreOptions\n"
        "from sipgw.records.store.store import Store\n"
        "async def run():\n"
        "    async with Store(StoreOptions(sys.argv[1])) as store:\n"
        "        assert await store.of('acme').calls() == []\n"
        "asyncio.run(run())\n"
    )

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))):
            pass

    asyncio.run(run())
    subprocess.run([sys.executable, "-c", look, str(tmp_path / "x.db")], check=True, timeout=HANG)


@pytest.mark.parametrize("name", ["x' OR '1'='1", "", "A", "x" * 41])
def test_only_a_name_of_a_tenant_gets_into_the_views(tmp_path: Path, name: str) -> None:
    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await store.of(name).calls()

    with pytest.raises(ValueError, match="no name of a tenant"):
        asyncio.run(run())


def test_a_recreated_database_is_not_the_old_one_for_tenants(tmp_path: Path) -> None:
    """`Database.revive` makes a new file; tenants must not go on in the deleted one."""

    async def run() -> None:
        path = tmp_path / "x.db"
        async with Store(StoreOptions(str(path))) as store:
            await fill(store)
            assert len(await store.of("acme").calls()) == 1
            for one in tmp_path.glob("x.db*"):
                one.unlink()
            await store.revive()
            async with store.write() as session:
                session.add(artifact("c", "/c.wav"))
            assert await store.of("acme").calls() == []

    asyncio.run(run())
