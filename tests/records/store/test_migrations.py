# mypy: disable-error-code="dict-item"
"""The schema's history: any earlier database becomes today's, and nothing that was in it is lost."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, update

from sipgw.config.records import StoreOptions
from sipgw.outbound.jobs import Jobs
from sipgw.records.store import engine, schema, search
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.engine import _UPGRADING, StoreError
from sipgw.records.store.store import Store
from sipgw.records.store.tables import Base, CallRecord
from sipgw.tools.revision import DECLARING
from tests.databases import prepare
from tests.waiting import HANG

FIRST = Path(__file__).parents[2] / "data" / "store" / "first-release.db"
"""Made by the code of the first release: two calls, two turns, one tool, one promised callback."""


@pytest.fixture(autouse=True)
def migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No database of these tests is a copy."""
    monkeypatch.setattr(engine, "_prepare", prepare)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return Path(shutil.copy(FIRST, tmp_path / "sipgw.db"))


def look(path: Path):
    async def run():
        async with Store(StoreOptions(str(path))) as store:
            return await store.calls(), await Jobs(store, "").all(""), await store.order("7346")

    return asyncio.run(run())


def revision(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_database_of_the_first_release_keeps_all_that_was_in_it(first: Path) -> None:
    (one, two), (callback,), order = look(first)
    assert (one["id"], one["direction"], one["caller"], one["ending"]) == (
        "call-1",
        "in",
        "+14155550123",
        "caller_hung_up",
    )
    assert one["began"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert one["recording"] == "/var/calls/1.wav"
    assert one["media"]["packets_received"] == 3000
    assert one["identity"] == {"number": "+14155550123"}
    assert [(turn["caller"], turn["heard"], turn["interrupted"]) for turn in one["turns"]] == [
        ("", "Hello, this is Acme Store.", False),
        ("Where is my order 7346?", "It is out", True),
    ]
    assert one["turns"][1]["latency_ms"] == {"total": 812}
    (run,) = one["turns"][1]["tools"]
    assert (run["name"], run["arguments"], run["result"]) == (
        "get_order_status",
        {"order_number": "7346"},
        {"item": "a blue raincoat"},
    )
    assert (two["id"], two["ending"], two["turns"], two["recording"]) == ("call-2", "refused", [], "")
    assert (callback.number, callback.variables, callback.state) == ("4155550123", {"topic": "order 7346"}, "failed")
    assert callback.reason == "promised by an earlier release for 'tomorrow at five': call by hand"
    assert order and order["item"] == "a blue raincoat"


def test_a_promise_whose_moment_is_beyond_doubt_is_dialled_by_this_release(first: Path) -> None:
    with contextlib.closing(sqlite3.connect(first)) as database:
        database.execute("UPDATE callbacks SET due = '2026-12-01T17:00:00+01:00'")
        database.commit()
    _, (callback,), _ = look(first)
    moment = datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert (callback.state, callback.due, callback.agent) == ("planned", moment.timestamp(), "agent")


def test_calls_of_an_earlier_release_are_found_by_their_words(first: Path) -> None:
    async def run():
        async with Store(StoreOptions(str(first))) as store:
            return [
                [call["id"] for call in await store.calls(CallFilter(words=said))] for said in ("order 7346", "7347")
            ]

    with contextlib.closing(sqlite3.connect(first)) as database:  # two calls of one microsecond
        database.execute("UPDATE calls SET began = (SELECT min(began) FROM calls)")
        database.commit()
    assert asyncio.run(run()) == [["call-1"], []]


def test_the_triggers_of_the_index_of_words_outlive_every_migration(first: Path) -> None:
    """A migration that makes `calls` or `turns` anew has to make them again."""
    look(first)
    with contextlib.closing(sqlite3.connect(first)) as database:
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    turns = {"spoken_turn", "spoken_turn_changed", "spoken_turn_deleted"}
    assert there == {"spoken_call", "spoken_call_deleted", "spoken_call_of_tenant"} | turns


def test_the_index_of_words_has_the_tenants_of_earlier_calls_and_follows_them(first: Path) -> None:
    async def found(database: Store, tenant: str) -> list[str]:
        return [call["id"] for call in (await database.of(tenant).page(CallFilter(words="order 7346"))).calls]

    async def run() -> None:
        async with Store(StoreOptions(str(first))) as database:
            assert (await found(database, "acme"), await found(database, "globex")) == (["call-1"], [])
            async with database.write() as session:
                await session.execute(update(CallRecord).values(tenant="globex"))
            assert (await found(database, "acme"), await found(database, "globex")) == ([], ["call-1"])

    with create_engine(f"sqlite:///{first}").begin() as connection:
        command.stamp(schema.config(connection), schema.FIRST)
        command.upgrade(schema.config(connection), "0030")
        connection.exec_driver_sql("UPDATE calls SET tenant = 'acme'")
    asyncio.run(run())


@pytest.mark.slow
def test_it_is_migrated_once(first: Path) -> None:
    assert look(first)[0] == look(first)[0]
    assert len(look(first)[1]) == 1
    assert len(look(first)[0]) == 2


def test_a_database_from_before_the_first_release_lacks_a_column(first: Path) -> None:
    with contextlib.closing(sqlite3.connect(first)) as database:
        database.execute("ALTER TABLE calls DROP COLUMN identity")
    assert [call["identity"] for call in look(first)[0]] == [None, None]


def test_the_costs_of_earlier_calls_name_the_parts_as_now(first: Path) -> None:
    with create_engine(f"sqlite:///{first}").begin() as connection:
        command.stamp(schema.config(connection), schema.FIRST)
        command.upgrade(schema.config(connection), "0016")
    with contextlib.closing(sqlite3.connect(first)) as database:
        old = {"total": 1.5, "ears": 0.5, "model": 0.25, "voice": 0.75, "duplex": 0.0, "trunk": 0.0}
        old |= {"unpriced": ["voice acme characters"], "used": {"ears assemblyai/u3 seconds": 60}}
        database.execute("UPDATE calls SET costs = ? WHERE id = 'call-1'", (json.dumps(old),))
        database.commit()
    costs = {call["id"]: call["costs"] for call in look(first)[0]}
    assert costs["call-2"] is None
    assert costs["call-1"] == {
        "total": 1.5, "stt": 0.5, "llm": 0.25, "tts": 0.75, "realtime": 0.0, "trunk": 0.0,
        "unpriced": ["tts acme characters"], "used": {"stt assemblyai/u3 seconds": 60},
    }  # fmt: skip


@pytest.mark.slow
def test_a_migration_that_fails_leaves_the_database_as_it_was(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(sqlite3.connect(first)) as database:
        database.execute("UPDATE calls SET turns = '[1]'")  # no turn
        database.commit()
    with pytest.raises(AttributeError):
        look(first)
    with contextlib.closing(sqlite3.connect(first)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"orders", "callbacks", "calls"}
        database.execute("UPDATE calls SET turns = '[]'")
        database.commit()
    assert len(look(first)[0]) == 2


def test_a_database_of_a_newer_release_is_told_in_one_line(first: Path) -> None:
    look(first)
    with contextlib.closing(sqlite3.connect(first)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    with pytest.raises(StoreError, match=r"of a newer release \(schema 9999\); run that"):
        look(first)


@pytest.mark.slow
@pytest.mark.parametrize("names", [("x", "x", "x", "x"), ("a", "b", "c")], ids=["one database", "one each"])
def test_gateways_of_one_process_may_open_new_databases_at_once(tmp_path: Path, names: tuple[str, ...]) -> None:
    async def run():
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(opened(name))

    async def opened(name: str):
        async with Store(StoreOptions(str(tmp_path / f"{name}.db"))) as store:
            assert await store.calls(CallFilter()) == []

    asyncio.run(run())


def test_an_opening_that_is_cancelled_lets_the_next_one_open(tmp_path: Path) -> None:
    async def run():
        async def opened(name: str):
            async with Store(StoreOptions(str(tmp_path / f"{name}.db"))) as store:
                assert await store.calls(CallFilter()) == []

        async with asyncio.timeout(HANG), asyncio.TaskGroup() as tasks:
            dropped = [tasks.create_task(opened(name)) for name in "ab"]
            while not _UPGRADING.locked():
                await asyncio.sleep(0)
            for task in dropped:
                task.cancel()
            tasks.create_task(opened("c"))

    asyncio.run(run())


def test_many_may_make_the_file_at_the_same_moment(tmp_path: Path) -> None:
    """SQLite refuses some of them at once; without another try one of sixteen gateways did not start."""
    with ThreadPoolExecutor(4) as threads:
        for number in range(100):
            path, together = str(tmp_path / f"{number}.db"), Barrier(4)

            def make(path: str = path, together: Barrier = together) -> None:
                together.wait(HANG)
                prepare(path)

            for made in [threads.submit(make) for _ in range(4)]:
                made.result(20)


def test_the_newest_schema_is_what_the_modules_declare() -> None:
    """If this fails: ``python -m sipgw.tools.revision what has changed`` writes the revision that is missing."""
    with create_engine("sqlite://").connect() as connection:
        schema.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": search.declared})
        assert compare_metadata(context, Base.metadata) == []


def test_every_module_that_declares_tables_is_known() -> None:
    root = Path(schema.__file__).parents[2]
    declaring = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for path in root.rglob("*.py")
        if "__tablename__ =" in path.read_text()
    }
    assert declaring == {module.__name__ for module in DECLARING}


def test_the_newest_revision_is_known_without_alembic() -> None:
    """Whoever opens a database that is up to date does not load it."""
    assert list(schema.revisions()) == [
        one.revision for one in ScriptDirectory.from_config(schema.config()).walk_revisions()
    ]
