"""The cores that the gateway has, and how busy they are, as Linux tells it."""

import os
from pathlib import Path

import pytest

from media.process import cores
from media.process.engine import MediaOptions

STAT = """cpu  1000 0 500 9000 100 20 30 50 7 0
cpu0 600 0 300 4000 50 10 10 30 7 0
cpu1 300 0 150 2000 25 5 10 10 0 0
cpu2 100 0 50 3000 25 5 10 10 0 0
intr 12345
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Cores 0 and 2 of three are ours; a group without a limit."""
    monkeypatch.setattr(cores, "_allowed", lambda: {0, 2})
    monkeypatch.setattr(cores, "GROUP", tmp_path)
    monkeypatch.setattr(cores, "STAT", tmp_path / "stat")
    (tmp_path / "stat").write_text(STAT)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    return tmp_path


def test_the_busy_time_of_our_cores_counts_whoever_had_it_but_no_idle_one() -> None:
    assert cores.cores() == 2
    ticks = (600 + 300 + 10 + 10 + 30) + (100 + 50 + 5 + 10 + 10)
    assert cores.busy() == ticks / os.sysconf("SC_CLK_TCK") / 2


def test_a_container_has_the_part_that_it_was_given(machine: Path) -> None:
    (machine / "cpu.max").write_text("50000 100000\n")
    (machine / "cpu.stat").write_text("usage_usec 3000000\nuser_usec 2000000\n")
    assert cores.cores() == 0.5
    assert cores.busy() == 6.0, "three seconds of a core are six of its half"


def test_one_core_of_many_that_a_container_may_use_is_no_place_for_two_media_processes(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    monkeypatch.setattr(cores, "_allowed", lambda: set(range(16)))
    assert len(MediaOptions(processes="auto").split()) == 2
    (machine / "cpu.max").write_text("100000 100000\n")
    assert len(MediaOptions(processes="auto").split()) == 1


@pytest.mark.parametrize("text", ["", "nonsense\n", "0 0\n"])
def test_what_cannot_be_read_is_no_limit(machine: Path, text: str) -> None:
    (machine / "cpu.max").write_text(text)
    assert cores.cores() == 2


def test_where_nothing_is_told_nothing_is_known(machine: Path) -> None:
    (machine / "stat").unlink()
    (machine / "cpu.max").unlink()
    assert cores.busy() is None
    assert cores.cores() == 2
