"""What is kept for how long, what is forgotten, and what is handed out."""

import asyncio
import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.records import RetentionOptions, StoreOptions
from sipgw.outbound.tables import Job
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.rules import Permit
from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import undeleted
from sipgw.records.artifacts.files import BUNDLE, ENDING, file_name
from sipgw.records.artifacts.folders import MARK, Folders
from sipgw.records.artifacts.retention import Removed, forget, purge
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord, CallRecord, EventRecord
from sipgw.web.accounts import Accounts
from sipgw.web.principal import Principal
from tests.cdr_events import START, add_call, artifact
from tests.gate_world import CALIFORNIA, World

DAY = timedelta(days=1)
CARD = "four" + " one" * 15


async def fill(store: Store, folder: Path) -> None:
    """A call for each of ten days, the newest at START, with a recording; and one that still goes on."""
    for age in range(10):
        file = folder / f"{age}.wav"
        file.write_bytes(b"RIFF")
        record = CallRecord(
            id=f"call-{age}", trunk="pbx", agent="agent", caller="+14155550123" if age % 2 else "+4930100",
            called="100", began=START - age * DAY, answered=START - age * DAY,
            ended=START - age * DAY + timedelta(seconds=61), ending="caller_hung_up", cause="BYE", recording=str(file),
            media={"recording": {"file": str(file)}, "lost": 1},
        )  # fmt: skip
        tools = [{"name": "t", "arguments": {}, "result": "x", "error": "", "seconds": 0.1}]
        turns = [{"caller": f"UNIQUE-{age} {CARD}", "said": "=1+1", "heard": "=1+1", "tools": tools}]
        await add_call(store, record, turns)
    async with store.write() as session:
        session.add(EventRecord(call="call-3", at=START, kind="ringing", about={}))
        session.add(Job(campaign="", key="x", number="+14155550123", agent="agent", due=0.0))
        going = CallRecord(id="going", trunk="pbx", caller="+14155550123", called="100", began=START - 20 * DAY)
        session.add(going)


async def own(store: Store, files: dict[int, Path], kind: ArtifactKind) -> None:
    """Rows of these files of the calls, by their ages."""
    async with store.write() as session:
        for age, file in files.items():
            session.add(artifact(f"call-{age}", str(file), kind, created=START - age * DAY))


def filled(folder: Path, work) -> Any:
    async def run():
        async with Store(StoreOptions(str(folder / "x.db"))) as store:
            await fill(store, folder)
            return await work(store)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "calls", "words", "files"),
    [
        (RetentionOptions(), 10, 10, 10),
        (RetentionOptions(calls=5), 6, 6, 6),
        (RetentionOptions(transcripts=5), 10, 6, 10),
        (RetentionOptions(recordings=5), 10, 10, 6),
        (RetentionOptions(calls=8, transcripts=2, recordings=4), 9, 3, 5),
    ],
)
def test_each_kind_is_kept_for_its_days(
    tmp_path: Path, options: RetentionOptions, calls: int, words: int, files: int
) -> None:
    async def look(store: Store):
        removed = await purge(store, options, START - timedelta(seconds=1))
        assert await purge(store, options, START - timedelta(seconds=1)) == Removed()
        return removed, await store.calls(), await store.calls(CallFilter(ended=False))

    removed, kept, going = filled(tmp_path, look)
    assert len(kept) == calls
    assert sum(bool(call["turns"]) for call in kept) == words
    assert len(list(tmp_path.glob("*.wav"))) == files == sum(bool(call["recording"]) for call in kept)
    assert all(Path(call["recording"]).exists() for call in kept if call["recording"])
    assert all(("recording" in call["media"]) is bool(call["recording"]) and call["media"]["lost"] for call in kept)
    assert (removed.calls, removed.recordings) == (10 - calls, 10 - files)
    assert [call["id"] for call in going] == ["going"]


@pytest.mark.parametrize("number", ["+14155550123", "14155550123", "+1 (415) 555-0123", "0014155550123"[2:]])
def test_a_caller_is_forgotten_and_nothing_of_them_is_left_in_the_file(tmp_path: Path, number: str) -> None:
    async def look(store: Store):
        removed = await forget(store, number, START)
        return removed, [call["id"] for call in await store.calls()]

    removed, kept = filled(tmp_path, look)
    assert (removed.calls, removed.recordings) == (5, 5)
    assert sorted(kept) == [f"call-{age}" for age in (0, 2, 4, 6, 8)]
    assert sorted(path.name for path in tmp_path.glob("*.wav")) == [f"{age}.wav" for age in (0, 2, 4, 6, 8)]
    left = b"".join(path.read_bytes() for path in tmp_path.glob("x.db*"))
    assert [age for age in range(10) if f"UNIQUE-{age}".encode() in left] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("options", [RetentionOptions(calls=5), RetentionOptions(transcripts=5), None])
def test_with_the_words_goes_what_the_page_of_the_call_is_made_of(
    tmp_path: Path, options: RetentionOptions | None
) -> None:
    async def look(store: Store) -> set[int]:
        files = {age: store.options.calls_folder / f"{file_name(f'call-{age}')}{ENDING}" for age in range(10)}
        store.options.calls_folder.mkdir()
        for file in files.values():
            file.write_bytes(b"words")
        await own(store, files, ArtifactKind.TIMELINE)
        if options:
            await purge(store, options, START - timedelta(seconds=1))
        else:
            await forget(store, "+14155550123", START)
        return {age for age, file in files.items() if file.exists()}

    assert filled(tmp_path, look) == ({0, 1, 2, 3, 4, 5} if options else {0, 2, 4, 6, 8})


@pytest.mark.parametrize("options", [RetentionOptions(calls=5), RetentionOptions(transcripts=5), None])
def test_with_the_words_goes_the_bundle_of_the_call(tmp_path: Path, options: RetentionOptions | None) -> None:
    async def look(store: Store) -> set[int]:
        files = {age: tmp_path / f"{file_name(f'call-{age}')}{BUNDLE}" for age in range(10)}
        for file in files.values():
            file.write_bytes(b"words")
        await own(store, files, ArtifactKind.BUNDLE)
        if options:
            await purge(store, options, START - timedelta(seconds=1))
        else:
            await forget(store, "+14155550123", START)
        return {age for age, file in files.items() if file.exists()}

    assert filled(tmp_path, look) == ({0, 1, 2, 3, 4, 5} if options else {0, 2, 4, 6, 8})


def test_a_recording_that_has_gone_already_holds_up_nothing(tmp_path: Path) -> None:
    async def look(store: Store):
        (tmp_path / "9.wav").unlink()
        return await purge(store, RetentionOptions(calls=5), START - timedelta(seconds=1))

    assert filled(tmp_path, look) == Removed(calls=4, recordings=3)


PAST = [
    pytest.param(lambda store: purge(store, RetentionOptions(calls=5), START), id="calls"),
    pytest.param(lambda store: purge(store, RetentionOptions(recordings=5), START), id="recordings"),
    pytest.param(lambda store: forget(store, "+14155550123", START), id="forget"),
]
"""What deletes the recording of call 9."""


@pytest.mark.slow
@pytest.mark.faults("C3")
@pytest.mark.parametrize("delete", PAST)
def test_a_recording_that_cannot_be_deleted_is_tried_until_it_can(tmp_path: Path, delete) -> None:
    stuck = tmp_path / "9.wav"

    async def look(store: Store) -> None:
        stuck.unlink()
        stuck.mkdir()  # stands for a disk that is mounted read-only: it cannot be unlinked
        assert (await delete(store)).undeleted == 1
        assert not stuck.with_name("7.wav").exists()
        assert (await purge(store, RetentionOptions(), START)).undeleted == 1
        async with store.read() as session:
            (waiting,) = await undeleted(session, 10)
        assert (waiting.path, waiting.attempts) == (str(stuck), 2)
        assert waiting.problem
        stuck.rmdir()
        stuck.write_bytes(b"RIFF")
        assert (await purge(store, RetentionOptions(), START)).undeleted == 0
        assert not stuck.exists()

    filled(tmp_path, look)


@pytest.mark.slow
@pytest.mark.faults("C3")
@pytest.mark.parametrize("delete", PAST)
def test_what_is_on_a_disk_that_is_not_mounted_is_deleted_when_it_is(tmp_path: Path, delete) -> None:
    async def look(store: Store) -> None:
        disk, away = tmp_path / "disk", tmp_path / "away"
        disk.mkdir()
        (tmp_path / "9.wav").rename(disk / "9.wav")
        async with store.write() as session:
            moved = update(ArtifactRecord).where(ArtifactRecord.call == "call-9")
            await session.execute(moved.values(path=str(disk / "9.wav")))
        hosts.folders(store).mark([str(disk)])
        disk.rename(away)
        disk.mkdir()
        hosts.folders(store).mark([str(disk)])  # the gateway starts while it is away
        assert (await delete(store)).undeleted == 1
        disk.rmdir()
        assert (await purge(store, RetentionOptions(), START)).undeleted == 1
        away.rename(disk)
        assert (await purge(store, RetentionOptions(), START)).undeleted == 0
        assert [file.name for file in disk.iterdir()] == [MARK]

    filled(tmp_path, look)


@pytest.mark.faults("C3")
@pytest.mark.parametrize("marked", [False, True], ids=["without a mark", "with the mark of another machine"])
def test_a_mount_point_that_was_marked_while_its_disk_was_away_is_not_taken_for_the_disk(
    tmp_path: Path, marked: bool
) -> None:
    folders, disk, bare = Folders(tmp_path / "spool" / "folders"), tmp_path / "disk", tmp_path / "bare"
    disk.mkdir()
    folders.mark([disk])
    disk.rename(bare)
    disk.mkdir()
    (disk / "9.wav").touch()
    if marked:
        (disk / MARK).write_text("0123456789abcdef")
    folders.mark([disk])
    assert not folders.certain(disk)
    disk.rename(tmp_path / "away")
    bare.rename(disk)
    folders.mark([disk])
    assert not folders.certain(disk)


@pytest.mark.faults("C3")
def test_a_folder_that_another_gateway_has_marked_is_known_from_then_on(tmp_path: Path) -> None:
    one, other = (Folders(tmp_path / name / "folders") for name in ("one", "other"))
    disk = tmp_path / "disk"
    disk.mkdir()
    one.mark([disk])
    other.mark([disk])
    assert other.certain(disk)
    disk.rename(tmp_path / "away")
    disk.mkdir()
    (disk / "another file").touch()
    assert not other.certain(disk)


@pytest.mark.faults("C3")
def test_a_folder_that_cannot_be_looked_at_is_not_certain_and_hinders_no_other(tmp_path: Path) -> None:
    folders, bad = Folders(tmp_path / "spool" / "folders"), tmp_path / ("x" * 300)
    folders.mark([bad, tmp_path])
    assert folders.certain(tmp_path)
    assert not folders.certain(bad)


@pytest.mark.slow
@pytest.mark.faults("C3")
@pytest.mark.parametrize("mount", ["nowhere", "empty"])
def test_a_folder_of_which_nothing_is_known_is_not_taken_for_the_right_one(tmp_path: Path, mount: str) -> None:
    async def look(store: Store) -> None:
        (tmp_path / "empty").mkdir()
        async with store.write() as session:
            moved = update(ArtifactRecord).where(ArtifactRecord.call == "call-2")
            await session.execute(moved.values(path=str(tmp_path / mount / "a.wav")))
        assert (await forget(store, "+4930100", START)).undeleted == 1

    filled(tmp_path, look)


@pytest.mark.faults("C3")
def test_the_command_names_what_could_not_be_deleted(command, tmp_path: Path) -> None:
    (tmp_path / "9.wav").unlink()
    (tmp_path / "9.wav").mkdir()
    told = command("forget", "+14155550123", "--yes").output
    assert f"not deleted: {tmp_path}/9.wav: " in told
    assert "1 files wait to be deleted" in told


# The command line


@pytest.fixture
def command(tmp_path: Path):
    async def nothing(store: Store) -> None:
        pass

    filled(tmp_path, nothing)
    file = tmp_path / "sipgw.toml"
    file.write_text(f'[store]\npath = "{tmp_path / "x.db"}"\n[retention]\ncalls = 5\n')

    def run(*arguments: str):
        return CliRunner().invoke(app, ["records", *arguments, "--config", str(file)])

    return run


def test_calls_are_exported_as_json(command) -> None:
    told = command(
        "export", "--since", "2025-12-30", "--number", "+1415*", "--trunk", "pbx", "--ending", "caller_hung_up"
    )
    calls = json.loads(told.stdout)
    assert [call["id"] for call in calls] == ["call-1", "call-3"]
    assert calls[0]["turns"][0]["caller"] == "UNIQUE-1 [card ••1111]", "the policy holds for exports, too"
    assert calls[0]["began"] == (START - DAY).isoformat()
    assert [event["kind"] for event in calls[1]["events"]] == ["ringing"]


def test_calls_are_exported_as_csv_that_no_spreadsheet_runs(command, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    assert command("export", "--csv", "--until", "2026-01-01", "--output", str(file)).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["id"] for row in rows] == [*(f"call-{age}" for age in range(2, 10)), "going"]
    assert (rows[0]["seconds"], rows[0]["turns"], rows[1]["caller"]) == ("61.0", "1", "+14155550123")
    assert rows[0]["transcript"] == "caller: UNIQUE-2 [card ••1111]\nagent: =1+1"


def test_nothing_to_export_is_an_empty_list(command) -> None:
    assert json.loads(command("export", "--agent", "nobody").stdout) == []
    assert command("export", "--json", "--csv").exit_code == 2


@pytest.mark.slow
def test_forgetting_takes_captured_packets_too(command, tmp_path: Path) -> None:
    config = tmp_path / "sipgw.toml"
    config.write_text(config.read_text() + f'[capture]\nfolder = "{tmp_path / "packets"}"\n')
    (tmp_path / "packets").mkdir()
    files = {age: tmp_path / "packets" / f"{file_name(f'call-{age}')}.pcap" for age in range(10)}
    for file in files.values():
        file.write_bytes(b"sound")

    async def have() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await own(store, files, ArtifactKind.CAPTURE)

    asyncio.run(have())
    assert command("forget", "+14155550123", "--yes").exit_code == 0
    assert len(list((tmp_path / "packets").glob("*.pcap"))) == 5


@pytest.mark.slow
def test_forgetting_asks_first(command) -> None:
    assert command("forget", "+14155550123").exit_code == 1
    told = command("forget", "+14155550123", "--yes")
    assert told.stdout.splitlines() == [
        "deleted: 5 calls, 5 recordings, 1 planned calls",
        "made unreadable: 0 lines of the gate's audit",
    ]


@pytest.mark.slow
def test_who_is_forgotten_is_in_no_file_any_more_but_still_not_called(command, tmp_path: Path) -> None:
    """The law wants both: the promise not to call stays, and the rest goes."""
    number = "+14155550123"

    async def scene(world: World) -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await Accounts(store).note(Principal.named("operator"), "", "made a call", number, "agent")
            await OwnList(store).add(number, "caller")
        async with world.up(per_day=3):
            return isinstance(await world.dial(number), Permit) and isinstance(await world.dial(), Permit)

    world = World(tmp_path)
    assert asyncio.run(scene(world))
    (tmp_path / "audit").rename(tmp_path / "x.db.gate")
    told = command("forget", number, "--yes")
    assert "made unreadable: 1 lines of the gate's audit" in told.stdout
    assert f"kept: {number} is on the do-not-call list since" in told.stdout
    audit = b"".join(path.read_bytes() for path in (tmp_path / "x.db.gate").iterdir())
    assert number.encode() not in audit and b'"+xxxxxxxxxxx"' in audit
    assert CALIFORNIA.encode() in audit, "only theirs"
    (tmp_path / "x.db.gate").rename(tmp_path / "audit")

    async def later() -> tuple[str, str, list[str]]:
        async with world.up(per_day=3):
            full = [(await world.dial(f"+1415555013{last}")) for last in range(2)]
            entry = await OwnList(Store(StoreOptions(str(tmp_path / "x.db")))).find(number)
        return type(full[0]).__name__, type(full[1]).__name__, [entry.number if entry else ""]

    assert asyncio.run(later()) == ("Permit", "GateRefusal", [number]), "the day's cap still counts what was masked"


def test_purging_deletes_what_is_old(command) -> None:
    assert "deleted: 11 calls" in command("purge").stdout, "and the one that nobody will close any more"


@pytest.mark.faults("H14")
def test_without_days_nothing_is_too_old(command, tmp_path: Path) -> None:
    (tmp_path / "sipgw.toml").write_text(f'[store]\npath = "{tmp_path / "x.db"}"\n')
    told = command("purge")
    assert (told.exit_code, told.stdout) == (0, "nothing to delete: nothing is ever too old; set days in [retention]\n")
