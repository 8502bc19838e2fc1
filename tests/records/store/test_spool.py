"""The spool: a file that is always behind what is told and ahead of the database."""

import os
from pathlib import Path

import pytest

from sipgw.records.store import spool
from sipgw.records.store.spool import Spool, SpoolPosition


def test_what_the_disk_never_has_room_for_is_bounded_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "WAITING", 5)
    one = Spool.claim(tmp_path / "s")[0]
    monkeypatch.setattr(os, "write", write)
    for number in range(8):
        one.append({"call": str(number)})
    assert (one.dropped, one.problem) == (3, "No space left on device")
    monkeypatch.undo()
    assert [entry["call"] for entry in one.read()[0]] == list("01234"), "it appends them first"
    assert one.problem == ""


def test_the_spool_is_cut_into_segments_and_read_over_their_borders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT", 100)
    one = Spool.claim(tmp_path)[0]
    for number in range(100):
        one.append({"call": str(number)})
    assert len(list((tmp_path / "0").glob("*.jsonl"))) > 5
    read = []
    while one.behind:
        entries, place = one.read(40)
        read += [entry["call"] for entry in entries]
        one.place = place
        one.done()
    assert read == [str(number) for number in range(100)]
    one.tidy()
    assert list((tmp_path / "0").glob("*.jsonl")) == []
    one.append({"call": "after"})
    assert one.read()[0] == [{"call": "after"}]


def test_a_spool_that_was_emptied_goes_on_behind_what_the_database_has(tmp_path: Path) -> None:
    one = Spool.claim(tmp_path)[0]
    one.resume(SpoolPosition(9, 5000))
    assert not one.behind
    one.append({"call": "next"})
    assert one.read() == ([{"call": "next"}], SpoolPosition(10, 16))


def test_nobody_else_may_read_the_spool(tmp_path: Path) -> None:
    one = Spool.claim(tmp_path / "s")[0]
    one.append({"call": "c"})
    assert {oct(path.stat().st_mode & 0o77) for path in (tmp_path / "s").rglob("*")} == {"0o0"}
