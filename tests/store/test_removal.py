"""Marks of folders, and what waits to be deleted where they are not certain."""

import errno
import os
from pathlib import Path

import pytest

from sipgw.store import removal
from sipgw.store.removal import MARK, Folders


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

    monkeypatch.setattr(removal.secrets, "token_hex", meanwhile)
    if not links:
        monkeypatch.setattr(os, "link", fails)
    one.mark([disk])
    assert one.certain(disk) and other.certain(disk)
    assert [file.name for file in disk.iterdir()] == [MARK]
    one.mark([disk])
    other.mark([disk])
    assert one.certain(disk) and other.certain(disk)
