"""A disk that does not answer keeps no gateway from stopping, and no page waiting without end."""

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sipgw.events import CallBegan, CallEnded, Disposition
from sipgw.records.artifacts import files
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.captures import timelines
from sipgw.records.captures.timelines import Timelines
from tests.waiting import HANG, within


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch):
    let_go = threading.Event()
    monkeypatch.setattr(files, "SLOW", 0.05)
    monkeypatch.setattr(timelines, "_write", lambda path, text: let_go.wait(HANG))
    yield
    let_go.set()


@pytest.mark.faults("C15")
@pytest.mark.usefixtures("hanging")
def test_the_timelines_end_though_a_file_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        kept = Timelines(lambda call: None, 100)
        now = datetime.now(UTC)
        async with kept.kept_in(tmp_path, Artifacts()):
            kept.watch(began := CallBegan("c", now, "in", "pbx", "agent", "+14155550123", "200", {}))
            kept.watch(CallEnded("c", now, Disposition("caller_hung_up", ""), {}))
        monkeypatch.setattr(files, "SLOW", HANG)  # on a busy machine the thread that reads comes late
        assert await within(kept.of(began.key)) is None

    asyncio.run(asyncio.wait_for(scenario(), HANG))


@pytest.mark.faults("C15")
def test_whoever_waits_for_a_file_is_told_that_the_disk_did_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SLOW", 0.05)
    let_go = threading.Event()

    async def scenario() -> None:
        with pytest.raises(OSError, match="the disk did not answer"):
            await files.KEEPING.run(let_go.wait, HANG)
        let_go.set()

    asyncio.run(scenario())
