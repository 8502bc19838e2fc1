"""Marks of folders, and what waits to be deleted where they are not certain."""

import asyncio
import errno
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sipgw.bounds import FULL
from sipgw.config.records import RetentionOptions, StoreOptions
from sipgw.records.artifacts import artifact, folders, hosts, retention
from sipgw.records.artifacts.files import PACKETS, file_name
from sipgw.records.artifacts.folders import MARK, Folders
from sipgw.records.artifacts.retention import forget, purge
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, TurnRecord
from tests.cdr_events import START
from tests.cdr_events import artifact as row


@pytest.mark.faults("C3")
@pytest.mark.parametrize("links", [True, False], ids=["", "a file system without hard links"])
def test_two_gateways_that_mark_a_folder_at_the_same_moment_know_it_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    one, other = (Folders(tmp_path / name / "folders") for name in ("one", "other"))
    disk, idents = tmp_path / "disk", iter(["1" * 16, "2" * 16])
    disk.mkdir()

    def meanwhile(_: int) -> str:
        mine = next(idents)
        if mine == "1" * 16:
            other.mark([disk])
        return mine

    def fails(*_: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(folders.secrets, "token_hex", meanwhile)  # type: ignore[attr-defined]
    if not links:
        monkeypatch.setattr(os, "link", fails)
    one.mark([disk])
    assert one.certain(disk) and other.certain(disk)
    assert [file.name for file in disk.iterdir()] == [MARK]
    one.mark([disk])
    other.mark([disk])
    assert one.certain(disk) and other.certain(disk)


@pytest.mark.faults("C3")
def test_what_waits_to_be_deleted_has_a_bound_and_beyond_it_no_call_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would know of its files when the disk is there again; then all of it goes at once."""
    monkeypatch.setattr(artifact, "MOST_UNDELETED", 20)
    monkeypatch.setattr(retention, "SOME", 4)
    disk, away = tmp_path / "disk", tmp_path / "away"
    disk.mkdir()

    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            old, party = START - timedelta(days=9), {"trunk": "pbx", "caller": "1", "called": "2"}
            calls = [CallRecord(id=f"c{number}", began=old, ended=old, **party) for number in range(30)]
            async with store.write() as session:
                session.add_all(calls)
                for call in calls:
                    path = disk / f"{file_name(call.id)}{PACKETS}"
                    path.touch()
                    session.add(row(call.id, str(path), ArtifactKind.CAPTURE, created=old))
            hosts.folders(store).mark([str(disk)])
            disk.rename(away)
            full = FULL["files to delete"]
            with pytest.raises(StoreError, match="wait to be deleted"):
                await purge(store, RetentionOptions(calls=5), START)
            assert FULL["files to delete"] > full
            left = len(await store.calls(CallFilter()))
            assert 0 < left < 30
            away.rename(disk)
            removed = await purge(store, RetentionOptions(calls=5), START)
            assert (removed.calls, removed.undeleted) == (left, 0)
        assert [file.name for file in disk.iterdir()] == [MARK]

    asyncio.run(scenario())


@pytest.mark.faults("C3")
@pytest.mark.parametrize("first", ["purge", "forget"])
def test_words_go_in_time_though_too_many_recordings_wait_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Also those of a call whose capture is on the disk that is away."""
    monkeypatch.setattr(artifact, "MOST_UNDELETED", 1)
    monkeypatch.setattr(retention, "SOME", 1)
    disk = tmp_path / "disk"
    disk.mkdir()

    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            old, party = START - timedelta(days=9), {"trunk": "pbx", "caller": "1", "called": "2"}
            heard = [
                CallRecord(id=f"c{one}", began=old, ended=old, recording=str(disk / f"{one}.wav"), **party)
                for one in range(3)
            ]
            async with store.write() as session:
                session.add_all([*heard, CallRecord(id="words", began=old, ended=old, **party)])
                session.add_all(row(one.id, one.recording, created=old) for one in heard)
                session.add_all(row(one.id, f"{one.recording}.zip", ArtifactKind.BUNDLE, created=old) for one in heard)
                session.add_all(TurnRecord(call=one, number=0, caller="my secret") for one in ("words", "c2"))
            hosts.folders(store).mark([str(disk)])
            disk.rename(tmp_path / "away")
            if first == "purge":
                removed = await purge(store, RetentionOptions(recordings=5, transcripts=5), START)
                assert removed.undeleted == 6 and not (await store.calls())[0]["recording"]
            with pytest.raises(StoreError, match="wait to be deleted"):
                await forget(store, "1", START)
            async with store.read() as session:
                assert not list(await session.scalars(select(TurnRecord)))

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with 300 calls, each written by itself, one of which has the word zanzibar."""
    file = tmp_path_factory.mktemp("spoken") / "x.db"

    async def scenario() -> None:
        async with Store(StoreOptions(str(file))) as store:
            old, party = START - timedelta(days=9), {"trunk": "pbx", "called": "2"}
            for number in range(300):
                caller, call = ("1", "gone") if number == 150 else ("3", f"c{number}")
                words = "my zanzibar" if call == "gone" else f"other word{number}"
                async with store.write() as session:
                    began = old if call == "gone" else START
                    session.add(CallRecord(id=call, began=began, ended=began, caller=caller, **party))
                    session.add(TurnRecord(call=call, number=0, caller=words))
            assert len((await store.page(CallFilter(words="zanzibar"))).calls) == 1
            await store.scrub()

    asyncio.run(scenario())
    assert b"zanzibar" in file.read_bytes()
    return file


@pytest.mark.parametrize("first", ["purge", "forget", "correct"])
def test_a_removed_word_stands_nowhere_in_the_files_of_the_database(tmp_path: Path, spoken: Path, first: str) -> None:
    """Neither in the index of words, which keeps what was deleted until it is rewritten; other words stay in it."""
    for one in spoken.parent.glob("x.db*"):
        shutil.copy(one, tmp_path) if one.is_file() else shutil.copytree(one, tmp_path / one.name)
    file = tmp_path / "x.db"

    async def scenario() -> None:
        async with Store(StoreOptions(str(file))) as store:
            if first == "purge":
                await purge(store, RetentionOptions(transcripts=5), START)
            elif first == "forget":
                await forget(store, "1", START)
            else:
                async with store.write() as session:
                    await session.execute(update(TurnRecord).where(TurnRecord.call == "gone").values(caller="[name]"))
                await store.scrub()
            assert not (await store.page(CallFilter(words="zanzibar"))).calls
            assert len((await store.page(CallFilter(words="word299"))).calls) == 1
            assert bool((await store.page(CallFilter(words="name"))).calls) == (first == "correct")
            kept = b"".join(one.read_bytes() for one in tmp_path.glob("x.db*"))
            assert b"zanzibar" not in kept and b"zanz" not in kept and b"word299" in kept

    asyncio.run(scenario())
