"""The notes of recordings on a disk that fails, is full, or hangs."""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from media.recording.redact import Span
from sipgw.config.records import StoreOptions
from sipgw.records.artifacts import unfinished
from sipgw.records.artifacts.finishing import finish
from sipgw.records.artifacts.recordings import NOT_NOTED, Tape
from sipgw.records.artifacts.unfinished import NOTES, UNFINISHED, settled, taken_up, waits
from sipgw.records.store import Store
from tests.records.test_bleeps import wav
from tests.records.test_unfinished import begun, closed, leave, recorded, written
from tests.waiting import HANG, until

pytestmark = pytest.mark.faults("C15")


def test_a_note_that_cannot_be_deleted_hinders_nobody_and_is_taken_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = begun(path)
    file = note._file

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fails)
        note.end()
        written()
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
    note = begun(path)
    before, write = Path(f"{path}{UNFINISHED}").read_bytes(), os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        with pytest.raises(OSError, match="No space left"):
            note._write({"cover": ["L:0-1"]})
    assert Path(f"{path}{UNFINISHED}").read_bytes() == before


@contextlib.contextmanager
def slow_disk() -> Iterator[Callable[[], None]]:
    """A disk that takes nothing until it is let."""
    blocked, free = threading.Event(), threading.Event()

    def hangs() -> None:
        blocked.set()
        assert free.wait(HANG)

    NOTES.submit(hangs)
    assert blocked.wait(HANG)
    try:
        yield free.set
    finally:
        free.set()
        written()


def test_a_disk_that_hangs_stops_no_call_and_nothing_is_recorded_before_it_has_the_note(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"

    async def run() -> None:
        tape, channel = Tape(str(path), call="a@1"), Mock()
        with slow_disk() as free:
            tape.attach(channel)
            tape.begin()
            for _ in range(20):  # the loop goes on
                await asyncio.sleep(0)
            channel.record.assert_not_called()
            assert tape.began is None and not path.with_name("x.wav.unfinished").exists()
            free()
            await until(lambda: tape.began)
        channel.record.assert_called_once_with(str(path))
        with slow_disk():
            number = tape.note.want([Span("L", 0.0, 0.5)])
            tape.note.judged("L", 0.5)
            assert waits(path), "that is known before the disk knows it"
            tape.note.covered(number, done=True)
            tape.end()
            assert not waits(path)
        await settled()
        assert not list(tmp_path.iterdir())

    asyncio.run(run())


def test_a_call_that_ends_before_the_disk_has_its_note_is_not_recorded_and_its_record_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        tape, channel = Tape(str(tmp_path / "x.wav"), call="a@1"), Mock()
        with slow_disk():
            tape.attach(channel)
            tape.begin()
            assert tape.as_dict()["recording"]["problem"] == NOT_NOTED
            tape.end()
        await settled()
        channel.record.assert_not_called()
        assert not list(tmp_path.iterdir())

    asyncio.run(run())


def test_what_is_noted_reaches_the_disk_in_order_and_what_it_did_not_take_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.wav"
    note = begun(path, bleeped=True)

    def fails(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    with slow_disk():
        number = note.want([Span("L", 0.0, 0.5)])
        note.judged("L", 1.0)
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", fails)
        note.covered(number, done=True)
        second = note.want([Span("R", 0.0, 0.5)])
        note.judged("R", 2.0)
        written()
    note.judged("L", 3.0)
    written()
    lines = [json.loads(line) for line in Path(f"{path}{UNFINISHED}").read_bytes().splitlines()]
    assert lines[1:] == [
        {"cover": ["L:0.000-0.500"], "number": 0}, {"judged": {"L": 1.0}}, {"covered": 0},
        {"cover": ["R:0.000-0.500"], "number": 1}, {"judged": {"R": 2.0}}, {"judged": {"L": 3.0}},
    ]  # fmt: skip
    note.covered(second, done=True)
    note.end()


def test_what_the_disk_never_took_stays_closed_while_we_know_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever takes the note up would take the recording for covered."""
    path = wav(tmp_path / "x.wav", 1)
    note = begun(path)

    def fails(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "write", fails)
    note.covered(note.want([Span("L", 0.0, 0.5)]), done=False)
    note.end()
    written()
    assert waits(path)
    with taken_up(Path(f"{path}{UNFINISHED}")) as noted:
        assert noted is None
    leave(note)


def test_of_a_note_that_missed_too_much_the_whole_recording_is_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "MOST_LINES", 3)
    path = wav(tmp_path / "x.wav", 1)
    note = begun(path)
    with slow_disk():
        for _ in range(9):
            note.covered(note.want([Span("L", 0.0, 0.5)]), done=True)
        assert len(note._lines) == 4
    leave(note)
    with taken_up(Path(f"{path}{UNFINISHED}")) as noted:
        assert noted is not None
        assert [Span("L", 0.0, unfinished.ENDLESS), Span("R", 0.0, unfinished.ENDLESS)] == noted.spans[-2:]


def test_without_locks_nothing_is_recorded_and_the_record_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fails)
    tape = Tape(str(tmp_path / "x.wav"), call="a@1")
    asyncio.run(recorded(tape)).record.assert_not_called()
    told = "files in its folder cannot be locked (flock: No locks available)"
    assert tape.as_dict()["recording"]["problem"] == told
    assert not list(tmp_path.iterdir())
