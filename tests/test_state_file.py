"""Files that keep state over a restart: calls never wait for their disk, and the newest content counts."""

import asyncio
import threading
from pathlib import Path

import pytest
import structlog

from sipgw import state_file
from sipgw.state_file import DISK, StateFile
from sipgw.trunks.kept_alarms import KeptAlarms, RaisedAlarms
from tests.cloud import cloud
from tests.waiting import HANG, within

pytestmark = pytest.mark.faults("C15")


@pytest.fixture
def disk():
    """The disk answers nothing until this is set."""
    answers = threading.Event()
    DISK.submit(answers.wait, HANG)
    yield answers
    answers.set()


def test_what_is_put_is_read_and_nobody_else_may(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "new" / "x", "x not kept")
    assert file.read() is None
    file.put("one")
    assert file.read() == b"one"
    assert file.path.stat().st_mode & 0o077 == 0
    file.put("")
    assert file.read() is None and list((tmp_path / "new").iterdir()) == []


def test_a_disk_that_does_not_answer_stops_nobody_and_gets_the_newest(tmp_path: Path, disk: threading.Event) -> None:
    file = StateFile(tmp_path / "x", "x not kept")
    for number in range(10_000):
        file.put(str(number))
    assert DISK.queued <= 2, "it waits once"
    assert not file.path.exists()
    disk.set()
    assert file.read() == b"9999"


def test_the_process_stops_though_the_disk_does_not_answer(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "LIMIT", 0.01)
    file = StateFile(tmp_path / "x", "x not kept")
    file.put("one")
    asyncio.run(within(file.settled()))
    assert not disk.is_set()


def test_the_gateway_waits_at_its_end_for_what_its_last_calls_have_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops, write, settled = threading.Event(), StateFile._write, StateFile.settled

    def slow(file: StateFile) -> None:
        stops.wait(HANG)
        write(file)

    async def settles(file: StateFile) -> None:
        if file.path.suffix == ".alarms":
            stops.set()
        await settled(file)

    async def scenario() -> None:
        async with cloud(tmp_path, [], []) as world:
            file = Path(f"{world.gateway.config.store.path}.alarms")
            monkeypatch.setattr(StateFile, "_write", slow)
            monkeypatch.setattr(StateFile, "settled", settles)
            KeptAlarms(file, ()).write({"office": RaisedAlarms(frozenset({"slow"}), [frozenset({"slow"})])})
        assert stops.is_set()
        assert file.exists()

    try:
        asyncio.run(scenario())
    finally:
        stops.set()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = StateFile(tmp_path / "file" / "x", "x not kept")
    with structlog.testing.capture_logs() as logs:
        file.put("one")
        asyncio.run(file.settled())
    assert [log["event"] for log in logs] == ["x not kept"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1" * ((1 << 20) + 1))
    with pytest.raises(ValueError, match="more than 1 MiB"):
        StateFile(tmp_path / "x", "x not kept").read(1 << 20)
