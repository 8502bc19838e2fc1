"""Whose recording it is that a killed gateway left: that of a call in this database, of another, or of none."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from sipgw.config.records import StoreOptions
from sipgw.records.artifacts.finishing import finish
from sipgw.records.artifacts.unfinished import UNFINISHED
from sipgw.records.store import Store
from sipgw.records.store.tables import CallRecord
from tests.records.test_bleeps import wav
from tests.records.test_unfinished import begun, closed, leave

pytestmark = pytest.mark.slow


def noted_in(path: Path, database: str) -> Path:
    """Leave a note as a gateway does that is killed; returns where it is. It is two days old."""
    leave(begun(path, database=database))
    note = Path(f"{path}{UNFINISHED}")
    old = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(note, (old, old))
    return note


@pytest.mark.faults("C15")
def test_what_a_killed_gateway_recorded_of_a_call_that_is_gone_is_deleted_by_its_own_database_alone(
    tmp_path: Path,
) -> None:
    """The caller was forgotten before the disk of the recording was there again."""
    path = wav(tmp_path / "x.wav", 1)

    async def run(name: str, database: str = "") -> bool:
        async with Store(StoreOptions(str(tmp_path / name))) as store:
            if not database:
                noted_in(path, store.name)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    note = noted_in(path, "0123456789abcdef")
    with capture_logs() as told:
        assert not asyncio.run(run("other.db", "another"))
    assert path.exists() and note.exists()
    assert [one["event"] for one in told] == ["recording of a call that is not in this database is left"]
    note.unlink()
    before = hashlib.sha256(str((tmp_path / "old.db").resolve()).encode()).hexdigest()[:16]
    kept = wav(tmp_path / "y.wav", 1)
    noted_in(kept, before)

    async def run_old() -> bool:
        async with Store(StoreOptions(str(tmp_path / "old.db"))) as store:
            return await finish(store, Path(f"{kept}{UNFINISHED}"))

    assert asyncio.run(run_old()), "a note of a release in which the database had no name of its own"
    assert not kept.exists()
    assert asyncio.run(run("x.db"))
    assert not path.exists() and not note.exists()


@pytest.mark.faults("C3")
def test_a_database_is_the_same_wherever_it_is_and_whatever_its_password(tmp_path: Path) -> None:
    async def name(path: Path) -> str:
        async with Store(StoreOptions(str(path))) as store:
            return store.name

    first, again, other = [asyncio.run(name(tmp_path / one)) for one in ("x.db", "x.db", "y.db")]
    assert first and first == again != other
    (tmp_path / "x.db").rename(tmp_path / "moved.db")
    assert asyncio.run(name(tmp_path / "moved.db")) == first


@pytest.mark.faults("C3")
def test_a_recording_whose_call_is_in_the_database_is_finished_whatever_its_note_says(tmp_path: Path) -> None:
    """An earlier release told databases apart by the URL with its password, or by the path."""
    path = wav(tmp_path / "x.wav", 1)
    note = noted_in(path, "0123456789abcdef")

    async def run() -> str:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            assert await finish(store, note)
            return str((await store.call("a@1") or {})["recording"])

    assert asyncio.run(run()) == str(path), "so retention finds it"
    assert not note.exists()


@pytest.mark.faults("C3")
def test_a_call_of_the_same_name_in_another_database_does_not_take_its_recording(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = noted_in(path, "0123456789abcdef")

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            own = {"recording": "/var/own.wav", "media": {"recording": {"file": "/var/own.wav"}}}
            async with store.write() as session:
                await session.execute(update(CallRecord).values(**own))
            return await finish(store, note)

    with capture_logs() as told:
        assert not asyncio.run(run())
    assert path.exists() and note.exists()
    assert [one["log_level"] for one in told] == ["warning"]


@pytest.mark.faults("C3")
@pytest.mark.parametrize("doubt", ["an earlier release", "the note is of today", "records wait for the database"])
def test_a_recording_is_deleted_only_when_its_record_is_gone_for_certain(tmp_path: Path, doubt: str) -> None:
    """The record may come yet, or the database may be one that was made again in the place of a lost one."""
    path = wav(tmp_path / "x.wav", 1)

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            note = noted_in(path, "" if doubt == "an earlier release" else store.name)
            if doubt == "the note is of today":
                os.utime(note)
            return await finish(store, note, behind=lambda: doubt == "records wait for the database")

    with capture_logs() as told:
        assert not asyncio.run(run())
    assert path.exists() and Path(f"{path}{UNFINISHED}").exists()
    assert [one["event"] for one in told] == ["recording of a call that is not in this database is left"]


@pytest.mark.faults("C3")
def test_a_database_that_is_made_again_deletes_no_recording_of_the_lost_one(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            note = noted_in(path, store.name)
            for one in tmp_path.glob("x.db*"):
                one.unlink()
            await store.revive()
            return await finish(store, note)

    assert not asyncio.run(run())
    assert path.exists()
