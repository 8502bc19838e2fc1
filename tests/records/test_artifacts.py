"""Each file of a call has a row before its first byte, and what became of it is told by that row alone."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from unittest.mock import Mock

import pytest
from sqlalchemy import select

from media.process.channel import Dead
from media.recording.redact import TONE, Span
from sipgw.calls.context import CallContext
from sipgw.calls.info import CallInfo
from sipgw.config.records import StoreOptions
from sipgw.events import CallEnded, Disposition, Watchers
from sipgw.records.artifacts import artifact as artifacts_module
from sipgw.records.artifacts import work
from sipgw.records.artifacts.artifact import ENDLESS, KILLED, SETTLED, Artifacts, is_open, known
from sipgw.records.artifacts.recordings import CallRecording
from sipgw.records.artifacts.retention import forget
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.artifact_states import MOVES, ArtifactKind, ArtifactState, before
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord, CallRecord
from sipgw.sip.identity import Identity
from sipgw.trunks.trunks import LOCAL_TRUNK
from tests.cdr_events import artifact, call_began
from tests.records.test_audio_redactor import LOUD, sides, wav

pytestmark = pytest.mark.faults("C15")

NUMBER = "+14155550123"
KILLED_GATEWAY = """
import asyncio, os, signal, sys
from media.recording.redact import Span
from sipgw.config.records import StoreOptions
from sipgw.events import Watchers
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.store import Store
from sipgw.records.store.artifact_states import ArtifactKind
from tests.cdr_events import call_began

async def run():
    watchers = Watchers()
    async with Store(StoreOptions(sys.argv[1])) as store, CdrWriter(store, watchers) as writer:
        watchers.tell(call_began("a@1"))
        artifacts = Artifacts(writer.keep)
        recording = artifacts.begin(ArtifactKind.RECORDING, "a@1", sys.argv[2], redact=sys.argv[3] == "redact")
        first = [Span("R", 0.5, 1.0)]
        recording.want(first)
        recording.covered(first)
        recording.want([Span("L", 1.0, 2.0), Span("L", 3.0, 3.5)])
        recording.judged("L", 3.5)
        recording.judged("R", 3.0)
        capture = artifacts.begin(ArtifactKind.CAPTURE, "a@1", sys.argv[2] + ".pcap")
        kept = asyncio.Event()
        capture.when_kept(lambda problem: kept.set())
        await kept.wait()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(run())
"""


def later(seconds: float = 0.0) -> datetime:
    return datetime.now(UTC) + SETTLED + timedelta(seconds=seconds)


class World(NamedTuple):
    store: Store
    writer: CdrWriter
    artifacts: Artifacts
    watchers: Watchers

    @property
    def worker(self) -> ArtifactWorker:
        return ArtifactWorker(self.store, self.artifacts.open, lambda _: None)

    async def row(self, path: Path) -> ArtifactRecord | None:
        await self.writer.written()
        async with self.store.read() as session:
            return await session.scalar(select(ArtifactRecord).where(ArtifactRecord.path == str(path)))

    async def opened(self, path: Path) -> bool:
        row = await self.row(path)
        async with self.store.read() as session:
            return await is_open(session, str(path), row.call if row else "")  # type: ignore[return-value]


@contextlib.asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    watchers = Watchers()  # type: ignore[var-annotated]
    async with Store(StoreOptions(str(folder / "x.db"))) as store, CdrWriter(store, watchers) as writer:
        yield World(store, writer, Artifacts(writer.keep), watchers)


def killed(folder: Path, path: Path, *, redact: bool) -> None:
    """Leave what a gateway leaves that is killed while it records."""
    command = [sys.executable, "-c", KILLED_GATEWAY, str(folder / "x.db"), str(path), "redact" if redact else ""]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("redact", [False, True])
def test_after_a_kill_the_sound_is_closed_until_it_is_covered_and_the_record_says_it_is_cut(
    tmp_path: Path, redact: bool
) -> None:
    path = wav(tmp_path / "x.wav", 4)
    capture = Path(f"{path}.pcap")
    capture.write_bytes(b"half of it")
    killed(tmp_path, path, redact=redact)

    async def run() -> None:
        async with world(tmp_path) as here:
            assert not await here.opened(path)
            await here.worker.work(datetime.now(UTC))
            assert sides(path)[0] == LOUD * 32000, "the recorder may still write what it has"
            await here.worker.work(later())
            assert await here.opened(path)
            record = await here.store.call("a@1")
            assert record and record["ending"] == "interrupted" and record["recording"] == str(path)
            assert record["media"]["recording"] == {"file": str(path), "problem": KILLED}
            assert not capture.exists() and await here.row(capture) is None, "half a capture is of no use"

    asyncio.run(run())
    left, right = sides(path)
    rest = TONE * 500 if redact else LOUD * 4000
    assert left == LOUD * 8000 + TONE * 1000 + LOUD * 8000 + TONE * 500 + rest, "nobody had judged the rest"
    assert right == LOUD * 24000 + (TONE * 1000 if redact else LOUD * 8000)


async def recorded(call_recording: CallRecording) -> Mock:
    """Let a tape begin; returns its channel."""
    channel = Mock()
    call_recording.attach(channel)
    call_recording.begin()
    return channel


def test_a_call_is_recorded_only_with_its_row_and_the_media_process_is_told_after_it(tmp_path: Path) -> None:
    path = str(tmp_path / "x.wav")
    entries: list[dict[str, object]] = []

    def keep(entry: dict[str, object]) -> Future[str]:
        entries.append(entry)
        return known()

    call_recording = CallRecording(path, call="a@1", artifacts=Artifacts(keep))
    channel = Mock(record=Mock(side_effect=lambda _: entries.append({"media": "records"})))
    call_recording.attach(channel)
    call_recording.begin()
    assert [sorted(entry) for entry in entries] == [["artifact", "call"], ["media"]]
    channel.record.assert_called_once_with(path)
    assert call_recording.began is not None
    began = call_recording.began.isoformat(timespec="milliseconds")
    assert call_recording.as_dict() == {"recording": {"file": path, "began": began}}
    call_recording.end()
    assert entries[-1]["artifact"]["state"] == ArtifactState.FINISHED  # type: ignore[index]


def test_what_has_no_row_is_not_recorded_and_the_record_says_why(tmp_path: Path) -> None:
    path = str(tmp_path / "x.wav")
    entries: list[dict[str, object]] = []

    def full(entry: dict[str, object]) -> Future[str]:
        entries.append(entry)
        return known("No space left on device")

    call_recording = CallRecording(path, call="a@1", artifacts=Artifacts(full))
    asyncio.run(recorded(call_recording)).record.assert_not_called()
    assert call_recording.as_dict()["recording"]["problem"] == "its row cannot be kept: No space left on device"
    assert entries[-1]["artifact"]["state"] == ArtifactState.TO_DELETE, "should the row get there later"  # type: ignore[index]


def test_a_recording_that_the_media_process_could_not_finish_says_so(tmp_path: Path) -> None:
    call_recording = CallRecording(str(tmp_path / "x.wav"), call="a@1")
    asyncio.run(recorded(call_recording))
    context = CallContext(CallInfo("a@1", LOCAL_TRUNK, Identity()), Watchers())
    context.call_recording = call_recording
    context.on_media(Dead("media process ended with status -9"))
    assert call_recording.as_dict()["recording"]["problem"] == "not finished: media process ended with status -9"
    call_recording.end()


def test_a_recording_never_takes_the_row_of_another(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)

    async def run() -> None:
        async with world(tmp_path) as here:
            first = here.artifacts.begin(ArtifactKind.RECORDING, "a@1", str(path))
            with pytest.raises(FileExistsError):
                here.artifacts.begin(ArtifactKind.RECORDING, "b@2", str(path))
            first.want([Span("L", 0.0, 0.5)])
            first.end()
            again = here.artifacts.begin(
                ArtifactKind.RECORDING, "b@2", str(path)
            )  # the media process refuses to write there
            again.end()
            row = await here.row(path)
            assert row and (row.call, row.state) == ("a@1", ArtifactState.TO_REDACT)
            for call in ("a@1", "b@2"):  # other files are written anew
                async with here.artifacts.writing(ArtifactKind.CAPTURE, call, str(tmp_path / "x.pcap")):
                    pass
            row = await here.row(tmp_path / "x.pcap")
            assert row and (row.call, row.state) == ("b@2", ArtifactState.FINISHED)

    asyncio.run(run())


@pytest.mark.faults("C3")
def test_who_is_forgotten_while_a_file_is_written_is_forgotten_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"

    async def run() -> None:
        async with world(tmp_path) as here:
            here.watchers.tell(call_began("a@1", NUMBER))
            here.watchers.tell(CallEnded("a@1", datetime.now(UTC), Disposition("failed", ""), {}))
            async with here.artifacts.writing(ArtifactKind.CAPTURE, "a@1", str(path)):
                await here.writer.written()
                assert (await forget(here.store, NUMBER, datetime.now(UTC))).calls == 1
                await here.worker.work(later())
                path.write_bytes(b"all that was said")
                assert await here.row(path), "it is not forgotten that it is to be deleted"
            await here.worker.work(later())
            assert not path.exists() and await here.row(path) is None

    asyncio.run(run())


def test_files_after_the_end_belong_to_their_call_also_if_an_earlier_one_had_its_identity(tmp_path: Path) -> None:
    async def run() -> list[str]:
        async with world(tmp_path) as here:
            for number in range(2):
                here.watchers.tell(call_began("a@1"))
                here.watchers.tell(CallEnded("a@1", datetime.now(UTC), Disposition("failed", ""), {}))
                async with here.artifacts.writing(ArtifactKind.BUNDLE, "a@1", str(tmp_path / f"{number}.zip")):
                    pass
                await here.writer.written()
            rows = [await here.row(tmp_path / f"{number}.zip") for number in range(2)]
            async with here.store.read() as session:
                assert {row.call for row in rows if row} == set(await session.scalars(select(CallRecord.id)))
            return [row.call for row in rows if row]

    assert len(set(asyncio.run(run()))) == 2


@pytest.mark.slow
@pytest.mark.faults("C3")
def test_a_disk_that_hangs_stops_no_other_and_gets_no_second_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LIMIT", 3.0)  # a busy machine deletes the other two within it
    begun, free, unlink = list[str](), threading.Event(), Path.unlink

    def hangs(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "hangs":
            begun.append(path.name)
            free.wait()
        unlink(path, missing_ok)

    async def run() -> None:
        async with world(tmp_path) as here:
            async with here.store.write() as session:
                for name in ("a/1.wav", "hangs/2.wav", "z/3.wav"):
                    (tmp_path / name).parent.mkdir()
                    (tmp_path / name).touch()
                    session.add(artifact("c", str(tmp_path / name), state=ArtifactState.TO_DELETE.value))
            assert await here.worker.work(datetime.now(UTC)) == 2
            assert await here.worker.work(datetime.now(UTC), again=True) == 0
            row = await here.row(tmp_path / "hangs" / "2.wav")
            assert row and row.attempts == 2 and "did not answer" in row.problem
            assert begun == ["2.wav"]
            free.set()

    monkeypatch.setattr(Path, "unlink", hangs)
    asyncio.run(run())


def test_of_a_recording_with_too_many_private_parts_all_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts_module, "MOST_SPANS", 3)
    one = Artifacts().begin(ArtifactKind.RECORDING, "a@1", "/x.wav")
    for number in range(4):
        one.want([Span("L", number, number + 0.5)])
    assert one.spans == [Span("L", 0.0, ENDLESS), Span("R", 0.0, ENDLESS)]
    one.covered([Span("L", 3, 3.5)])
    assert len(one.spans) == 2


def test_the_table_of_states_is_whole_and_misuse_raises() -> None:
    assert set(MOVES) | {ArtifactState.DELETED} == set(ArtifactState)
    assert before(ArtifactState.TO_DELETE) == [
        ArtifactState.WRITING,
        ArtifactState.FINISHED,
        ArtifactState.TO_REDACT,
        ArtifactState.REDACTED,
    ]
    one = Artifacts().begin(ArtifactKind.RECORDING, "a@1", "/x.wav")
    one.end()
    with pytest.raises(RuntimeError, match="from finished to finished"):
        one.end()
    with pytest.raises(RuntimeError, match="nothing can be found"):
        one.want([Span("L", 0.0, 1.0)])
