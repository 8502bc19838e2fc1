"""A gateway is killed while a recording goes on: the next start covers what was to be covered and marks what is cut."""

import asyncio
import errno
import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from agent.records import AgentSays
from media.process.channel import Dead
from media.recording.redact import TONE, Span
from sipgw.calls.call import sorting
from sipgw.desk import Desk
from sipgw.events import CallAnswered, CallEnded, CallReported, Ending, Watchers
from sipgw.privacy.redaction import PrivacyOptions
from sipgw.records import bleeps, unfinished
from sipgw.records.bleeps import Bleeps
from sipgw.records.finishing import Finishing, finish
from sipgw.records.recordings import Tape
from sipgw.records.unfinished import KILLED, UNFINISHED, Unfinished, waits
from sipgw.store import Store, StoreOptions
from sipgw.store.retention import forget
from sipgw.store.tables import CallRecord
from tests.records.test_bleeps import LOUD, sides, wav
from tests.waiting import until

pytestmark = pytest.mark.faults("C15")

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KILLED_GATEWAY = """
import os, signal, sys
from media.recording.redact import Span
from sipgw.records.unfinished import Unfinished
note = Unfinished.begin(sys.argv[1], "a@1")
first = note.want([Span("R", 0.5, 1.0)])
note.covered(first, done=True)
note.want([Span("L", 1.0, 2.0), Span("L", 3.0, 3.5)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(path: Path) -> Path:
    """Leave the note of a gateway that was killed while something was to be covered; returns where it is."""
    done = subprocess.run([sys.executable, "-c", KILLED_GATEWAY, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    return Path(f"{path}{UNFINISHED}")


async def closed(store: Store) -> None:
    """The call as the ledger closes it at the next start."""
    row = CallRecord(
        id="a@1", trunk="office", agent="agent", caller="+14155550123", called="2", began=NOW, ended=NOW,
        ending="interrupted", cause="killed",
    )  # fmt: skip
    async with store.write() as session:
        session.add(row)


def test_after_a_kill_the_sound_is_closed_until_it_is_covered_and_the_record_says_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bleeps, "AFTER", 0.0)
    path = wav(tmp_path / "x.wav", 4)
    killed(path)
    assert waits(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            async with Finishing(store, {str(tmp_path), ""}):
                await until(lambda: not waits(path))
                await until(lambda: not Path(f"{path}{UNFINISHED}").exists())
            record = await store.call("a@1")
            assert record is not None
            assert record["media"]["recording"] == {"file": str(path), "problem": KILLED}
            assert record["recording"] == str(path), "so retention finds it"

    asyncio.run(run())
    left, right = sides(path)
    assert left == LOUD * 8000 + TONE * 1000 + LOUD * 8000 + TONE * 500 + LOUD * 4000
    assert right == LOUD * 32000, "that had been covered before"


def test_what_nobody_had_judged_when_it_was_killed_is_covered(tmp_path: Path) -> None:
    """The last words had not become text yet."""
    path = wav(tmp_path / "x.wav", 4)
    note = Unfinished.begin(str(path), "a@1", bleeped=True)
    assert waits(path), "of nothing is known whether it is private"
    note.judged("L", 1.0)
    note.judged("R", 2.0)
    note.judged("L", 3.0)
    os.close(note._file)  # as a kill does

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert asyncio.run(run())
    assert sides(path) == (LOUD * 24000 + TONE * 1000, LOUD * 16000 + TONE * 2000)
    assert not waits(path)


@pytest.mark.parametrize(("sound", "says"), [(b"RIFF" + bytes(500), "no recording"), (b"", "no recording")])
def test_what_cannot_be_covered_stays_closed(tmp_path: Path, sound: bytes, says: str) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(sound)
    note = killed(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            with pytest.raises(OSError, match=says):
                await finish(store, note)
            record = await store.call("a@1")
            assert record and record["recording"] == str(path), "so it is deleted when its time is over"

    asyncio.run(run())
    assert waits(path)


@pytest.mark.parametrize("spoilt", [b"{", b'{"cover": ["X"]}', b"[]", b"\xff", b'{"judged": {"L": "x"}}', b"7"])
def test_a_note_that_cannot_be_read_keeps_the_sound_closed(tmp_path: Path, spoilt: bytes) -> None:
    path = wav(tmp_path / "x.wav", 1)
    Path(f"{path}{UNFINISHED}").write_bytes(b'{"call": "a@1", "judged": {}}\n' + spoilt)
    assert waits(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            with pytest.raises(ValueError):
                await finish(store, Path(f"{path}{UNFINISHED}"))

    asyncio.run(run())
    assert waits(path)


def test_the_recording_of_a_call_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    """An older gateway of this machine may still have it."""
    path = wav(tmp_path / "x.wav", 1)
    note = Unfinished.begin(str(path), "a@1")

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert not asyncio.run(run())
    assert not waits(path), "nothing private was said yet"
    number = note.want([Span("L", 0.1, 0.2)])
    assert waits(path)
    note.end()
    assert waits(path)
    note.covered(number, done=True)
    assert not Path(f"{path}{UNFINISHED}").exists()


def test_what_could_not_be_covered_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = Unfinished.begin(str(path), "a@1")
    first, second = note.want([Span("L", 0.0, 0.5)]), note.want([Span("R", 0.0, 0.5)])
    note.covered(first, done=False)
    note.covered(second, done=True)
    note.end()
    assert waits(path)

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert asyncio.run(run())
    assert not waits(path)
    assert sides(path) == (TONE * 500 + LOUD * 4000, LOUD * 8000)


def test_a_call_is_recorded_only_with_its_note_and_loses_it_when_it_ends(tmp_path: Path) -> None:
    channel, path = Mock(), tmp_path / "x.wav"
    tape = Tape(str(path), call="a@1")
    tape.attach(channel)
    tape.begin()
    channel.record.assert_called_once_with(str(path))
    assert Path(f"{path}{UNFINISHED}").exists()
    assert tape.as_dict() == {"recording": {"file": str(path)}}
    assert Path(f"{path}{UNFINISHED}").exists(), "who is told of the end may find something private yet"
    tape.end()
    assert not Path(f"{path}{UNFINISHED}").exists()


def test_a_recording_that_the_media_process_could_not_finish_says_so(tmp_path: Path) -> None:
    tape = Tape(str(tmp_path / "x.wav"), call="a@1")
    tape.attach(Mock())
    tape.begin()
    sorting(Mock(), tape, Mock())(Dead("media process ended with status -9"))
    assert tape.as_dict()["recording"]["problem"] == "not finished: media process ended with status -9"


def test_what_cannot_be_marked_is_not_recorded(tmp_path: Path) -> None:
    channel, tape = Mock(), Tape(str(tmp_path / "no folder" / "x.wav"), call="a@1")
    tape.attach(channel)
    tape.begin()
    channel.record.assert_not_called()
    assert tape.as_dict()["recording"]["problem"] == "No such file or directory"


def test_who_is_forgotten_leaves_no_note(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = killed(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            await finish(store, note)
            note.write_text("{}")
            await forget(store, "+14155550123", NOW)

    asyncio.run(run())
    assert not list(tmp_path.glob("x.wav*"))


def test_a_note_is_never_shared(tmp_path: Path) -> None:
    path = str(tmp_path / "x.wav")
    note = Unfinished.begin(path, "a@1")
    with pytest.raises(FileExistsError):
        Unfinished.begin(path, "b@2")
    note.end()
    assert unfinished.waits(Path(path)) is False


# A disk that fails


def test_a_note_that_cannot_be_deleted_hinders_nobody_and_is_taken_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = Unfinished.begin(str(path), "a@1")
    file = note._file

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fails)
        note.end()
    with pytest.raises(OSError):
        os.fstat(file)
    assert not waits(path)

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert asyncio.run(run())
    assert not Path(f"{path}{UNFINISHED}").exists()


def test_a_disk_that_is_full_leaves_no_half_line_in_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = Unfinished.begin(str(path), "a@1")
    before, write = Path(f"{path}{UNFINISHED}").read_bytes(), os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        with pytest.raises(OSError, match="No space left"):
            note._write({"cover": ["L:0-1"]})
    assert Path(f"{path}{UNFINISHED}").read_bytes() == before


def test_one_note_that_fails_does_not_end_the_bleeps_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bleeps, "AFTER", 0.0)
    path = str(wav(tmp_path / "x.wav", 1))
    bad, good = Mock(), Mock()
    bad.covered.side_effect = OSError(errno.ESTALE, "stale")

    async def run() -> None:
        async with Bleeps(Watchers(), lambda _: None, lambda _: PrivacyOptions()) as watched:
            for note in (bad, good):
                watched._jobs.put_nowait(bleeps._Job(0.0, path, [Span("L", 0.0, 0.5)], note, 0))

    asyncio.run(run())
    good.covered.assert_called_once_with(0, done=True)


def test_what_is_found_at_the_end_of_a_call_is_covered_before_anybody_hears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent says a number, and the call ends before its turn does."""
    monkeypatch.setattr(bleeps, "AFTER", 0.2)
    tape, seen = Tape(str(wav(tmp_path / "x.wav", 20)), call="a@1", bleeped=True), list[bool]()
    live, watchers, desk = Mock(tape=tape, stopped=None), Watchers(), Mock()

    async def run() -> None:
        tape.attach(Mock())
        tape.begin()
        assert tape.began
        at = tape.began + timedelta(seconds=5)
        watchers.tell(CallAnswered("a@1", tape.began))
        watchers.tell(CallReported("a@1", at, AgentSays("It is 4111 1111 1111 1111.")))
        desk._begun.return_value = tape
        desk._over.side_effect = lambda *_: watchers.tell(CallEnded("a@1", at, Ending("failed", ""), {}))
        await Desk._hold(desk, live, Mock(side_effect=RuntimeError), Mock())
        seen.append(waits(Path(tape.path)))

    async def entered() -> None:
        async with Bleeps(watchers, lambda _: live, lambda _: PrivacyOptions()):
            await run()

    asyncio.run(entered())
    assert seen == [True]
    assert not waits(Path(tape.path)) and not Path(f"{tape.path}{UNFINISHED}").exists()
    assert TONE in sides(Path(tape.path))[1]


def test_what_a_killed_gateway_recorded_of_a_call_that_is_gone_is_deleted_by_its_own_database_alone(
    tmp_path: Path,
) -> None:
    """The caller was forgotten before the disk of the recording was there again."""
    path = wav(tmp_path / "x.wav", 1)
    options = StoreOptions(str(tmp_path / "x.db"))
    os.close(Unfinished.begin(str(path), "a@1", database=options.name)._file)
    note = Path(f"{path}{UNFINISHED}")

    async def run(options: StoreOptions) -> bool:
        async with Store(options) as store:
            return await finish(store, note)

    assert not asyncio.run(run(StoreOptions(str(tmp_path / "other.db"))))
    assert path.exists() and note.exists()
    assert asyncio.run(run(options))
    assert not path.exists() and not note.exists()


def test_without_locks_nothing_is_recorded_and_the_record_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fails)
    channel, tape = Mock(), Tape(str(tmp_path / "x.wav"), call="a@1")
    tape.attach(channel)
    tape.begin()
    channel.record.assert_not_called()
    told = "files in its folder cannot be locked (flock: No locks available)"
    assert tape.as_dict()["recording"]["problem"] == told
    assert not list(tmp_path.iterdir())
