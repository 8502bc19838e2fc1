"""What the gateway does every hour, and what it takes over from a release without a table of artifacts."""

import asyncio
import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, select, text
from structlog.testing import capture_logs

from sipgw.cli.forgetting import forget_everywhere
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.records import CaptureOptions, RetentionOptions, StoreOptions
from sipgw.events import Watchers
from sipgw.records.artifacts import artifact as artifacts
from sipgw.records.artifacts import folders, work
from sipgw.records.artifacts import maintenance as maintenance_module
from sipgw.records.artifacts.artifact import ENDLESS, is_open
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactState
from sipgw.records.store.schema import config
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord, CallRecord
from tests.cdr_events import artifact
from tests.records.maintained import maintenance
from tests.waiting import HANG

NUMBER = "+14155550123"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=9)


def settings(folder: Path) -> GatewayConfig:
    return GatewayConfig(
        store=StoreOptions(str(folder / "x.db")),
        retention=RetentionOptions(calls=5),
        gate=GateOptions(audit=str(folder / "audit")),
        capture=CaptureOptions(folder=str(folder / "captures")),
    )


@pytest.mark.faults("C3")
def test_a_full_table_of_undeletable_files_stops_neither_the_audit_nor_old_callbacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "MOST_UNDELETED", 1)
    (tmp_path / "audit").mkdir()
    decided = tmp_path / "audit" / "gate-2026-11.jsonl"
    decided.write_text(json.dumps({"number": NUMBER}) + "\n")
    stuck = tmp_path / "away" / "1.wav"

    async def run() -> None:
        wanted = settings(tmp_path)
        async with Store(wanted.store) as store:
            party = {"trunk": "pbx", "caller": "1", "called": "2"}
            async with store.write() as session:
                session.add(CallRecord(id="a", began=OLD, ended=OLD, **party))
                session.add(artifact("", str(stuck), state=ArtifactState.TO_DELETE.value, attempts=1))
                session.add(artifact("", NUMBER, ArtifactKind.AUDIT, state=ArtifactState.TO_REDACT.value))
            with capture_logs() as told:
                await maintenance(store, wanted).once(NOW)
            events = {one["event"]: one for one in told}
            assert "1 files of calls wait to be deleted" in events["old records not deleted"]["cause"]
            assert events["files not deleted"]["first"] == str(stuck)
            assert events["audit"]["action"] == "audit redacted"
            assert await store.calls(), "it stays, for its files would be nobody's"
            async with store.read() as session:
                (left,) = await session.scalars(select(ArtifactRecord))
            assert (left.path, left.attempts) == (str(stuck), 2)
        assert NUMBER not in decided.read_text()

    asyncio.run(run())


def test_what_calls_leave_when_the_gateway_ends_is_done_before_it_does(tmp_path: Path) -> None:
    path = tmp_path / "1.wav"
    path.touch()

    async def run() -> None:
        async with Store(settings(tmp_path).store) as store:
            async with maintenance(store, settings(tmp_path)), store.write() as session:
                session.add(artifact("", str(path), state=ArtifactState.TO_DELETE.value))
            async with store.read() as session:
                assert not list(await session.scalars(select(ArtifactRecord)))

    asyncio.run(run())
    assert not path.exists()


@pytest.mark.faults("C3")
def test_a_database_from_before_the_table_has_rows(tmp_path: Path) -> None:
    """Recordings, files that could not be deleted, numbers to forget. A recording that is away stays closed."""
    finished, noted, away = (tmp_path / f"{name}.wav" for name in ("finished", "noted", "away"))
    for path in (finished, noted, tmp_path / "noted.wav.unfinished"):
        path.touch()
    with create_engine(f"sqlite:///{tmp_path / 'x.db'}").begin() as connection:
        command.upgrade(config(connection), "0016")
        named = text(
            "INSERT INTO calls (id, recording, gateway, direction, trunk, agent, caller, called, began, ended) "
            "VALUES (:call, :recording, '', 'in', 'pbx', 'agent', '', '', '2026-11-20 12:00:00', '2026-11-20 12:01:00')"
        )
        for call, recording in (("a@1", finished), ("b@2", noted), ("c@3", away)):
            connection.execute(named, {"call": call, "recording": str(recording)})
        connection.execute(text("INSERT INTO undeleted VALUES ('/away/1.wav', '', '2026-11-20 12:00:00', 7, 'why')"))
        connection.execute(text("INSERT INTO forgotten VALUES ('one', :number)"), {"number": NUMBER})

    async def run() -> None:
        wanted = settings(tmp_path)
        async with Store(wanted.store) as store, store.read() as session:
            there = {row.path: row for row in await session.scalars(select(ArtifactRecord))}
            stuck, number = there.pop("/away/1.wav"), there.pop(NUMBER)
            assert (stuck.state, stuck.attempts, stuck.problem) == (ArtifactState.TO_DELETE, 7, "why")
            assert (number.kind, number.state, number.gateway) == (ArtifactKind.AUDIT, ArtifactState.TO_REDACT, "one")
            assert {(row.call, row.kind) for row in there.values()} == {
                (call, ArtifactKind.RECORDING) for call in ("a@1", "b@2", "c@3")
            }
            assert there[str(noted)].redact == {"spans": [f"{side}:0-{ENDLESS:.0f}" for side in "LR"]}
            away.touch()  # its disk is back
            await maintenance(store, wanted).once(NOW - timedelta(days=3))
            calls = ((finished, "a@1"), (noted, "b@2"), (away, "c@3"))
            assert [await is_open(session, str(path), call) for path, call in calls] == [True, False, False]

    asyncio.run(run())


def test_an_audit_that_cannot_be_changed_stops_no_forgetting_and_is_tried_again(tmp_path: Path) -> None:
    decided = tmp_path / "audit" / "gate-2026-11.jsonl"
    decided.mkdir(parents=True)  # no file
    erased: list[Sequence[str]] = []

    async def erase(numbers: Sequence[str]) -> None:
        erased.append(numbers)

    async def run() -> None:
        wanted = settings(tmp_path)
        async with Store(wanted.store) as store:
            party = {"trunk": "pbx", "caller": NUMBER, "called": "2"}
            async with store.write() as session:
                session.add(CallRecord(id="a", began=OLD, ended=OLD, **party))
            gone = await forget_everywhere(store, wanted, NUMBER, NOW, erase)
            assert (gone.removed.calls, gone.decisions) == (1, 0)
            assert gone.unmasked.startswith("the audit")
            assert NUMBER in erased[0]
            decided.rmdir()
            decided.write_text(json.dumps({"number": NUMBER}) + "\n")
            await maintenance(store, wanted).once(NOW)
            async with store.read() as session:
                assert not list(await session.scalars(select(ArtifactRecord)))

    asyncio.run(run())
    assert NUMBER not in decided.read_text()


@pytest.mark.faults("C3")
def test_a_folder_that_hangs_while_it_is_marked_stops_neither_the_worker_nor_retention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, done, mark = threading.Event(), tmp_path / "done.wav", folders.Folders._mark
    done.touch()

    def hangs(self: folders.Folders, folder: Path) -> None:
        if folder.name == "captures":
            free.wait()
        mark(self, folder)

    async def gone(path: Path) -> None:
        async with asyncio.timeout(HANG):
            while path.exists():
                await asyncio.sleep(0.01)

    async def run() -> None:
        wanted = settings(tmp_path)
        async with Store(wanted.store) as store, CdrWriter(store, Watchers()):
            async with store.write() as session:
                session.add(artifact("", str(done), state=ArtifactState.TO_DELETE.value))
            async with maintenance(store, wanted):
                await gone(done)
            monkeypatch.setattr(work, "LIMIT", 0.05)
            done.touch()
            async with store.write() as session:
                session.add(artifact("", str(done), created=OLD))
            async with asyncio.timeout(HANG):
                await maintenance(store, wanted).once(NOW)
            assert not done.exists()
        free.set()

    monkeypatch.setattr(maintenance_module, "PAUSE", 0.01)
    monkeypatch.setattr(folders.Folders, "_mark", hangs)
    try:
        asyncio.run(run())
    finally:
        free.set()


def test_in_the_end_only_what_this_process_wrote_is_taken_before_its_time(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.wav", tmp_path / "other.wav"
    held = artifacts.Artifacts()
    for path in (mine, other):
        path.touch()
    held.begin(ArtifactKind.RECORDING, "a", str(mine)).end()

    async def run() -> None:
        wanted, soon = settings(tmp_path), datetime.now(UTC) + artifacts.SETTLED
        waits = {"state": ArtifactState.TO_DELETE.value, "next_try": soon}
        async with Store(wanted.store) as store, maintenance(store, wanted, held), store.write() as session:
            session.add_all(artifact("", str(path), **waits) for path in (mine, other))  # type: ignore[arg-type]

    asyncio.run(run())
    assert not mine.exists() and other.exists()
